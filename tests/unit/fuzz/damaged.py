# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a good text, and good plain data, may be damaged, for hypothesis to choose from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st
from inputs import SECRET, TOKEN

ODD: tuple[Any, ...] = (
    None,
    "",
    "text",
    7,
    -1.5,
    True,
    [],
    {},
    [None],
    {"a": None},
    "\x1b[2J",
    "\u202etxt",
    "x" * 2000,
)
PIECES = (
    *(
        "\x00",
        "\x1b[31m",
        "\u202e",
        "\ud800",
        "\n",
        "\r",
        "\t",
        "---\n",
        "{",
        "}",
        "[",
        "]",
        ":",
        '"',
        "'",
        "&a ",
        "*a ",
    ),
    *("<<: ", "!!binary ", "! ", "%", "=", "--", "\u00a0", "\ufeff", "²", "1e999", "0o9", "null", "9" * 400),
)
_HOW: tuple[Callable[[str, int, int, str], str], ...] = (
    lambda text, at, size, piece: text[:at],
    lambda text, at, size, piece: text[at:],
    lambda text, at, size, piece: text[:at] + piece + text[at:],
    lambda text, at, size, piece: text[:at] + text[at + size :],
    lambda text, at, size, piece: text[: at + size] + text[at:],
    lambda text, at, size, piece: text[:at] + piece + text[at + size :],
    lambda text, at, size, piece: text[:at] + (piece * 3000)[:3000] + text[at + size :],
)


@st.composite
def texts(draw: st.DrawFn, good: str) -> str:
    """A good text, damaged up to three times: cut, pieces put in, parts taken out, doubled and replaced."""
    pieces = (*PIECES, f" {TOKEN} ") if SECRET in good else PIECES
    text = good
    for _change in range(draw(st.integers(1, 3))):
        at, size = draw(st.sampled_from(range(len(text) + 1))), draw(st.sampled_from(range(1, 41)))
        text = draw(st.sampled_from(_HOW))(text, at, size, draw(st.sampled_from(pieces)))
    return text


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every node of plain data."""
    yield path
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from nodes(entry, (*path, key))
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from nodes(entry, (*path, number))


def replaced(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """Plain data with one node replaced."""
    if not path:
        return copy.deepcopy(odd)
    result = copy.deepcopy(value)
    inner = result
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = copy.deepcopy(odd)
    return result


@st.composite
def data(draw: st.DrawFn, good: Any) -> Any:
    """Plain data, with one to three of its nodes replaced."""
    value = good
    for _change in range(draw(st.integers(1, 3))):
        value = replaced(value, draw(st.sampled_from(list(nodes(value)))), draw(st.sampled_from(ODD)))
    return value


@st.composite
def files(draw: st.DrawFn, good: dict[str, str]) -> tuple[str, str]:
    """One of several files, damaged: its name and its text."""
    name = draw(st.sampled_from(sorted(good)))
    return name, draw(texts(good[name]))
