# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The plainest YAML, in which most manifests are written, read line by line.

That takes a third of what libyaml's events take, each of which is an object of Python. Read are mappings and lists in
block style, with keys and values that begin and end on their line: ASCII without escapes, ``[]``, ``{}`` and lists of
words. Whatever is not plainly one of these lines, a mistake too, is left to libyaml, with its whole document.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

_KEY = r"[A-Za-z_][\w./-]{0,200}"
_QUOTED = r"""'[ -&(-~]*'|"[ !#-\[\]-~]*\""""
_WORD = rf"(?:-*[\w/.][\w/.=@*-]*|{_QUOTED})"  # in flow style
_WORDS = re.compile(_WORD, re.ASCII)
_PAIRS = re.compile(rf"({_KEY}): ({_WORD})", re.ASCII)
_LINE = re.compile(
    rf"( {{0,80}})(- +)?(?:({_KEY}):(?: +|$))?"
    r"(-*[\w/.][!-9;-~]*(?:(?::+| +(?!#):*)[!-9;-~]+)*"  # neither a colon before a blank, nor # after one
    rf"|{_QUOTED}|\[\]|\[{_WORD}(?:, {_WORD})*\]|\{{\}}|\{{{_KEY}: {_WORD}(?:, {_KEY}: {_WORD})*\}})?"
    r"(?:(?:^| +)(?:#[ -~]*)?)?$",
    re.ASCII,
)


class _NotPlain(Exception):
    """Here libyaml has to read."""


def read(text: str, plain: Callable[[str], Any]) -> tuple[int, dict[str, Any]] | None:
    """The mapping that a document's text holds.

    :param plain: the value of a plain scalar.
    :returns: the line of its first key (from 0), and the mapping; None where libyaml has to read it.
    """
    try:
        return _read(text, plain)
    except _NotPlain:
        return None


def _read(text: str, plain: Callable[[str], Any]) -> tuple[int, dict[str, Any]]:
    first = -1
    whole: dict[str, Any] = {}
    holder: Any = whole  # what the entry on this line goes into, and the column in which its entries begin
    begin = 0
    around: list[tuple[int, Any]] = []  # the same for what is around it
    waiting = ""  # a key in holder whose value, if it has one, comes on the next lines
    for number, line in enumerate(text.split("\n")):
        match = _LINE.match(line)
        if match is None:
            if number == 0 and line == "---":
                continue
            raise _NotPlain
        blank, dash, key, value = match.groups()
        if key is None and (value is None or not dash):
            if dash or value is not None:
                raise _NotPlain
            continue
        column = len(blank)
        if waiting:
            if column > begin or (dash and column == begin):
                around.append((begin, holder))
                holder[waiting] = [] if dash else {}
                begin, holder = column, holder[waiting]
            waiting = ""
        elif first < 0:
            first = number
        while begin > column or (begin == column and not dash and type(holder) is list):
            begin, holder = around.pop() if around else (-1, None)
        if begin != column or (type(holder) is list) is not bool(dash):
            raise _NotPlain
        if value is None:
            found = None
        elif value[0] in "'\"[{":
            found = _other(value, plain)
        else:
            found = _finite(plain(value))
        if key is None:
            holder.append(found)
            continue
        if dash:
            around.append((begin, holder))
            begin = column + len(dash)
            holder.append({})
            holder = holder[-1]
        name = plain(key)
        if type(name) is not str or name in holder:
            raise _NotPlain
        holder[name] = found
        if value is None:
            waiting = name
    if first < 0:
        raise _NotPlain
    return first, whole


def _finite(value: Any) -> Any:
    if type(value) is float and not math.isfinite(value):
        raise _NotPlain
    return value


def _other(text: str, plain: Callable[[str], Any]) -> Any:
    """The value of what is in quotes or in flow style."""
    if text[0] == "[":
        return [_word(part, plain) for part in _WORDS.findall(text)]
    if text[0] == "{":
        pairs = [(plain(key), _word(part, plain)) for key, part in _PAIRS.findall(text)]
        found = dict(pairs)
        if len(found) < len(pairs) or not all(type(key) is str for key in found):
            raise _NotPlain
        return found
    return text[1:-1]


def _word(text: str, plain: Callable[[str], Any]) -> Any:
    return text[1:-1] if text[0] in "'\"" else _finite(plain(text))
