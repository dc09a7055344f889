# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Server-side apply of one object, and what the server's refusal means for a person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..common.late import late
from . import refusal
from .client import APPLY_PATCH, FIELD_MANAGER, Client, encoded
from .discovery import Resource
from .errors import ApiError
from .load import Item

#: Where an encoded object may have a number of more than 32 bits.
_WIDE = re.compile(rb"[:,\[] ?-?[0-9]{10}")
_MANAGER = late(r'^conflict with "([^"]*)"')


def apply(
    client: Client, item: Item, resource: Resource, force: bool = False, dry_run: bool = False, parse: bool = True
) -> tuple[int, Any]:
    """Send one object by server-side apply.

    :returns: 201 where it was created, 200 where it was there; and the object as it is now (None unless `parse`).
    :raises ApiError: also for conflicts with other field managers, and for numbers that the server would cut.
    """
    query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
    if force:
        query["force"] = "true"
    if dry_run:
        query["dryRun"] = "All"
    body = encoded(item.object)
    wide = _WIDE.search(body) is not None
    if wide and not dry_run:
        apply(client, item, resource, force, dry_run=True)
    path = resource.path(item.name, item.namespace)
    status, after = client.request("PATCH", path, query, body, APPLY_PATCH, parse=parse or wide)
    if wide and dry_run:
        told = [
            f"{field}: {sent} is too large, it would become {kept}" for field, sent, kept in cut(item.object, [after])
        ]
        if told:
            raise ApiError(422, {"message": "; ".join(told)})
    return status, after


def cut(sent: Any, kept: list[Any], field: str = "") -> Iterator[tuple[str, int, int]]:
    """Whole numbers of which the server keeps the lower 32 bits alone, as server-side apply does without a word.

    :param kept: what it has at this place; of a list, everything that is in it, since lists are merged.
    :returns: field, the number, and what became of it.
    """
    if isinstance(sent, dict):
        for key, value in sent.items():
            yield from cut(value, [one[key] for one in kept if isinstance(one, dict) and key in one], f"{field}.{key}")
    elif isinstance(sent, list):
        inside = [one for whole in kept if isinstance(whole, list) for one in whole]
        for index, value in enumerate(sent):
            yield from cut(value, inside, f"{field}[{index}]")
    elif isinstance(sent, int) and not -(2**31) <= sent < 2**31:
        lower = (sent + 2**31) % 2**32 - 2**31
        if sent not in kept and any(one == lower and isinstance(one, int) for one in kept):
            yield field.lstrip("."), sent, lower


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
