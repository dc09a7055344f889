# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a generated table stands in a page, and how a sentence of the code reads there."""

from __future__ import annotations

import re

BEGIN = "<!-- table: {} (written by {}) -->"
END = "<!-- end of table -->"


def as_shown(sentence: str) -> str:
    """A sentence with its placeholders as words in italics."""
    words = re.sub(r"\{user\}", "user@", sentence)
    return re.sub(r"\{(\w+)\}", lambda match: f"*{match.group(1).replace('_', ' ')}*", words).replace("|", r"\|")


def filled(text: str, name: str, table: str, writer: str = "make tables") -> str:
    """A page's text with the current table between its marks.

    :param writer: what the marks tell of how the table is written.
    :raises ValueError: when the text has no place for it.
    """
    begin = BEGIN.format(name, writer)
    before, found, rest = text.partition(begin)
    _old, closed, after = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"the page lacks the lines {begin!r} and {END!r}")
    return f"{before}{begin}\n\n{table}\n\n{END}{after}"
