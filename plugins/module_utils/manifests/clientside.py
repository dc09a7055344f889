# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Three-way client-side apply for servers before 1.22, through the openshift library."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.merge_patch import merge_patch

from . import quantity
from .client import FIELD_MANAGER, Client
from .compare import LAST_APPLIED, is_builtin
from .discovery import Resource
from .errors import ApiError, ManifestError
from .load import Item

MERGE_PATCH = "application/merge-patch+json"
_TRIES = 3


def library() -> tuple[Callable[[dict, dict], tuple[dict, dict]], Callable[[dict], dict]]:
    """The library's functions: (three-way patch of live and wanted, annotation for a new object).

    :raises ManifestError: when the library is not installed.
    """
    try:
        from openshift.dynamic.apply import annotate, apply_patch
    except ImportError:
        raise ManifestError(
            "method client_side (and any server before 1.22) needs the Python library openshift: pip install openshift."
        ) from None
    return apply_patch, annotate


def patch_for(desired: dict, live: dict) -> dict | None:
    """The JSON merge patch from the live to the wanted object, or None when there is nothing to change."""
    apply_patch, _annotate = library()
    actual, patch = apply_patch(copy.deepcopy(live), copy.deepcopy(desired))
    if patch == actual or _same(merge_patch(actual, patch), actual, (), is_builtin(desired["apiVersion"])):
        return None
    return patch


def apply(client: Client, item: Item, resource: Resource, live: dict | None, dry_run: bool) -> tuple[int, dict]:
    """Create or patch one object.

    :returns: 201 where it was created, 200 where it was there, and the object as it is now.
    :raises ApiError: when the server refuses.
    """
    query = {"fieldManager": FIELD_MANAGER}
    if dry_run:
        query["dryRun"] = "All"
    path = resource.path(item.name, item.namespace)
    if live is None:
        _apply_patch, annotate = library()
        try:
            return client.request(
                "POST", resource.collection(item.namespace), query, merge_patch(item.object, annotate(item.object))
            )
        except ApiError as error:
            # Made in between, or by this very request, whose answer was lost.
            if error.reason != "AlreadyExists":
                raise
            live = client.get(path)
    patch = patch_for(item.object, live)
    return (200, live) if patch is None else client.request("PATCH", path, query, patch, MERGE_PATCH)


def _same(one: Any, other: Any, path: tuple, builtin: bool) -> bool:
    """Equal as the server keeps values: quantities by number, empty values as if they were not there."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in set(one) | set(other):
            left, right = one.get(key), other.get(key)
            if key == LAST_APPLIED or _same(left, right, (*path, key), builtin):
                if key == LAST_APPLIED and left != right:
                    return False
                continue
            return False
        return True
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            _same(left, right, (*path, None), builtin) for left, right in zip(one, other)
        )
    if one == other and isinstance(one, bool) is isinstance(other, bool):
        return True
    empty = (None, "", [], {}, 0, False)
    if builtin and one in empty and other in empty and (one is None or other is None):
        return True
    if builtin and quantity.is_place(path):
        number = quantity.parse(one)
        return number is not None and number == quantity.parse(other)
    return False
