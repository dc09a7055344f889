# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What a server's refusal means for a person: which field, what is wrong with it, what to do.

The texts are those of k8s.io/apimachinery (pkg/util/validation/field) and sigs.k8s.io/structured-merge-diff (typed/),
whose own messages hold whole structures of Go, with the values of environment variables inside.
"""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Iterator
from typing import Any

from ..common.late import late
from ..common.redact import foreign
from . import quantity
from .errors import ApiError
from .load import what

_TYPED = "failed to create typed "
# The second reading, into Go's own types: it finds what the schema leaves open, numbers or texts and quantities.
_CONVERTED = late(r"unable to convert unstructured object to [^:]*: (.*)$", re.DOTALL)
_MISFIT = late(r"^json: cannot unmarshal (\w+)")
# What a server says to create and patch: https://pkg.go.dev/encoding/json#UnmarshalTypeError
_HANDLED = late(r"cannot be handled as an? \w+: (.*)$", re.DOTALL)
# The value that is told here is the whole object, a Secret's data among it.
_PATCHED = late(r'^Invalid value: "\{.*\}": ([^{}]*)$', re.DOTALL)
_EXPRESSION = late(r", regex used for validation is '.*'(?=\)$)")
_UNMARSHALLED = late(r"^json: cannot unmarshal (\w+)(?: (\S+))? into Go struct field \w+\.(\S+) of type (\S+)$")
_UNKNOWN_FIELD = late(r'unknown field "([^"]*)"')
_WANTED_BY = {"string": "string", "bool": "boolean", "int": "numeric", "[]uint": "string"}
_GO_NAMES = {"object": "a mapping", "array": "a list", "bool": "a truth value", "string": "a text"}
_GO = {"object": dict, "array": list, "bool": bool, "number": float}
_TIME = late(r'^parsing time "([^"]*)"')
_BASE64 = frozenset(["caBundle", "request", "certificate"])
_PLAIN_FIELD = {"data": ": put plain text into stringData", "binaryData": ": put plain text into data"}
_NUMBER_OR_TEXT = frozenset(["port", "targetPort", "maxSurge", "maxUnavailable", "minAvailable"])
_PLACE = late(r"^(\.[^ ]*|\.?[^ ]*\[.*\][^ ]*): (.*)$")
_WANTED = late(r"^expected (\w+)(?: \([^)]*\))?, got (.*)$", re.DOTALL)
_VALUE = late(r"^&?(?:value\.valueUnstructured\{Value:(.*)\}|\{(.*)\})$", re.DOTALL)
_DUPLICATE = late(r"^duplicate entries for key (.*)$")
_UNKNOWN = "field not declared in schema"
_FIXED = late(
    r"immutable|may not change once set|may not be changed|may not change fields other|"
    r"updates to \w+ spec for fields other"
)
_STRUCTURE = late(r"Invalid value: (?:\{.*\}|\[.*\]|[\w.*&]*\{.*\}): ", re.DOTALL)
_DENIED = late(
    r"""^(?:admission webhook "[^"]*" denied the request|.* is forbidden: ValidatingAdmissionPolicy '[^']*' .*denied)"""
)
_WRITE = {
    "string": "put it in quotes",
    "numeric": "write a number, without quotes",
    "boolean": "write true or false, without quotes",
    "list": "write a list, each item after a dash",
    "map": "write a mapping",
}
# Kinds whose deletion takes data or other objects with it.
PRECIOUS = frozenset(["PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition"])


def is_typed(error: Exception) -> bool:
    """Whether the object is not of its kind's form: the server says 500, though only the manifest can change it."""
    if not isinstance(error, ApiError) or error.status != 500:
        return False
    message = str(error.body.get("message") or "")
    return _TYPED in message or bool(_CONVERTED.search(message))


def is_denied(error: Exception) -> bool:
    """Whether an admission webhook or policy denied the object, which it may do for something that is still to come."""
    return isinstance(error, ApiError) and bool(_DENIED.match(str(error.body.get("message") or "")))


