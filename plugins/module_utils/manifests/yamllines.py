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

from ..common.late import late

_KEY = r"[A-Za-z_][\w./-]{0,200}"
_QUOTED = r"""'[ -&(-~]*'|"[ !#-\[\]-~]*\""""
_WORD = rf"(?:-*[\w/.][\w/.=@*-]*|{_QUOTED})"  # in flow style
_WORDS = late(_WORD, re.ASCII)
_PAIRS = late(rf"({_KEY}): ({_WORD})", re.ASCII)
_LINE = late(
    rf"( {{0,80}})(- +)?(?:({_KEY}):(?: +|$))?"
    r"(-*[\w/.][!-9;-~]*(?:(?::+| +(?!#):*)[!-9;-~]+)*"  # neither a colon before a blank, nor # after one
    rf"|{_QUOTED}|\[\]|\[{_WORD}(?:, {_WORD})*\]|\{{\}}|\{{{_KEY}: {_WORD}(?:, {_KEY}: {_WORD})*\}})?"
    r"(?:(?:^| +)(?:#[ -~]*)?)?$",
    re.ASCII,
)


class _NotPlain(Exception):
    """Here libyaml has to read."""


class Lines(dict):
    """Lines → what they hold, since most come many times; for the documents of one text."""

    def __init__(self, plain: Callable[[str], Any]) -> None:
        """:param plain: the value of a plain scalar."""
        super().__init__()
        self.plain = plain

    def __missing__(self, line: str) -> tuple[int, int, str, Any] | None:
        """Column, column of what follows a dash (0 without), key, value; None for a blank line."""
        match = _LINE.match(line)
        if match is None:
            raise _NotPlain
        blank, dash, key, text = match.groups()
        found = None
        if dash or key is not None or text is not None:
            if key is None and (text is None or not dash):
                raise _NotPlain
            column = len(blank)
            name = "" if key is None else self.plain(key)
            if not isinstance(name, str):
                raise _NotPlain
            found = column, column + len(dash) if dash else 0, name, self._value(text)
        self[line] = found
        return found

    def _value(self, text: str | None) -> Any:
        if text is None:
            return _LATER
        if text[0] in "[{":
            return _Flow(text)
        if text[0] in "'\"":
            return text[1:-1]
        value = self.plain(text)
        if isinstance(value, float) and not math.isfinite(value):
            raise _NotPlain
        return value

    def flow(self, text: str) -> Any:
        """The list or the mapping that a text in flow style is."""
        if text[0] == "[":
            return [self._value(part) for part in _WORDS.findall(text)]
        pairs = [(self.plain(key), self._value(part)) for key, part in _PAIRS.findall(text)]
        found = dict(pairs)
        if len(found) < len(pairs) or not all(isinstance(key, str) for key in found):
            raise _NotPlain
        return found


class _Flow(str):
    """A text in flow style, which is another list or mapping each time."""


_LATER = _Flow()  # the value, if there is one, is on the lines below


def read(text: str, lines: Lines) -> tuple[int, dict[str, Any]] | None:
    """The mapping that a document's text holds.

    :returns: the line of its first key (from 0), and the mapping; None where libyaml has to read it.
    """
    try:
        return _read(text, lines)
    except _NotPlain:
        return None


def _read(text: str, lines: Lines) -> tuple[int, dict[str, Any]]:
    first = -1
    whole: dict[str, Any] = {}
    holder: Any = whole  # what the entry on this line goes into, and the column in which its entries begin
    begin = 0
    another = -1  # the column of one more key, where holder is a mapping
    around: list[tuple[int, Any]] = []  # the same for what is around it
    waiting = ""  # a key in holder whose value, if it has one, comes on the next lines
    split = text.split("\n")
    if split[0] == "---":
        split[0] = ""
    for number, line in enumerate(split):
        found = lines[line]
        if found is None:
            continue
        column, after_dash, key, value = found
        if column == another and not after_dash:  # as most lines are
            if key in holder:
                raise _NotPlain
            waiting = ""
            if isinstance(value, _Flow):
                if value:
                    value = lines.flow(value)
                else:
                    waiting, value = key, None
            holder[key] = value
            continue
        if waiting:
            if column > begin or (after_dash and column == begin):
                around.append((begin, holder))
                holder[waiting] = [] if after_dash else {}
                begin, holder = column, holder[waiting]
            waiting = ""
        elif first < 0:
            first = number
        while begin > column or (begin == column and not after_dash and isinstance(holder, list)):
            begin, holder = around.pop() if around else (-1, None)
        if begin != column or isinstance(holder, list) is not bool(after_dash):
            raise _NotPlain
        if isinstance(value, _Flow):
            if value:
                value = lines.flow(value)
            else:
                waiting, value = key, None
        if after_dash:
            if not key:
                holder.append(value)
                another = -1
                continue
            around.append((begin, holder))
            begin = after_dash
            holder.append({})
            holder = holder[-1]
        if key in holder:
            raise _NotPlain
        holder[key] = value
        another = begin
    if first < 0:
        raise _NotPlain
    return first, whole
