# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Decides in memory whether a server-side apply would change anything.

The server records in ``metadata.managedFields`` which fields a manager applied last: the exact set, with list items
named by the keys that its OpenAPI schema defines. A field leaves that set as soon as somebody else changes or removes
it. So an apply changes nothing if and only if

1. the fields of the manifest are the fields of our entry, no more (a new field would be added) and no fewer (a field
   that left the manifest would be removed), and
2. the live value of each of them is the manifest's.

Where the server keeps a value in another form than it was sent (quantities, empty values, defaults inside values that
are owned as a whole), a rule below proves both to be the same; where no rule does, the verdict is UNSURE, and the
caller asks the server by a dry-run. No verdict is ever EQUAL on a guess.
"""

from __future__ import annotations

import functools
import json
from typing import Any

from . import quantity
from .client import FIELD_MANAGER

EQUAL, UNSURE, DIFFERENT = 0, 1, 2
_CLIENT_SIDE = "kubectl-client-side-apply"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_MISSING = object()
_SCALARS = frozenset([str, int, float, bool])
_EMPTY: dict = {}

# Values that the server fills in inside values which are owned as a whole: (field around, field, value). They are the
# same whatever was there before, so leaving them out is writing them (k8s.io/kubernetes, pkg/apis/*/v1/defaults.go).
_DEFAULTS_INSIDE = frozenset(
    [
        ("fieldRef", "apiVersion", '"v1"'),
        ("resourceFieldRef", "divisor", '"0"'),
        ("ports", "protocol", '"TCP"'),
        ("rules", "scope", '"*"'),
        ("serviceAccountToken", "expirationSeconds", "3600"),
        ("volumeClaimTemplates", "apiVersion", '"v1"'),
        ("volumeClaimTemplates", "kind", '"PersistentVolumeClaim"'),
        ("volumeClaimTemplates", "status", '{"phase": "Pending"}'),
        ("spec", "volumeMode", '"Filesystem"'),
    ]
)
# Fields whose structs are owned as a whole (`x-kubernetes-map-type: atomic`, also in CRDs that embed them). Any other
# struct that managedFields name without its fields was empty when it was applied.
_ATOMIC = frozenset(
    [
        *["claimRef", "configMapKeyRef", "dataSource", "fieldRef", "fileKeyRef", "involvedObject", "labelSelector"],
        *["matchConstraints", "matchResources", "namespaceSelector", "nodeSelector", "nodeTopology", "objectSelector"],
        *["paramKind", "paramRef", "podSelector", "port", "preference", "regarding", "related", "required"],
        *["requiredDuringSchedulingIgnoredDuringExecution", "resourceFieldRef", "roleRef", "scaleTargetRef"],
        *["scopeSelector", "secretKeyRef", "selector", "targetRef"],
    ]
)
# Keys of list items that may be left out, and what the server then takes (`+default` beside the list's map keys).
_KEY_DEFAULTS = {"protocol": "TCP"}


def compare(desired: dict, live: dict, manager: str = FIELD_MANAGER) -> int:
    """Whether applying `desired` by server-side apply would leave `live` as it is.

    :param desired: the object as it would be sent.
    :param live: the object as the server has it, with managedFields, read in the same API version.
    :returns: EQUAL, DIFFERENT, or UNSURE.
    """
    entry = entry_of(live, manager)
    if entry is None:
        fields = _EMPTY
    elif entry.get("apiVersion") != desired["apiVersion"]:
        return DIFFERENT
    else:
        fields = entry.get("fieldsV1") or _EMPTY
    if client_side_managers(live):
        return DIFFERENT
    wanted = {key: value for key, value in desired.items() if key not in ("apiVersion", "kind")}
    metadata = {key: value for key, value in desired["metadata"].items() if key not in ("name", "namespace")}
    if metadata:
        wanted["metadata"] = metadata
    else:
        del wanted["metadata"]
    try:
        return _map(wanted, fields, live, (), is_builtin(desired["apiVersion"]))
    except (AttributeError, TypeError, ValueError):
        return UNSURE  # the fields have a form that only the server may know


@functools.lru_cache(maxsize=64)
def is_builtin(api_version: str) -> bool:
    """Whether the group is one of Kubernetes itself, whose kinds lose empty values on the way through the server."""
    group = api_version.rpartition("/")[0]
    return "." not in group or group in _OWN_GROUPS


_OWN_GROUPS = frozenset(
    name + ".k8s.io"
    for name in [
        "admissionregistration",
        "apiextensions",
        "apiregistration",
        "certificates",
        "coordination",
        "discovery",
        "events",
        "flowcontrol.apiserver",
        "networking",
        "node",
        "rbac.authorization",
        "resource",
        "scheduling",
        "storage",
    ]
)


def entry_of(live: dict, manager: str) -> dict | None:
    """A manager's own entry for server-side apply in managedFields."""
    for entry in live["metadata"].get("managedFields") or []:
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource"):
            return entry
    return None