def fixed_fields(error: Exception) -> list[str]:
    """The fields that the server does not let change; empty when that is not what it refuses."""
    if not isinstance(error, ApiError) or error.status != 422:
        return []
    found = [str(cause.get("field") or "spec") for cause in error.causes if _FIXED.search(str(cause.get("message")))]
    return list(dict.fromkeys(found)) if len(found) == len(error.causes) else []


def unknown_fields(error: Exception) -> list[str]:
    """The fields that the kind does not have, as far as this answer tells them."""
    return [path for path, what in _typed_faults(error) if what == _UNKNOWN]


def typed_text(error: Exception) -> str:
    """The lines of such a refusal, for a message that joins several."""
    return "\n  ".join(f"{path}: {what}" for path, what in _typed_faults(error) if what != _UNKNOWN)


def without(document: dict, path: str) -> dict | None:
    """A copy of the object without the field at a path such as ``.spec.containers[name="c"].x``; None if not there."""
    result = copy.deepcopy(document)
    node: Any = result
    steps = _steps(path)
    for step in steps[:-1]:
        node = _into(node, step)
    if not steps or not isinstance(node, dict) or steps[-1] not in node:
        return None
    del node[steps[-1]]
    return result


def sentence(error: ApiError, kind: str, label: str, api_version: str, document: Any = None) -> str:
    """Why the server refuses an object, and what to do."""
    converted = _CONVERTED.search(str(error.body.get("message") or "")) if is_typed(error) else None
    if converted:
        return foreign(_misfit(converted.group(1), document), 600)
    handled = _HANDLED.search(str(error.body.get("message") or "")) if error.status == 400 else None
    if handled:
        return foreign(_not_handled(handled.group(1), kind, api_version, document), 600)
    typed = _typed_faults(error)
    if typed:
        return "; ".join(foreign(_typed(path, what, kind, api_version), 300) for path, what in typed[:10])
    fixed = fixed_fields(error)
    if fixed:
        ways = "delete it or give it another name" if kind in PRECIOUS else _RECREATE
        return f"{', '.join(fixed)} of {label} cannot be changed: {ways}"
    patched = _PATCHED.search(str(error.causes[0].get("message"))) if error.status == 422 and error.causes else None
    if patched:
        return foreign(_not_handled(patched.group(1), kind, api_version, document), 600)
    if error.status == 422 and error.causes:
        told = []
        for cause in error.causes[:10]:
            what = _EXPRESSION.sub("", _STRUCTURE.sub("", str(cause.get("message") or "")))
            told.append(f"{cause.get('field')}: {what}" if cause.get("field") else what)
        return foreign("; ".join(dict.fromkeys(told))).rstrip(".")
    return error.message


_RECREATE = "delete it, give it another name, or set recreate: true"


def _misfit(reason: str, document: Any) -> str:
    """What does not fit into Go's own types; the server does not say where, so that the object is looked through."""
    kind = _MISFIT.match(reason)
    time = _TIME.search(reason)
    told = []
    for path, value in _leaves(document, ()):
        names = tuple(name for name in path if isinstance(name, str))
        place = "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in path).lstrip(".")
        if "illegal base64" in reason and _is_base64_place(names, document) and not _is_base64(value):
            told.append(f"{place} is not base64{_PLAIN_FIELD.get(names[0], '')}")
        elif "cannot convert float64" in reason and isinstance(value, float) and not value.is_integer():
            told.append(f"{place} is {what(value)}: write a whole number where one belongs")
        elif time and value == time.group(1):
            told.append(f"{place} is {what(value)}: write a time such as 2026-01-31T08:00:00Z")
        elif kind and kind.group(1) == "number" and names and names[-1].endswith(("Time", "Timestamp")):
            told.append(f"{place} is {what(value)}: write a time such as 2026-01-31T08:00:00Z, in quotes")
        elif (
            "quantities must match" in reason
            and not isinstance(value, dict)
            and _is_quantity_place(names, document)
            and quantity.parse(value) is None
        ):
            told.append(f"{place} is {what(value)}, not a quantity: write one such as 2, 500m or 64Mi")
        elif kind and names and names[-1] in _NUMBER_OR_TEXT and isinstance(value, _GO.get(kind.group(1), ())):
            told.append(f"{place} is {what(value)}: write a number, or a name or percentage where one is allowed")
    return "; ".join(told) or f"a value does not fit its field: {reason}"


