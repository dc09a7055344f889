# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server in memory, which keeps what it takes, and is as strict with fields and their types as a real one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

import yaml

from ansible_collections.bramble.kube.plugins.module_utils.common.http1 import Answer
from ansible_collections.bramble.kube.plugins.module_utils.manifests.auth import Endpoint
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Client
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError

#: apiVersion → kind, path and whether it is in namespaces.
SERVED = {
    "v1": (("Secret", "secrets", True), ("ConfigMap", "configmaps", True)),
    "apps/v1": (("Deployment", "deployments", True), ("StatefulSet", "statefulsets", True)),
    "networking.k8s.io/v1": (("Ingress", "ingresses", True),),
    "batch/v1": (("CronJob", "cronjobs", True),),
    "apiextensions.k8s.io/v1": (("CustomResourceDefinition", "customresourcedefinitions", False),),
    "rbac.authorization.k8s.io/v1": (("RoleBinding", "rolebindings", True),),
    "autoscaling/v2": (("HorizontalPodAutoscaler", "horizontalpodautoscalers", True),),
    "admissionregistration.k8s.io/v1": (("ValidatingWebhookConfiguration", "validatingwebhookconfigurations", False),),
    "policy/v1": (("PodDisruptionBudget", "poddisruptionbudgets", True),),
}
#: Mappings whose keys everybody chooses.
_FREE = ("labels", "annotations", "matchLabels", "data", "stringData", "limits", "properties")
#: Mappings of old versions of which the report says what was left out: an order, and schemas that are not structural.
_REPORTED = ("rollbackTo", "openAPIV3Schema")
_NUMBER_OR_TEXT = ("servicePort", "minAvailable", "cpu")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
Shape = Any


def shape_of(value: Any, key: str = "") -> Shape:
    """What types a good object has, and where."""
    if key in _REPORTED:
        return {"*": None}
    if isinstance(value, dict):
        fields = {name: shape_of(entry, name) for name, entry in value.items()}
        return {"*": merged(fields.values())} if key in _FREE else fields
    if isinstance(value, list):
        return [merged(shape_of(entry) for entry in value)]
    return (int, str) if key in _NUMBER_OR_TEXT else (type(value),)


def merged(shapes: Iterable[Shape]) -> Shape:
    """The shape of everything that has one of these."""
    result: Shape = None
    for shape in shapes:
        if isinstance(shape, dict) and isinstance(result, dict):
            both = {**result, **shape}
            result = {name: merged(s[name] for s in (result, shape) if name in s) for name in both}
        elif isinstance(shape, list) and isinstance(result, list):
            result = [merged([*result, *shape])]
        elif isinstance(shape, tuple) and isinstance(result, tuple):
            result = tuple(dict.fromkeys((*result, *shape)))
        else:
            result = shape if result is None else result
    return result


def faults(value: Any, shape: Shape, path: str = "") -> list[str]:
    """What a server with strict validation says of an object of this shape; null is a field that is not there."""
    if value is None or shape is None:
        return []
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{path}: a mapping is expected"]
        found = []
        for key, entry in value.items():
            if entry is None:  # as if the field were not there
                continue
            if key in shape or "*" in shape:
                found += faults(entry, shape.get(key, shape.get("*")), f"{path}.{key}"[:200])
            else:
                found.append(f'unknown field "{str(key)[:60]}"')
        return found
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{path}: a list is expected"]
        if None in value:
            return [f"{path}: null in a list"]
        return [fault for entry in value for fault in faults(entry, shape[0], f"{path}[]")]
    return [] if type(value) in shape else [f"{path}: {type(value).__name__} is not expected"]


class Server(Client):
    """The API server.

    :ivar taken: objects that it took.
    :ivar kinds: what it answers when it is asked for kinds; None: the truth.
    """

    def __init__(self, shapes: dict[tuple[str, str], Shape] | None) -> None:
        """:param shapes: by apiVersion and kind; None takes everything."""
        super().__init__(Endpoint("http://192.168.13.7:6443"))
        self.shapes = shapes
        self.kinds: Any = None
        self.taken: list[dict[str, Any]] = []

    def _success(
        self, method: str, path: str, query: Any, data: bytes | None, content_type: str, accept: str
    ) -> Answer:
        self.requests += 1
        if method == "GET":
            return self._answer(200, self._read(path))
        if method != "PATCH":
            raise AssertionError(f"{method} {path}, where nothing but an apply was to be expected")
        item = json.loads(data or b"")
        name = item["metadata"].get("name")
        wrong = [] if isinstance(name, str) and _NAME.fullmatch(name) and path.endswith("/" + name) else ["the name"]
        if self.shapes is not None:
            wrong += faults(item, self.shapes.get((item.get("apiVersion"), item.get("kind"))))
        if wrong:
            raise ApiError(422, {"reason": "Invalid", "message": f'"{name}" is invalid: ' + ", ".join(wrong)})
        if not (query or {}).get("dryRun"):
            self.taken.append(item)
        return self._answer(201, {**item, "metadata": {**item["metadata"], "resourceVersion": "1"}})

    @staticmethod
    def _answer(status: int, body: Any) -> Answer:
        return Answer(status, {}, json.dumps(body).encode(), False)

    def _read(self, path: str) -> dict[str, Any]:
        if path == "/version":
            return {"major": "1", "minor": "37"}
        version = path.removeprefix("/apis/").removeprefix("/api/")
        known = [*SERVED.get(version, ()), *self._defined(version)]
        if known and self.kinds is not None:
            return self._object(path, json.dumps(self.kinds).encode())
        if known:
            return {"resources": [{"kind": k, "name": n, "namespaced": inside} for k, n, inside in known]}
        last = unquote(path.rpartition("/")[2])
        if last == "customresourcedefinitions":
            ready = {"conditions": [{"type": name, "status": "True"} for name in ("NamesAccepted", "Established")]}
            items = [{**item, "status": ready} for item in self.taken if item["kind"] == "CustomResourceDefinition"]
            return {"metadata": {"resourceVersion": "1"}, "items": items}
        if any(last == plural for kinds in SERVED.values() for _kind, plural, _inside in kinds):
            return {"metadata": {"resourceVersion": "1"}, "items": []}
        raise ApiError(404, {"reason": "NotFound", "message": "not found"})

    def _defined(self, version: str) -> list[tuple[str, str, bool]]:
        """Kinds of the CRDs that were taken."""
        found = []
        for item in self.taken:
            spec = item.get("spec") or {}
            versions = [f"{spec.get('group')}/{entry.get('name')}" for entry in spec.get("versions") or ()]
            if item["kind"] == "CustomResourceDefinition" and version in versions:
                names = spec.get("names") or {}
                found.append((names.get("kind"), names.get("plural"), spec.get("scope") == "Namespaced"))
        return [kind for kind in found if all(isinstance(word, str) for word in kind[:2])]


def objects(text: str) -> list[dict[str, Any]] | None:
    """What another program (PyYAML) reads in manifests; None when it cannot read them.

    What has items is taken apart, whatever its kind, as by kubectl.
    """
    try:
        pending = [*yaml.load_all(text, yaml.CSafeLoader)]
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    found = []
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending += item
        elif isinstance(item, dict) and isinstance(item.get("items"), list) and isinstance(item.get("kind"), str):
            pending += item["items"]
        elif isinstance(item, dict):
            found.append(item)
    return found