def client_side_managers(live: dict) -> list[str]:
    """Managers that wrote the object by client-side apply: those whose updates own its last-applied annotation."""
    if LAST_APPLIED not in (live["metadata"].get("annotations") or _EMPTY):
        return []
    found = []
    for entry in live["metadata"].get("managedFields") or []:
        if entry.get("operation") == "Update" and not entry.get("subresource"):
            metadata = (entry.get("fieldsV1") or _EMPTY).get("f:metadata")
            owned = metadata.get("f:annotations") if isinstance(metadata, dict) else None
            if entry.get("manager") == _CLIENT_SIDE or "f:" + LAST_APPLIED in (owned or ()):
                found.append(entry.get("manager", ""))
    return found


def _map(desired: dict, fields: dict, live: Any, path: tuple, builtin: bool) -> int:
    """Fields of a struct or a map that are owned one by one."""
    if not isinstance(live, dict):
        return DIFFERENT
    verdict = EQUAL
    others = len(fields) - ("." in fields)  # fields that we own and do not want
    for key, value in desired.items():
        owned = fields.get("f:" + key)
        if owned is None:
            if value is None or value == {} or value == []:
                # Whether an empty value counts as a field depends on the schema.
                verdict = max(verdict, UNSURE)
                continue
            return DIFFERENT
        others -= 1
        found = live.get(key, _MISSING)
        if not owned and type(value) in _SCALARS and type(value) is type(found) and value == found:  # as most are
            continue
        if _is_whole(owned):
            result = _whole(value, found, (*path, key), builtin)
            if result == EQUAL and value and isinstance(value, dict) and key not in _ATOMIC:
                result = UNSURE
        elif isinstance(value, dict):
            result = _map(value, owned, found, (*path, key), builtin)
        elif isinstance(value, list):
            result = _list(value, owned, found, (*path, key), builtin)
        else:
            result = DIFFERENT
        if result == DIFFERENT:
            return DIFFERENT
        verdict = max(verdict, result)
    return DIFFERENT if others else verdict


def _is_whole(owned: dict) -> bool:
    return not owned or (len(owned) == 1 and "." in owned)


def _list(desired: list, fields: dict, live: Any, path: tuple, builtin: bool) -> int:
    """Lists whose items are owned one by one: by keys (``k:``) or, in sets, by value (``v:``)."""
    if not isinstance(live, list):
        return DIFFERENT
    kinds = {name[:2] for name in fields if name != "."}
    if kinds == {"v:"}:
        return _set(desired, {name[2:] for name in fields if name != "."}, live)
    if kinds != {"k:"}:
        return UNSURE
    owned: dict[tuple, dict] = {}
    names: tuple[str, ...] = ()
    for name, below in fields.items():
        if name != ".":
            names, key = _keys(name)
            owned[key] = below
    found: dict[tuple, tuple[int, Any]] = {}
    for position, item in enumerate(live):
        key = _key_of(item, names)
        if key in found:
            return UNSURE
        found[key] = (position, item)
    if len(owned) != len(desired):
        return DIFFERENT
    verdict = EQUAL
    last = -1
    seen = set()
    for item in desired:
        key = _key_of(item, names)
        if key in seen or any(part is None for part in key):
            return UNSURE
        seen.add(key)
        if key not in owned or key not in found:
            return DIFFERENT
        position, other = found[key]
        if position < last:
            verdict = UNSURE
        last = position
        if _is_whole(owned[key]):
            result = _whole(item, other, (*path, None), builtin)
        else:
            result = _map(item, owned[key], other, (*path, None), builtin)
        if result == DIFFERENT:
            return DIFFERENT
        verdict = max(verdict, result)
    return verdict


