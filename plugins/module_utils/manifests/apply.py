# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Server-side apply of one object, and what the server's refusal means for a person."""

from __future__ import annotations

from typing import Any

from ..common.late import late
from . import refusal
from .client import APPLY_PATCH, FIELD_MANAGER, Client
from .discovery import Resource
from .errors import ApiError
from .load import Item

_MANAGER = late(r'^conflict with "([^"]*)"')


def apply(
    client: Client, item: Item, resource: Resource, force: bool = False, dry_run: bool = False, parse: bool = True
) -> tuple[int, Any]:
    """Send one object by server-side apply.

    :returns: 201 where it was created, 200 where it was there; and the object as it is now (None unless `parse`).
    :raises ApiError: also for conflicts with other field managers.
    """
    query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
    if force:
        query["force"] = "true"
    if dry_run:
        query["dryRun"] = "All"
    return client.request(
        "PATCH", resource.path(item.name, item.namespace), query, item.object, APPLY_PATCH, parse=parse
    )


def conflicts(error: ApiError) -> list[tuple[str, str]]:
    """(field, other manager) for each field that somebody else manages; empty when it is another kind of error."""
    found = []
    for cause in error.causes:
        if cause.get("reason") == "FieldManagerConflict":
            match = _MANAGER.match(cause.get("message") or "")
            found.append((cause.get("field") or "?", match.group(1) if match else "?"))
    return found


def sentence(error: Exception, item: Item) -> str:
    """Why an object was not applied, and what to do where that is known."""
    if isinstance(error, ApiError):
        fields = conflicts(error)
        if fields:
            return "others manage {}; set force_conflicts: true to take over, or leave them out of the manifest".format(
                ", ".join("{} ({})".format(*pair) for pair in fields)
            )
        if error.status == 403 and error.reason == "Forbidden" and not refusal.is_denied(error):
            return "not allowed: " + error.message
        return refusal.sentence(error, item.kind, item.label, item.api_version, item.object)
    return str(error)


def same(before: dict, after: dict) -> bool:
    """Whether a write changed nothing but what controllers report: status, and when managers last wrote."""
    return _without_status(before) == _without_status(after)


def _without_status(document: dict) -> dict:
    kept = {key: value for key, value in document.items() if key not in ("status", "apiVersion", "kind")}
    metadata = dict(document["metadata"])
    for field in ("resourceVersion", "generation"):
        metadata.pop(field, None)
    metadata["managedFields"] = [
        {key: value for key, value in entry.items() if key != "time"}
        for entry in metadata.get("managedFields") or []
        if entry.get("subresource") != "status"
    ]
    kept["metadata"] = metadata
    return kept
