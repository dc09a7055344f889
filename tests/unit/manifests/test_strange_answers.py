# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever answers at the API server's address: each request of a run gets each strange answer, without a traceback."""

from __future__ import annotations

import copy
import json
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common.http1 import Answer
from ansible_collections.bramble.kube.plugins.module_utils.manifests import (
    client,
    late_secrets,
    options,
    retry,
    run,
    stored,
    waiting,
)
from ansible_collections.bramble.kube.plugins.module_utils.manifests.applyset import (
    CONTAINS,
    ID_LABEL,
    PART_OF_LABEL,
    TOOLING,
    ApplySet,
)

CORE = [
    ("ConfigMap", "configmaps", True),
    ("Namespace", "namespaces", False),
    ("Pod", "pods", True),
    ("Secret", "secrets", True),
]
KINDS = {
    "v1": [*CORE, ("Event", "events", True)],
    "apps/v1": [("Deployment", "deployments", True)],
    "apiextensions.k8s.io/v1": [("CustomResourceDefinition", "customresourcedefinitions", False)],
    "example.org/v1": [("Widget", "widgets", True)],
}
SET = ApplySet("set", "shop")
READY = {
    "phase": "Active",
    "conditions": [{"type": name, "status": "True"} for name in ("NamesAccepted", "Established", "Ready")],
    **dict.fromkeys(["observedGeneration", "replicas", "updatedReplicas", "availableReplicas"], 1),
}
FAILED = {"observedGeneration": 9, "conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]}
NAMES = {"kind": "Widget", "plural": "widgets"}


def thing(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    version = next(version for version, kinds in KINDS.items() for one in kinds if one[0] == kind)
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}


def definition(*versions: str) -> dict[str, Any]:
    listed = [{"name": name, "served": True, "storage": name == versions[0]} for name in versions]
    spec = {"group": "example.org", "names": NAMES, "scope": "Namespaced", "versions": listed}
    return thing("CustomResourceDefinition", "widgets.example.org", spec=spec)


LABELS = {"app": "web"}
WEB = thing("Deployment", "web", spec={"replicas": 1, "selector": {"matchLabels": LABELS}})
MANIFESTS = [
    thing("Namespace", "shop"),
    definition("v1"),
    *(thing("ConfigMap", name, data={"k": name}) for name in "abcd"),
    thing("Secret", "late"),
    WEB,
    thing("Widget", "w"),
]


class Server:
    """An API server in memory, which keeps what it is sent and says of everything that it is ready.

    :ivar asked: method and path of each request.
    :ivar strange: called with the number of a request; what it gives is answered in place of the truth.
    """

    def __init__(self, objects: list[dict[str, Any]]) -> None:
        self.asked: list[str] = []
        self.strange: Callable[[int], Answer | None] = lambda _number: None
        self.writes = 0
        self._lock = threading.RLock()
        self._kept: dict[str, dict[str, Any]] = {}
        for document in objects:
            self._keep(document, document["metadata"].get("namespace", "shop"))

    def _keep(self, document: dict[str, Any], namespace: str) -> dict[str, Any]:
        plural, inside = next((p, i) for k, p, i in KINDS[document["apiVersion"]] if k == document["kind"])
        version = document["apiVersion"]
        prefix = f"/apis/{version}" if "/" in version else f"/api/{version}"
        place = f"{prefix}/namespaces/{namespace}/{plural}" if inside else f"{prefix}/{plural}"
        path = f"{place}/{document['metadata']['name']}"
        metadata = {"uid": "u", "resourceVersion": "7", "generation": 1, **document["metadata"]}
        if inside:
            metadata["namespace"] = namespace
        self._kept[path] = {"status": READY, **copy.deepcopy(document), "metadata": metadata}
        return self._kept[path]

    def answer(self, method: str, target: str, body: Any) -> Answer:
        """Answer one request."""
        path, _mark, query = target.partition("?")
        with self._lock:
            number = len(self.asked)
            self.asked.append(f"{method} {path}{'?watch' if 'watch=1' in query else ''}")
            given = self.strange(number)
            if given is not None:
                return given
            status, answer = self._true(method, path, query, body)
        return Answer(status, {}, json.dumps(answer, separators=(",", ":")).encode(), False)

    def _true(self, method: str, path: str, query: str, body: Any) -> tuple[int, Any]:
        if method == "GET":
            found = self._read(path, query)
            return (404, {"kind": "Status", "reason": "NotFound"}) if found is None else (200, found)
        path = path.removesuffix("/status")
        there = self._kept.get(path)
        if method == "DELETE":
            self._kept.pop(path, None)
            return 200, {"kind": "Status", "metadata": {}}
        self.writes += "dryRun" not in query
        if isinstance(body, list) or not body or "apiVersion" not in body:  # a patch of what is there
            return (200, there) if there else (404, {"kind": "Status", "reason": "NotFound"})
        document = {**(there or {}), **body, "metadata": {**(there or body)["metadata"], **body["metadata"]}}
        return 200 if there else 201, self._keep(document, body["metadata"].get("namespace", "shop"))

    def _read(self, path: str, query: str) -> Any:
        if path == "/version":
            return {"major": "1", "minor": "37"}
        if path == "/apis":
            return {"groups": [self._group(version) for version in KINDS if "/" in version]}
        for version, kinds in KINDS.items():
            if path == ("/apis/" if "/" in version else "/api/") + version:
                verbs = ["list", "delete"]
                return {"resources": [{"kind": k, "name": p, "namespaced": i, "verbs": verbs} for k, p, i in kinds]}
            if "/" in version and path == f"/apis/{version.partition('/')[0]}":
                return self._group(version)
        if path in self._kept:
            return self._kept[path]
        if path.rpartition("/")[2] not in [plural for kinds in KINDS.values() for _kind, plural, _inside in kinds]:
            return None
        parts = path.rpartition("/")
        found = [document for place, document in self._kept.items() if place.rpartition("/")[0] == path]
        if "/namespaces/" not in path:
            inside = [
                d for p, d in self._kept.items() if p.startswith(parts[0] + "/namespaces/") and f"/{parts[2]}/" in p
            ]
            found += inside
        if PART_OF_LABEL in query:
            others = "%21%3D" in query
            found = [d for d in found if (PART_OF_LABEL in (d["metadata"].get("labels") or {})) is not others]
        return {"metadata": {"resourceVersion": "7"}, "items": [*found]}

    @staticmethod
    def _group(version: str) -> dict[str, Any]:
        one = {"groupVersion": version}
        return {"name": version.partition("/")[0], "preferredVersion": one, "versions": [one]}


class Line:
    """What stands in for a connection to the server."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def begin(self, _timeout: float) -> None:
        pass

    def send(self, request: bytes, body: bytes | None = None) -> None:
        method, target, _version = request.split(b"\r\n", 1)[0].decode().split(" ")
        self._answer = self._server.answer(method, target, json.loads(body) if body else None)

    def receive(self) -> Answer:
        return self._answer

    def receive_lines(self) -> tuple[int, dict[str, str], Iterator[bytes]]:
        found = self._answer.content
        if found.startswith(b'{"metadata":{"resourceVersion"'):  # the true list: what is in it has ended in failure
            events = [{"type": "MODIFIED", "object": {**one, "status": FAILED}} for one in json.loads(found)["items"]]
            return 200, {}, iter([json.dumps(event).encode() for event in events])
        return self._answer.status, {}, iter([found])

    def close(self) -> None:
        pass


def push(
    server: Server, manifests: list[dict[str, Any]], check: bool = False, **given: Any
) -> tuple[bool, dict[str, Any]]:
    params = {name: spec.get("default") for name, spec in options.ARGUMENT_SPEC.items()}
    for name, spec in options.ARGUMENT_SPEC.items():
        if params[name] is None and spec["type"] == "list":
            params[name] = []
    params.update(host="http://k8s.example:6443", definition=copy.deepcopy(manifests), namespace="shop", timeout=1)
    params.update(wait_timeout=1, **given)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client.Client, "_connect", lambda self, timeout: Line(server))
        return run.run(params, check, False)


def parent(kinds: str) -> dict[str, Any]:
    metadata = {
        "name": "set",
        "labels": {ID_LABEL: SET.id},
        "annotations": {TOOLING: "bramble.kube/v1", CONTAINS: kinds},
    }
    return {**thing("ConfigMap", "set"), "metadata": metadata}


def member(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "metadata": {**document["metadata"], "labels": {PART_OF_LABEL: SET.id}}}


def made_by_kubectl(document: dict[str, Any]) -> dict[str, Any]:
    name = "kubectl.kubernetes.io/last-applied-configuration"
    fields = {"f:metadata": {"f:annotations": {f"f:{name}": {}}}, "f:data": {"f:k": {}}}
    entry = {"manager": "kubectl-client-side-apply", "operation": "Update", "apiVersion": "v1", "fieldsV1": fields}
    metadata = {**document["metadata"], "annotations": {name: "{}"}, "managedFields": [entry]}
    return {**document, "metadata": metadata}


OLD = [
    definition("v0", "v1"),
    member(thing("ConfigMap", "gone")),
    parent("ConfigMap,CustomResourceDefinition.apiextensions.k8s.io,Namespace"),
]
PRUNED = [*OLD[1:], member(definition("v1")), member(thing("Namespace", "away"))]
UNREADY = {**WEB, "metadata": {"name": "web", "generation": 2}}
POD = {**thing("Pod", "web-1"), "metadata": {"name": "web-1", "labels": LABELS}}
#: What is on the cluster, what is pushed, and how.
RUNS: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]] = {
    "first push": ([], MANIFESTS, {"wait": True}),
    "first push of a set": ([], MANIFESTS, {"apply_set": "set", "wait": True}),
    "one of each": ([made_by_kubectl(MANIFESTS[2])], [MANIFESTS[2]], {}),
    "taken over": ([made_by_kubectl(m) for m in MANIFESTS[2:6]], MANIFESTS[2:6], {}),
    "pruned": (PRUNED, MANIFESTS[2:6], {"apply_set": "set", "prune": True}),
    "a version goes": ([definition("v0", "v1"), thing("Widget", "w")], [definition("v1")], {}),
    "check": ([MANIFESTS[2]], MANIFESTS, {"check": True, "apply_set": "set"}),
    "never ready": ([POD, {**UNREADY, "status": {}}], [UNREADY], {"wait": True}),
    "client side": ([MANIFESTS[2]], MANIFESTS[2:4], {"method": "client_side"}),
    "owned": (
        [MANIFESTS[2]],
        [{**MANIFESTS[3], "metadata": {"name": "b", "ownerReferences": [{**MANIFESTS[2], "name": "a", "uid": "u"}]}}],
        {},
    ),
}

PAGE = b"<!DOCTYPE html>\n<html>log in</html>"
METADATA = {"name": "a", "resourceVersion": "7"}
BODIES: dict[str, Any] = {
    "nothing": b"",
    "a page": PAGE,
    "half": b'{"metadata": {"na',
    "no text": b"\xff\xfe\x00",
    "deep": b"[" * 50_000,
    "null": None,
    "a list": [],
    "a text": "ok",
    "a number": 7,
    "an empty object": {},
    "another object": {"ok": True},
    "a status": {"kind": "Status", "metadata": {}, "status": "Success"},
    "metadata of a list": {"metadata": []},
    "no name": {"metadata": {"labels": {}}},
    "a name that is a number": {"metadata": {"name": 5}},
    "labels of a list": {"metadata": {**METADATA, "labels": ["x"]}},
    "annotations that are numbers": {"metadata": {**METADATA, "annotations": {"a": 1, TOOLING: 5}}},
    "managedFields of texts": {"metadata": {**METADATA, "managedFields": ["x"]}},
    "fields of another form": {
        "metadata": {
            **METADATA,
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "7"},
            "managedFields": [
                {"manager": "bramble.kube", "operation": "Apply", "apiVersion": "v1", "fieldsV1": {"f:data": 7}},
                {
                    "manager": "kubectl-client-side-apply",
                    "operation": "Update",
                    "fieldsV1": {"f:data": [], "f:metadata": 5},
                },
                {"operation": "Update"},
            ],
        }
    },
    "no resourceVersion": {"metadata": {"name": "a", "managedFields": []}, "spec": {"names": 5}, "status": "fine"},
    "a spec and a status of texts": {"metadata": METADATA, "spec": "x", "status": {"conditions": {"a": 1}}},
    "items of a text": {"metadata": {}, "items": "x"},
    "items that are null": {"metadata": {}, "items": None},
    "items that are numbers": {"metadata": {}, "items": [5]},
    "items without metadata": {"metadata": {}, "items": [{}]},
    "items without a name": {"metadata": {}, "items": [{"metadata": {}}]},
    "items of another form": {
        "metadata": {"remainingItemCount": "x"},
        "items": [{"metadata": {**METADATA, "finalizers": 5, "deletionTimestamp": 7}, "spec": 5, "status": 7}],
    },
    "items with a spec of a text": {
        "metadata": {},
        "items": [{"metadata": METADATA, "spec": "x", "status": {"phase": [], "conditions": [1]}}],
    },
    "items without metadata of the list": {"items": []},
    "resources of a text": {"resources": "x"},
    "resources without fields": {"resources": [{}]},
    "resources that are null": {"resources": None},
    "resources with a text for a truth value": {"resources": [{"name": "a", "kind": "ConfigMap", "namespaced": "no"}]},
    "resources with a verb for verbs": {
        "resources": [{"name": "a", "kind": "ConfigMap", "namespaced": True, "verbs": 5}]
    },
    "groups of numbers": {"groups": [5]},
    "groups without versions": {"groups": [{"preferredVersion": {}}]},
    "a group without versions": {"preferredVersion": {"groupVersion": "apps/v1"}, "versions": [{}]},
    "an event without an object": {"type": "ADDED"},
    "an event of a number": {"type": 5, "object": {"metadata": METADATA}},
    "an event about an object without a version": {"type": "MODIFIED", "object": {"metadata": {"name": "web"}}},
}
REFUSALS: dict[str, tuple[int, Any]] = {
    "a redirect": (302, b""),
    "a page that is not there": (404, PAGE),
    "a page that is forbidden": (403, PAGE),
    "a refusal of numbers": (
        422,
        {"message": 5, "reason": [], "details": {"causes": [{"message": [], "field": {}, "reason": 5}, 7]}},
    ),
    "a conflict of a form of its own": (400, {"details": {"causes": {"a": 1}}}),
    "a refusal that is a list": (400, []),
}
STRANGE = {**{name: (200, body) for name, body in BODIES.items()}, **REFUSALS}


def answered(name: str) -> Answer:
    status, body = STRANGE[name]
    content = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    return Answer(status, {"location": "https://login.example"} if status == 302 else {}, content, False)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing passes by itself here, so that no pause is worth its time."""
    monkeypatch.setattr(retry, "LONGEST_DELAY", 0.01)
    monkeypatch.setattr(stored, "SETTLE", 0.0)
    monkeypatch.setattr(waiting, "GRACE", 0.0)
    monkeypatch.setattr(late_secrets, "LOOK_EVERY", 0.01)


def run_of(name: str) -> tuple[Server, list[dict[str, Any]], dict[str, Any]]:
    objects, manifests, given = RUNS[name]
    return Server(copy.deepcopy(objects)), manifests, {"workers": 1, **given}


@pytest.mark.parametrize("name", RUNS)
def test_the_runs_themselves_pass(name: str) -> None:
    server, manifests, given = run_of(name)
    failed, result = push(server, manifests, **given)
    assert failed is (name == "never ready"), result
    assert server.asked


#: Of the positions of a run, each strange answer comes to one in so many; to which, differs from answer to answer.
SHARE = 1 if os.environ.get("BRAMBLE_STRANGE") == "all" else 4


@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize("name", RUNS)
def test_each_request_of_a_run_gets_a_strange_answer(name: str, strange: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", broken.append)
    at = [*STRANGE].index(strange) % SHARE
    while True:
        server, manifests, given = run_of(name)
        server.strange = lambda asked, at=at: answered(strange) if asked == at else None
        try:
            failed, result = push(server, manifests, **given)
        except Exception as error:
            pytest.fail(f"{server.asked[at]}: {type(error).__name__}: {error}")
        if len(server.asked) <= at:
            break
        where = server.asked[at]
        assert not broken, f"{where}: {broken}"
        message = str(result["msg"]) if failed else ""
        for word in ("Error:", "NoneType", "object has no", "Traceback", "<html>"):
            assert word not in message, f"{where}: {message}"
        if "as a Kubernetes API does" in message:
            path = where.removesuffix("?watch").partition(" ")[2]
            assert f"k8s.example:6443 answers {path} with" in message, where
        if failed and server.writes and not given.get("check"):
            assert "objects" in result, f"{where}: what was written is not told: {message}"
        at += SHARE


REFUSED = [name for name, (status, body) in STRANGE.items() if status == 200 and not isinstance(body, dict)]


@pytest.mark.parametrize("strange", REFUSED)
@pytest.mark.parametrize("path", ["/version", "/api/v1", "/api/v1/namespaces/shop/configmaps/a", "PATCH"])
def test_what_is_no_object_is_told_with_its_address_and_what_came(path: str, strange: str) -> None:
    server, manifests, given = run_of("one of each")
    push(server, manifests, **given)
    asked = next(number for number, place in enumerate(server.asked) if path in place.split(" "))
    server, manifests, given = run_of("one of each")
    server.strange = lambda number: answered(strange) if number == asked else None
    failed, result = push(server, manifests, **given)
    assert failed and "not as a Kubernetes API does: " in result["msg"] and "a proxy or a login page" in result["msg"]
    assert f"http://k8s.example:6443 answers {server.asked[asked].partition(' ')[2]} with success" in result["msg"]