@functools.lru_cache(maxsize=256)  # most objects of a kind have the same
def _keys(name: str) -> tuple[tuple[str, ...], tuple]:
    """The names and the values of the keys in ``k:{"containerPort":80,"protocol":"TCP"}``."""
    keys = sorted(json.loads(name[2:]).items())
    return tuple(key for key, _value in keys), tuple(value for _key, value in keys)


def _key_of(item: Any, names: tuple[str, ...]) -> tuple:
    if not isinstance(item, dict):
        return (None,)
    key = tuple([item.get(name, _KEY_DEFAULTS.get(name)) for name in names])
    try:
        hash(key)
    except TypeError:
        return (None,)
    return key


def _set(desired: list, owned: set[str], live: list) -> int:
    try:
        wanted = [json.dumps(value, ensure_ascii=False) for value in desired]
        found = {json.dumps(value, ensure_ascii=False): position for position, value in enumerate(live)}
    except TypeError:
        return UNSURE
    if len(set(wanted)) != len(wanted):
        return UNSURE
    if {json.dumps(json.loads(value), ensure_ascii=False) for value in owned} != set(wanted):
        return DIFFERENT
    if any(value not in found for value in wanted):
        return DIFFERENT
    positions = [found[value] for value in wanted]
    return EQUAL if positions == sorted(positions) else UNSURE


def _whole(desired: Any, live: Any, path: tuple, builtin: bool) -> int:
    """A value that is owned as a whole: a scalar, an atomic list or struct, or an empty one."""
    if desired == live and _alike(desired, live):
        return EQUAL
    if live is _MISSING or live is None:
        if desired is None:
            return EQUAL
        empty = desired in ("", [], {}) or desired is False or (desired == 0 and not isinstance(desired, bool))
        # We own the field, and nobody has changed it since: the server dropped the empty value that we sent.
        return (EQUAL if builtin else UNSURE) if empty else DIFFERENT
    if isinstance(desired, dict):
        if not isinstance(live, dict):
            return DIFFERENT
        if not desired:
            return EQUAL if not live else UNSURE
        return _struct_inside(desired, live, path, builtin)
    if isinstance(desired, list):
        if not isinstance(live, list):
            return DIFFERENT
        if not desired:
            return EQUAL if not live else UNSURE
        if len(desired) != len(live):
            return DIFFERENT
        verdict = EQUAL
        for one, other in zip(desired, live):
            verdict = max(verdict, _whole(one, other, (*path, None), builtin))
        return verdict
    return _scalar(desired, live, path, builtin)


def _alike(one: Any, other: Any) -> bool:
    """Whether two values that Python takes for equal are of the same types all through: to it, 1 is 1.0 and true."""
    if isinstance(one, dict):
        pairs = [(value, other[key]) for key, value in one.items() if not isinstance(value, str)]
    elif isinstance(one, list):
        pairs = [(value, found) for value, found in zip(one, other) if not isinstance(value, str)]
    else:
        return type(one) is type(other)
    return not pairs or all(_alike(*pair) for pair in pairs)


def _struct_inside(desired: dict, live: dict, path: tuple, builtin: bool) -> int:
    """A struct inside a value that is owned as a whole: what is more on the server must be a known default.

    Whether an empty value that the server does not have was sent before, nobody noted.
    """
    verdict = EQUAL
    for key, value in desired.items():
        found = live.get(key, _MISSING)
        verdict = max(verdict, _whole(value, found, (*path, key), builtin))
        if verdict == DIFFERENT:
            return DIFFERENT
        if found is _MISSING:
            verdict = UNSURE
    around = next((name for name in reversed(path) if name is not None), "")
    for key, value in live.items():
        if key not in desired:
            known = builtin and (around, key, json.dumps(value)) in _DEFAULTS_INSIDE
            if not known:
                verdict = UNSURE
    return verdict


def _scalar(desired: Any, live: Any, path: tuple, builtin: bool) -> int:
    if desired is None:
        return UNSURE
    if isinstance(desired, bool) is isinstance(live, bool) and desired == live:
        return EQUAL
    one, other = quantity.parse(desired), quantity.parse(live)
    if one is not None and one == other and not isinstance(live, bool):
        # The server keeps quantities in one form only, so the same number is the same text there.
        return EQUAL if builtin and quantity.is_place(path) else UNSURE
    return DIFFERENT
