# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Keeps the values of Secrets out of results and logs."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from typing import Any

MASK = "********"


#: All that is shown of a Secret beside its keys: a slip such as stringdata must not bring the values to light.
_SHOWN = ("apiVersion", "kind", "type", "immutable")
_SHOWN_METADATA = ("name", "namespace", "generateName", "uid", "resourceVersion", "creationTimestamp", "labels")


def is_secret(value: Any) -> bool:
    """Whether an object is a Secret, or is meant to be one."""
    return isinstance(value, dict) and str(value.get("kind")).strip().lower() == "secret"


def _masked(key: str, value: Any) -> Any:
    if not isinstance(value, dict):
        return MASK
    if key == "metadata":  # its annotations may repeat the data
        return {name: entry if name in _SHOWN_METADATA else _masked(name, entry) for name, entry in value.items()}
    return dict.fromkeys(value, MASK)


def scrub(text: str, item: Any) -> str:
    """A server's words about an object, without the texts of a Secret that they quote."""
    if not is_secret(item):
        return text
    values = {key: entry for key, entry in item.items() if key not in (*_SHOWN, "metadata")}
    found = sorted({entry for entry in _texts(values) if len(entry) > 3}, key=len, reverse=True)
    for entry in found:
        for form in (entry, json.dumps(entry)[1:-1], base64.b64encode(entry.encode("utf-8", "replace")).decode()):
            text = text.replace(form, MASK)
        with contextlib.suppress(ValueError):
            inner = base64.b64decode(entry, validate=True).decode()
            text = text.replace(inner, MASK) if len(inner) > 3 else text
    return text


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for entry in value.values():
            yield from _texts(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield str(value)


def mask(value: Any) -> Any:
    """A copy in which the values of every Secret are masked; YAML text that holds a Secret is masked whole.

    :param value: an object, a list of objects, or a text, as the option ``definition`` takes them.
    """
    if isinstance(value, (list, tuple)):
        return [mask(entry) for entry in value]
    if isinstance(value, str):
        return MASK if "secret" in value.lower() else value
    if not isinstance(value, dict):
        return value
    if is_secret(value):
        return {key: entry if key in _SHOWN else _masked(key, entry) for key, entry in value.items()}
    if isinstance(value.get("items"), list):
        return dict(value, items=[mask(entry) for entry in value["items"]])
    return value