def _not_handled(reason: str, kind: str, api_version: str, document: Any) -> str:
    """Why an object cannot be created or patched as its kind."""
    unmarshalled = _UNMARSHALLED.match(reason)
    if unmarshalled:
        return _unmarshalled(*unmarshalled.groups())
    unknown = _UNKNOWN_FIELD.findall(reason)
    if unknown:
        return "; ".join(_typed(path, _UNKNOWN, kind, api_version) for path in unknown[:10])
    return _misfit(reason, document)


def _unmarshalled(found: str, number: str | None, path: str, wanted: str) -> str:
    """The path has the names of embedded Go types, capitalized, between those of the fields."""
    place = ".".join(step for step in path.split(".") if not step[:1].isupper())
    if number:
        return f"{place} is the number {number}: write {'a whole' if '.' in number else 'a smaller'} number"
    kind = _WANTED_BY.get(wanted.rstrip("0123456789"), "list" if wanted.startswith("[]") else "map")
    return f"{place} is {_GO_NAMES.get(found, f'a {found}')}: {_WRITE[kind]}"


def _is_quantity_place(names: tuple[str, ...], document: Any) -> bool:
    if document.get("kind") == "LimitRange":  # whose field `limits` is a list
        return len(names) == 4
    return quantity.is_place(names)


def _is_base64_place(names: tuple[str, ...], document: Any) -> bool:
    field = "data" if document.get("kind") == "Secret" else "binaryData"
    return bool(names) and (names[-1] in _BASE64 or (len(names) == 2 and names[0] == field))


def _is_base64(value: Any) -> bool:
    """Whether Go's encoding/base64 reads it."""
    try:
        base64.b64decode(str(value).replace("\n", "").replace("\r", ""), validate=True)
    except ValueError:
        return False
    return True


def _leaves(value: Any, path: tuple) -> Iterator[tuple[tuple, Any]]:
    """Every part of an object with its path."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*path, key), part
        yield from _leaves(part, (*path, key))


def _typed_faults(error: Exception) -> list[tuple[str, str]]:
    """(path, what is wrong) for each place that is not of its kind's form."""
    text = str(error.body.get("message") or "") if isinstance(error, ApiError) and is_typed(error) else ""
    if _TYPED not in text:
        return []
    text = text[text.index(_TYPED) :].partition("): ")[2]
    found = []
    for line in text.removeprefix("errors:").split("\n  "):
        place, _colon, what = line.strip().rpartition(": ") if line.endswith(_UNKNOWN) else _split(line.strip())
        if place:
            found.append((place, what))
    return found


def _split(line: str) -> tuple[str, str, str]:
    for words in (": expected ", ": duplicate entries", ": element ", ": associative list"):
        place, colon, what = line.partition(words)
        if colon:
            return place, ": ", words[2:] + what
    return line.partition(": ")


def _typed(path: str, what: str, kind: str, api_version: str) -> str:
    place = path.lstrip(".")
    if what == _UNKNOWN:
        return f"{place} is not a field of a {kind} of {api_version}: remove it, or set drop_unknown_fields: true"
    duplicate = _DUPLICATE.match(what)
    if duplicate:
        names = duplicate.group(1).strip("[]").replace("=", " ").replace('"', "")
        return f"{place} has two entries with {names}; keep one"
    wanted = _WANTED.match(what)
    if not wanted:
        return f"{place}: {what}"
    advice = _WRITE.get(wanted.group(1), f"write a {wanted.group(1)}")
    return f"{place} is {_named(wanted.group(2), kind)}: {advice}"


def _named(text: str, kind: str) -> str:
    """A value of Go as a person says it; those of Secrets are not repeated."""
    match = _VALUE.match(text)
    value = (match.group(1) or match.group(2) or "") if match else text
    if value.startswith("map["):
        return "a mapping"
    if value.startswith(("[]", "[")):
        return "a list"
    if value == "<nil>":
        return "nothing (null)"
    if value in ("true", "false"):
        return f"the truth value {value}"
    if re.fullmatch(r"[-+0-9.e]+", value):
        return "a number" if kind == "Secret" else f"the number {value}"
    return "a text" if match or value == "string" else f"a {value}"


