# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Takes over objects that client-side apply wrote, as `kubectl apply --server-side` does.

What the client-side manager owns is moved to our own entry in managedFields (client-go, util/csaupgrade), so that the
apply neither conflicts with it nor leaves fields behind that only it had. The last-applied annotation is kept true by
the field manager ``kubectl-last-applied``, for those who go on with client-side apply.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Collection
from typing import Any

from . import refusal
from .client import APPLY_PATCH, FIELD_MANAGER, Client
from .compare import LAST_APPLIED, client_side_managers, entry_of
from .discovery import Resource
from .errors import ApiError
from .load import Item

LAST_APPLIED_MANAGER = "kubectl-last-applied"
_TRIES = 5


def migrated_fields(managed: list[dict], managers: list[str], manager: str = FIELD_MANAGER) -> list[dict]:
    """The managedFields of an object after the entries of client-side managers were moved into ours.

    :param managed: the object's managedFields.
    :param managers: names of the managers whose fields are taken over.
    """
    result = []
    own: dict[str, Any] | None = None
    taken = []
    for entry in managed:
        if entry.get("subresource"):
            result.append(entry)
        elif entry.get("manager") == manager and entry.get("operation") == "Apply":
            own = copy.deepcopy(entry)
            result.append(own)
        elif entry.get("manager") in managers:
            taken.append(entry)
        else:
            result.append(entry)
    for entry in taken:
        if own is None:
            own = dict(copy.deepcopy(entry), manager=manager, operation="Apply")
            result.append(own)
        else:
            own["fieldsV1"] = _union(own.get("fieldsV1") or {}, entry.get("fieldsV1") or {})
    return result


def _union(one: dict, other: dict) -> dict:
    merged = dict(one)
    for key, value in other.items():
        both = isinstance(merged.get(key), dict) and isinstance(value, dict)
        merged[key] = _union(merged[key], value) if both else value
    return merged


def managers_of(live: dict, names: Collection[str]) -> list[str]:
    """Those of `names` that wrote fields of the object: kubectl-create, kubectl-edit, kubectl by server-side apply …"""
    if not names:
        return []
    entries = live["metadata"].get("managedFields") or []
    found = [entry.get("manager") for entry in entries if not entry.get("subresource")]
    return [name for name in names if name in found and name != FIELD_MANAGER]


def take_over(client: Client, item: Item, resource: Resource, live: dict, names: Collection[str] = ()) -> None:
    """Move the fields of client-side apply, and of other managers by name, to our manager.

    :param live: the object as it is now, with at least one such manager.
    :raises ApiError: when the server refuses.
    """
    managers = client_side_managers(live) + managers_of(live, names)
    # First, while the annotation still is somebody's: it would be removed together with the client-side manager.
    live = keep_last_applied(client, item, resource, live, always=True)
    _write_managers(client, item, resource, live, lambda managed: migrated_fields(managed, managers))


def own(client: Client, item: Item, resource: Resource, live: dict, paths: list[list[Any]]) -> None:
    """Make fields of the live object that are nobody's ours, so that an apply without them takes them out."""

    def with_paths(managed: list[dict]) -> list[dict]:
        entry = entry_of(live, FIELD_MANAGER)
        if entry is None:
            new = {"manager": FIELD_MANAGER, "operation": "Apply", "apiVersion": item.api_version}
            entry = {**new, "fieldsType": "FieldsV1", "fieldsV1": {}}
        fields = refusal.with_fields(entry.get("fieldsV1") or {}, live, paths)
        return [one for one in managed if one != entry] + [dict(entry, fieldsV1=fields)]

    _write_managers(client, item, resource, live, with_paths)


def _write_managers(
    client: Client, item: Item, resource: Resource, live: dict, change: Callable[[list[dict]], list[dict]]
) -> None:
    path = resource.path(item.name, item.namespace)
    for last in range(_TRIES - 1, -1, -1):
        metadata = live["metadata"]
        patch = [
            {"op": "replace", "path": "/metadata/managedFields", "value": change(metadata.get("managedFields") or [])},
            # Makes the server refuse the patch if somebody wrote in between.
            {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
        ]
        body = json.dumps(patch, separators=(",", ":")).encode("utf-8")
        try:
            client.request("PATCH", path, {"fieldManager": FIELD_MANAGER}, body, "application/json-patch+json")
            return
        except ApiError as error:
            if error.status != 409 or not last:
                raise
            live = client.get(path)


def keep_last_applied(client: Client, item: Item, resource: Resource, live: dict, always: bool = False) -> dict:
    """Bring a last-applied annotation, where the object has one, up to date with what is applied.

    :param always: also when it is up to date, to make it the field of its own manager.
    :returns: the object as it is then.
    """
    annotations = live["metadata"].get("annotations") or {}
    if LAST_APPLIED not in annotations:
        return live
    text = last_applied(item.object)
    if annotations[LAST_APPLIED] == text and not always:
        return live
    metadata: dict[str, Any] = {"name": item.name, "annotations": {LAST_APPLIED: text}}
    if item.namespace:
        metadata["namespace"] = item.namespace
    body = {"apiVersion": item.api_version, "kind": item.kind, "metadata": metadata}
    query = {"fieldManager": LAST_APPLIED_MANAGER, "force": "true"}
    return client.request("PATCH", resource.path(item.name, item.namespace), query, body, APPLY_PATCH)[1]


def last_applied(document: dict) -> str:
    """The content of the last-applied annotation for an object."""
    return json.dumps(document, separators=(",", ":"), sort_keys=True) + "\n"
