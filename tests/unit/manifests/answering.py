# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server in memory behind the client's connections, which keeps what it is sent and calls all of it ready."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common.http1 import Answer
from ansible_collections.bramble.kube.plugins.module_utils.manifests import client, options, run
from ansible_collections.bramble.kube.plugins.module_utils.manifests.applyset import PART_OF_LABEL

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
    "example.org/v1": [("Widget", "widgets", True), ("Board", "boards", False)],
}
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
        if "/namespaces" not in path:
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
