# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Writes plain data as TOML, the form of containerd's configuration; what is read back is the same data."""

from __future__ import annotations

import json
import re
from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def _string(text: str) -> str:
    """A basic string of TOML 1.0: it has the escapes of JSON, and the control character DEL is escaped, too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _string(name)


def _value(value: Any, where: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(entry, where) for entry in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(str(k))} = {_value(v, where)}" for k, v in value.items()) + "}"
    raise ValueError(f"{where} is {value!r}, which has no form in TOML")


def to_toml(data: dict, path: tuple[str, ...] = ()) -> str:
    """Write a mapping as TOML 1.0: plain values first, then a table for each mapping in it, in the mapping's order.

    :raises ValueError: when a value (such as null) has no form in TOML; names the place.
    """
    own, tables = [], []
    for key, value in data.items():
        place = path + (str(key),)
        if isinstance(value, dict):
            tables.append(to_toml(value, place))
        else:
            own.append(f"{_key(str(key))} = {_value(value, '.'.join(place))}\n")
    if path and (own or not tables):
        own.insert(0, "\n[" + ".".join(_key(part) for part in path) + "]\n")
    return "".join(own + tables)