def _steps(path: str) -> list[Any]:
    """The parts of a path: names of fields, numbers, and dicts of keys for items of lists."""
    steps: list[Any] = []
    for name, inside in re.findall(r'\.([^.\[\]]+)|\[((?:"(?:[^"\\]|\\.)*"|[^\]])*)\]', path):
        if name:
            steps.append(name)
        elif inside.isdigit():
            steps.append(int(inside))
        else:
            steps.append(dict(re.findall(r'(\w+)="?((?:[^",\\]|\\.)*)"?', inside)))
    return steps


def _into(node: Any, step: Any) -> Any:
    if isinstance(step, dict) and isinstance(node, list):
        return next((entry for entry in node if _has(entry, step)), None)
    if isinstance(step, int) and isinstance(node, list):
        return node[step] if step < len(node) else None
    return node.get(step) if isinstance(node, dict) and isinstance(step, str) else None


def _has(entry: Any, keys: dict[str, str]) -> bool:
    return isinstance(entry, dict) and all(str(entry.get(key, "TCP")) == value for key, value in keys.items())


# Unions ------------------------------------------------------------------------------------------------------------


def left_branches(error: Exception, desired: dict, live: dict) -> list[list[Any]]:
    """Fields that are in the way of what is wanted: live, not in the manifest, and nobody's own.

    The server fills in the branch of a union that nobody chose (a Deployment's ``strategy.rollingUpdate``, a volume's
    ``emptyDir``). An apply that chooses another branch leaves the first, which it does not own, and is refused.

    :returns: the path of each, from the object's root; list items by their position in the live object.
    """
    if not isinstance(error, ApiError) or error.status != 422:
        return []
    found = []
    for cause in error.causes:
        steps = _steps("." + str(cause.get("field") or ""))
        if not steps or not isinstance(steps[-1], str):
            continue
        parent, wanted = _followed(live, steps[:-1]), _followed_by_name(desired, live, steps[:-1])
        if not isinstance(parent, dict) or not isinstance(wanted, dict):
            continue
        names = [steps[-1]]
        if steps[-1] in wanted and "more than" in str(cause.get("message")):
            names = [name for name in parent if name not in wanted]
        found += [[*steps[:-1], name] for name in names if name in parent and name not in wanted]
    return [path for path in found if not _owned(live, path)]


def _followed(node: Any, steps: list[Any]) -> Any:
    for step in steps:
        node = _into(node, step)
    return node


def _followed_by_name(desired: Any, live: Any, steps: list[Any]) -> Any:
    """The part of the manifest that a path of the live object means: items of lists by their name."""
    for step in steps:
        live = _into(live, step)
        if isinstance(step, int) and isinstance(desired, list) and isinstance(live, dict) and "name" in live:
            desired = next((one for one in desired if isinstance(one, dict) and one.get("name") == live["name"]), None)
        else:
            desired = _into(desired, step)
    return desired


def _field_names(live: dict, path: list[Any]) -> list[str]:
    """The path as managedFields write it."""
    names, node = [], live
    for step in path:
        child = _into(node, step)
        if isinstance(step, int):
            named = isinstance(child, dict) and "name" in child
            names.append("k:" + json.dumps({"name": child["name"]}, separators=(",", ":")) if named else "?")
        else:
            names.append(f"f:{step}")
        node = child
    return names


def _owned(live: dict, path: list[Any]) -> bool:
    names = _field_names(live, path)
    for entry in live["metadata"].get("managedFields") or []:
        node: Any = entry.get("fieldsV1") or {}
        for name in names:
            node = node.get(name) if isinstance(node, dict) else None
        if node is not None:
            return True
    return False


def with_fields(own: dict, live: dict, paths: list[list[Any]]) -> dict:
    """A manager's fieldsV1 with further fields of the live object, whole."""
    result = copy.deepcopy(own)
    for path in paths:
        names = _field_names(live, path)
        node = result
        for name in names:
            node = node.setdefault(name, {})
        node.update(_all_fields(_followed(live, path)))
    return result


def _all_fields(value: Any) -> dict:
    if not isinstance(value, dict) or not value:
        return {}
    return {f"f:{key}": _all_fields(entry) for key, entry in value.items()}
