# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The form that an API server's answers have, by the path that was asked: what every reader of them relies on.

The forms are those of Kubernetes' API conventions (sig-architecture, api-conventions.md) and of meta/v1. A proxy, a
login page or another server that answers with success is found here, in one sentence, and by no reader.
"""

from __future__ import annotations

from typing import Any

from .load import what

_METADATA = {
    **dict.fromkeys(["name", "namespace", "uid", "resourceVersion", "continue", "deletionTimestamp"], str),
    **dict.fromkeys(["labels", "annotations"], dict),
    **dict.fromkeys(["finalizers", "ownerReferences", "managedFields"], list),
    **dict.fromkeys(["generation", "remainingItemCount"], int),
}
_NAMED = {str: "a text", dict: "a mapping", list: "a list", int: "a whole number", bool: "true or false"}
_TEXTS = ("labels", "annotations")
_RESOURCE = {"name": str, "kind": str, "namespaced": bool}
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_OWN = ("status", "finalize")  # what is below a namespace and no collection of it


def fault(path: str, body: Any, method: str = "GET", metadata_only: bool = False, stored: bool = True) -> str:
    """What is wrong with the answer to a request for `path`; empty when it is as promised.

    :param metadata_only: whether no more than the metadata of objects was asked for.
    :param stored: whether an object was not just tried (dry-run), so that it has a resourceVersion.
    """
    if not isinstance(body, dict):
        return f"it is {what(body)}, where an object belongs"
    parts = path.strip("/").split("/")
    if parts[0] not in ("api", "apis"):
        return ""  # /version, /openapi/v2
    rest = parts[2 if parts[0] == "api" else 3 :]
    if not rest:
        return _of_discovery(parts, body)
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in _OWN:
        rest = rest[2:]
    deep = path.startswith(_DEFINITIONS) and not metadata_only
    if len(rest) == 1 and method == "GET":
        return _of_list(body, deep)
    if len(rest) != 2 or method not in ("GET", "PATCH"):
        # Of a subresource, or to a POST or DELETE: of any kind, and not always of one that is stored.
        return "" if isinstance(body.get("metadata", {}), dict) else "its metadata is no mapping"
    wrong = _of_object(body, "", deep)
    return wrong or (
        "" if not stored or body["metadata"].get("resourceVersion") else "metadata.resourceVersion is missing"
    )


def of_event(event: Any) -> str:
    """What is wrong with one event of a watch."""
    kind = event.get("type") if isinstance(event, dict) else None
    if not isinstance(kind, str):
        return f"it is {what(event)}, where an event with its type belongs"
    body = event.get("object")
    if kind == "ERROR":
        return "" if isinstance(body, dict) else "object is missing"
    wrong = _of_object(body, "object", False, named=kind != "BOOKMARK")
    if not wrong and not body["metadata"].get("resourceVersion"):
        wrong = "object.metadata.resourceVersion is missing"
    return wrong


def _of_list(body: dict, deep: bool) -> str:
    items = body.get("items", 0)
    if items is not None and not isinstance(items, list):
        return "items is missing" if "items" not in body else f"items is {what(items)}, where a list belongs"
    wrong = _of_metadata(body.get("metadata"), "metadata")
    for number, one in enumerate(() if wrong else items or ()):
        wrong = _of_object(one, f"items[{number}]", deep)
        if wrong:
            break
    return wrong


def _of_object(body: Any, place: str, deep: bool, named: bool = True) -> str:
    if not isinstance(body, dict):
        return f"{place or 'it'} is {what(body)}, where an object belongs"
    metadata = body.get("metadata")
    wrong = _of_metadata(metadata, "metadata") or (
        "metadata.name is missing" if named and not metadata.get("name") else ""
    )
    return (f"{place}.{wrong}" if place else wrong) if wrong else _of_definition(body, place) if deep else ""


def _of_metadata(metadata: Any, place: str) -> str:
    if not isinstance(metadata, dict):
        return f"{place} is missing" if metadata is None else f"{place} is {what(metadata)}, where a mapping belongs"
    for key, value in metadata.items():
        wanted = _METADATA.get(key)
        if wanted is None or value is None:
            continue
        if not isinstance(value, wanted):
            return f"{place}.{key} is {what(value)}, where {_NAMED[wanted]} belongs"
        if wanted is dict:
            for name, text in value.items():
                if not isinstance(text, str):
                    return f"{place}.{key}[{name}] is {what(text)}, where a text belongs"
        elif key == "managedFields":
            for entry in value:
                if not isinstance(entry, dict) or not isinstance(entry.get("manager", ""), str):
                    return f"{place}.{key} has an entry without a manager"
                if not isinstance(entry.get("fieldsV1") or {}, dict):
                    return f"{place}.{key} has an entry without fields"
    return ""


def _of_discovery(parts: list[str], body: dict) -> str:
    if len(parts) == (2 if parts[0] == "api" else 3):
        wrong = _of_entries(body, "resources", _RESOURCE)
        verbs = () if wrong else [one["verbs"] for one in body["resources"] or () if one.get("verbs") is not None]
        listed = all(isinstance(one, list) and all(isinstance(verb, str) for verb in one) for one in verbs)
        return wrong if listed else "verbs of resources is no list of texts"
    if parts == ["apis"]:
        wrong = _of_entries(body, "groups", {"preferredVersion": dict})
        versions = [] if wrong else [group["preferredVersion"] for group in body["groups"] or ()]
    elif parts[0] == "apis":
        wrong = _of_fields(body, "", {"preferredVersion": dict}) or _of_entries(body, "versions", {"groupVersion": str})
        versions = [] if wrong else [body["preferredVersion"]]
    else:
        return ""
    return wrong or next(
        filter(None, (_of_fields(one, "preferredVersion.", {"groupVersion": str}) for one in versions)), ""
    )


def _of_definition(body: dict, place: str) -> str:
    spec = body.get("spec")
    place = f"{place}.spec" if place else "spec"
    if not isinstance(spec, dict):
        return f"{place} is missing"
    wrong = _of_fields(spec, "", {"group": str, "names": dict}) or _of_entries(spec, "versions", {"name": str})
    wrong = wrong or _of_fields(spec["names"], "names.", {"kind": str, "plural": str})
    return f"{place}.{wrong}" if wrong else ""


def _of_entries(body: dict, name: str, fields: dict[str, type]) -> str:
    """A list of mappings with these fields; null is an empty one, as Go writes it."""
    entries = body.get(name, 0)
    if entries is not None and not isinstance(entries, list):
        return f"{name} is missing" if name not in body else f"{name} is {what(entries)}, where a list belongs"
    return next(filter(None, (_of_fields(one, f"{name}[{n}].", fields) for n, one in enumerate(entries or ()))), "")


def _of_fields(body: Any, place: str, fields: dict[str, type]) -> str:
    if not isinstance(body, dict):
        return f"{place.rstrip('.')} is {what(body)}, where a mapping belongs"
    for name, wanted in fields.items():
        if not isinstance(body.get(name), wanted):
            return f"{place}{name} is missing" if name not in body else f"{place}{name} is {what(body[name])}"
    return ""
