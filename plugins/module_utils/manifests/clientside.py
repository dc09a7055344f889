# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Three-way client-side apply for servers before 1.22 through the openshift library, as `kubectl apply` does it.

What the last apply wrote stands in an annotation. A field that is in it and not in the manifest is taken out, what the
manifest has is written, and all else is left as it is. The items of some lists are merged one by one, told apart by
the keys of the API's own definition (`patchMergeKey` in k8s.io/api); all other lists, and those of custom resources,
are replaced whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.merge_patch import merge_patch

from . import quantity
from .client import FIELD_MANAGER, Client
from .compare import LAST_APPLIED, is_builtin
from .discovery import Resource
from .errors import ApiError, ManifestError
from .load import Item
from .takeover import last_applied

MERGE_PATCH = "application/merge-patch+json"

# list → what tells its items apart, the first that all of them have. Ports have their protocol beside the number:
# kubectl's own merge goes by the number alone, and loses 53/TCP when 53/UDP moves.
_KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "containers": (("name",),),
    "initContainers": (("name",),),
    "ephemeralContainers": (("name",),),
    "volumes": (("name",),),
    "imagePullSecrets": (("name",),),
    "resourceClaims": (("name",),),
    "env": (("name",),),
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
    "volumeMounts": (("mountPath",),),
    "volumeDevices": (("devicePath",),),
    "hostAliases": (("ip",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "secrets": (("name",),),
    "webhooks": (("name",),),
    "ownerReferences": (("uid",),),
}
_KEY_DEFAULTS = {"protocol": "TCP"}
# Of these, one branch alone may be set (`patchStrategy: retainKeys`): what the manifest has replaces what was there.
_UNIONS = frozenset(["strategy", "updateStrategy"])


def library() -> Callable[..., dict]:
    """The library's three-way merge: what was applied, what is wanted, what is there → a JSON merge patch.

    :raises ManifestError: when it is not installed.
    """
    try:
        from openshift.dynamic.apply import merge
    except ImportError:
        raise ManifestError(
            "method client_side (and any server before 1.22) needs the Python library openshift: pip install openshift."
        ) from None
    return merge


def patch_for(desired: dict, live: dict) -> dict | None:
    """The JSON merge patch from the live to the wanted object, or None when there is nothing to change."""
    try:
        last = json.loads((live["metadata"].get("annotations") or {}).get(LAST_APPLIED) or "{}")
    except ValueError:
        last = {}
    builtin = is_builtin(desired["apiVersion"])
    merged = _merged_map(last if isinstance(last, dict) else {}, annotated(desired), live, builtin)
    return None if _same(merged, live, (), builtin) else _difference(live, merged)


def annotated(document: dict) -> dict:
    """The object with the annotation that says what was applied."""
    return merge_patch(document, {"metadata": {"annotations": {LAST_APPLIED: last_applied(document)}}})


def apply(
    client: Client, item: Item, resource: Resource, live: dict | None, dry_run: bool, strict: bool = True
) -> tuple[int, dict]:
    """Create or patch one object.

    :param strict: whether a field that the kind does not have is an error; else the server drops it.
    :returns: 201 where it was created, 200 where it was there, and the object as it is now.
    :raises ApiError: when the server refuses.
    """
    query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict" if strict else "Ignore"}
    if dry_run:
        query["dryRun"] = "All"
    path = resource.path(item.name, item.namespace)
    if live is None:
        try:
            return client.request("POST", resource.collection(item.namespace), query, annotated(item.object))
        except ApiError as error:
            # Made in between, or by this very request, whose answer was lost.
            if error.reason != "AlreadyExists":
                raise
            live = client.get(path)
    patch = patch_for(item.object, live)
    return (200, live) if patch is None else client.request("PATCH", path, query, patch, MERGE_PATCH)


def lost(desired: Any, after: Any, path: str = "") -> list[str]:
    """Fields that were sent and did not arrive: what a server that does not check fields drops without a word."""
    found: list[str] = []
    if isinstance(desired, dict):
        for key, value in desired.items():
            where = f"{path}.{key}" if path else key
            if not isinstance(after, dict) or key not in after:
                if value not in (None, "", [], {}, 0, False):
                    found.append(where)
            else:
                found.extend(lost(value, after[key], where))
    elif isinstance(desired, list) and isinstance(after, list) and len(desired) == len(after):
        for number, (value, other) in enumerate(zip(desired, after)):
            found.extend(lost(value, other, f"{path}[{number}]"))
    return found


# Merge -------------------------------------------------------------------------------------------------------------


def _merged_map(last: dict, desired: dict, live: dict, builtin: bool) -> dict:
    """What the library makes of three maps; it gets each value, with lists that are merged here, as one text.

    Its own merge of lists drops items that look empty, and knows neither unions nor ports of two protocols.
    """
    wanted = dict(desired)
    for key, value in desired.items():
        then, there = last.get(key), live.get(key)
        if isinstance(value, dict):
            base = there if isinstance(there, dict) else {}
            if builtin and key in _UNIONS and value.get("type", base.get("type")) != base.get("type"):
                base = {name: entry for name, entry in base.items() if name in value}
            wanted[key] = _merged_map(then if isinstance(then, dict) else {}, value, base, builtin)
        elif isinstance(value, list):
            wanted[key] = _merged_list(key, then, value, there, builtin)
    before, after, now = map(_texts, (last, wanted, live))
    after.update((key, None) for key, value in desired.items() if value is None)  # takes the field out
    merged = merge_patch(now, library()(before, after, now, position="object"))
    return {key: json.loads(text) for key, text in merged.items()}


def _texts(values: dict) -> dict[str, str | None]:
    return {key: json.dumps(value, sort_keys=True) for key, value in values.items()}


def _merged_list(name: str, last: Any, desired: list, live: Any, builtin: bool) -> list:
    for keys in _KEYS.get(name, ()) if builtin else ():
        wanted, found = _by_key(desired, keys), _by_key(live or [], keys)
        if wanted is None or found is None:
            continue
        before = _by_key(last or [], keys) or {}
        result = []
        for key, item in wanted.items():
            # A volume is a union: what it was before does not stay beside what it is now.
            other = name == "volumes" and key in found and set(item) - set(found[key])
            base = {} if other else found.get(key, {})
            result.append(_merged_map(before.get(key, {}), item, base, builtin))
        return result + [item for key, item in found.items() if key not in wanted and key not in before]
    return desired


def _by_key(items: Any, keys: tuple[str, ...]) -> dict[tuple, dict] | None:
    """The items by what tells them apart; None where that does not tell them apart."""
    if not isinstance(items, list):
        return None
    result: dict[tuple, dict] = {}
    for item in items:
        if not isinstance(item, dict):
            return None
        key = tuple(item.get(part, _KEY_DEFAULTS.get(part)) for part in keys)
        if any(not isinstance(part, (str, int)) for part in key) or key in result:
            return None
        result[key] = item
    return result


def _difference(live: dict, merged: dict) -> dict:
    """The JSON merge patch that makes `merged` of `live`."""
    patch: dict[str, Any] = {key: None for key in live if key not in merged}
    for key, value in merged.items():
        now = live.get(key)
        if isinstance(value, dict) and isinstance(now, dict):
            inside = _difference(now, value)
            if inside:
                patch[key] = inside
        elif key not in live or type(value) is not type(now) or value != now:
            patch[key] = value
    return patch


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
