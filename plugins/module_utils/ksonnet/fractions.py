# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Fractions that became text: ks' jsonnet wrote 17 digits (``0.10000000000000001``), rjsonnet the fewest (``0.1``)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

# Both begin with characters, so that re finds quickly where one may begin.
_NUMBER = re.compile(r"\d(?<![\d.]\d)(?:\d*\.\d+|\d{16,})(?!\d|\.\d)")
_LITERAL = re.compile(
    r"""("[^"\\]*(?:\\.[^"\\]*)*"|'[^'\\]*(?:\\.[^'\\]*)*'|\|\|\|.*?\n\s*\|\|\||//[^\n]*|\#[^\n]*|/\*.*?\*/)""",
    re.DOTALL,
)


def ambiguous(data: Any, sources: Sequence[str]) -> list[str]:
    """Numbers in texts of ``data`` that were numbers before, and that ks wrote otherwise.

    :param sources: the jsonnet texts that gave ``data``. What stands there in a text alone was a text before, too.
    """
    found = {text for value in _texts(data) for text in _NUMBER.findall(value) if _differs(text)}
    return sorted(text for text in found if not _is_text_alone(text, sources))


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield key
            yield from _texts(value)
    elif isinstance(data, list):
        for value in data:
            yield from _texts(value)


def _differs(text: str) -> bool:
    """Whether this is how rjsonnet writes a number, and ks another way (go-jsonnet 0.11, unparseNumber)."""
    number = float(text)
    if format(Decimal(repr(number)).normalize(), "f") != text:
        return False
    return text != (f"{number:.0f}" if number.is_integer() else f"{number:.17g}")


def _is_text_alone(number: str, sources: Sequence[str]) -> bool:
    written = re.compile(rf"(?<![\d.]){re.escape(number)}(?!\d|\.\d)")
    pieces = [_LITERAL.split(source) for source in sources if number in source]  # code and literals, in turn
    if any(written.search("".join(found[::2])) for found in pieces):
        return False
    return any(written.search(literal) for found in pieces for literal in found[1::2])
