# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seed of the bad input in fuzz/, the same for all processes of a run, and the figures at the run's end."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "security.md"
BEGIN, END = "<!-- bad input: begin -->\n", "<!-- bad input: end -->\n"


def pytest_configure() -> None:
    """Choose the seed, unless somebody has."""
    os.environ.setdefault("BRAMBLE_FUZZ_SEED", "20")


def table(rows: list[tuple[str, int, int, int]]) -> list[str]:
    """The figures as a table for the docs; whatever else had come of an input would have failed its test."""
    found: dict[str, Counter[str]] = {}
    for name, tried, answered, accepted in sorted(rows):
        found.setdefault(name, Counter()).update(tried=tried, answered=answered, accepted=accepted)
    found["all"] = sum(found.values(), Counter())
    head = "what was read", "tried", "answered by one sentence", "accepted, good for another reader", "tracebacks"
    lines = [f"| {' | '.join(head)} | accepted that change anything |", "|---|---|---|---|---|---|"]
    for name, counts in found.items():
        lines.append(f"| {name} | {counts['tried']} | {counts['answered']} | {counts['accepted']} | 0 | 0 |")
    return lines


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was tried; with BRAMBLE_FUZZ_DOCS=1 the table in docs/security.md is written, by no worker of xdist."""
    if hasattr(terminalreporter.config, "workerinput"):
        return
    reports = [report for key in ("passed", "failed") for report in terminalreporter.stats.get(key, ())]
    rows = [value for report in reports for key, value in report.user_properties if key == "bad input"]
    if any("fuzz/" in report.nodeid for report in reports):
        terminalreporter.write_line(f"bad input, seed {os.environ['BRAMBLE_FUZZ_SEED']}:")
        terminalreporter.write_line("\n".join(table(rows)))
    if rows and os.environ.get("BRAMBLE_FUZZ_DOCS") and not terminalreporter.stats.get("failed"):
        before, _begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        lines = "\n".join(table(rows))
        PAGE.write_text(f"{before}{BEGIN}{lines}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
