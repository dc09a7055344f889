# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Preflight's rows as one plain-text table for all hosts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..common.wording import listing
from .checks import MUST_CHANGE, OK, WILL_CHANGE, sentences

VERDICT_WORDS = {OK: "ok", WILL_CHANGE: "will be changed", MUST_CHANGE: "YOU MUST CHANGE IT"}
_HEADER = ("Check", "Hosts", "Found", "Wanted", "Verdict")
_WIDEST = 36


def _cell(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _lines(rows: Iterable[Mapping[str, str]]) -> list[tuple[str, ...]]:
    """One line for each check and finding; hosts that share a finding share its line."""
    rows = list(rows)
    hosts = list(dict.fromkeys(row["host"] for row in rows))
    hosts_of: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        hosts_of.setdefault((row["check"], row["found"], row["wanted"], row["verdict"]), []).append(row["host"])
    lines, last = [], ""
    for (check, found, wanted, verdict), sharers in hosts_of.items():
        who = "all" if len(sharers) == len(hosts) > 1 else listing(sharers)
        lines.append(("" if check == last else check, _cell(who), _cell(found), _cell(wanted), VERDICT_WORDS[verdict]))
        last = check
    return lines


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]


def preflight_table(rows: Sequence[Mapping[str, str]], must_change: bool = True) -> str:
    """Write the table, and below it what is to be known of rows that are not plainly ok.

    :param must_change: list below the table, too, what the owner has to act on.

    :returns: lines of text; empty for no rows.
    """
    if not rows:
        return ""
    text = _aligned([_HEADER, *_lines(sorted_rows(rows))])
    text.insert(1, "-" * max(len(line) for line in text))
    for title, verdict in (("Notes:", OK), ("The run will change:", WILL_CHANGE), ("You must change:", MUST_CHANGE)):
        said = sentences(rows, verdict)
        if said and (must_change or verdict != MUST_CHANGE):
            text += ["", title, *(f"- {sentence}" for sentence in said)]
    return "\n".join(text)


def sorted_rows(rows: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Bring rows of one check together, checks in the order of their first row."""
    order = {name: index for index, name in enumerate(dict.fromkeys(row["check"] for row in rows))}
    return sorted(rows, key=lambda row: order[row["check"]])
