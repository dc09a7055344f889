# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever answers at the API server's address: each request of a run gets each strange answer, without a traceback."""

from __future__ import annotations

import copy
import json
import os
import threading
from typing import Any

import pytest
from answering import Server, definition, push, thing

from ansible_collections.bramble.kube.plugins.module_utils.common.http1 import Answer
from ansible_collections.bramble.kube.plugins.module_utils.manifests import (
    late_secrets,
    retry,
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

SET = ApplySet("set", "shop")
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
