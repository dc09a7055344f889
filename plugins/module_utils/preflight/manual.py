# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the tables of docs/preflight.md from the checks themselves.

After a change of a check, in the folder .lab/collections:
python -m ansible_collections.bramble.kube.plugins.module_utils.preflight.manual ../../docs/preflight.md
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from ansible_collections.bramble.kube.plugins.module_utils.preflight.checks import CHECKS
from ansible_collections.bramble.kube.plugins.module_utils.preflight.table import VERDICT_WORDS

BEGIN = "<!-- begin of the table made from plugins/module_utils/preflight/checks.py -->"
END = "<!-- end of that table -->"


def as_shown(sentence: str) -> str:
    """A sentence with its placeholders as words in italics."""
    words = re.sub(r"\{user\}", "user@", sentence)
    return re.sub(r"\{(\w+)\}", lambda match: f"*{match.group(1).replace('_', ' ')}*", words).replace("|", r"\|")


def checks_table() -> str:
    """Write all checks with everything that they may say, as a Markdown table."""
    lines = ["| check | wanted | verdict | what is said |", "|---|---|---|---|"]
    for check in CHECKS:
        first = f"**{check.name}** | {check.wants}"
        for outcome in check.outcomes.values():
            verdict = VERDICT_WORDS[outcome.verdict].lower()
            lines.append(f"| {first} | {verdict} | {as_shown(outcome.sentence)} |")
            first = " | "
    return "\n".join(lines)


def filled(text: str, begin: str, end: str, table: str) -> str:
    """Put a table between two lines of a manual's text.

    :raises ValueError: when the text has no place for it.
    """
    before, found, rest = text.partition(begin)
    _old, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the text lacks the lines {begin!r} and {end!r}")
    return f"{before}{begin}\n\n{table}\n\n{end}{after}"


def with_table(text: str) -> str:
    """Put the current table into the manual's text.

    :raises ValueError: when the text has no place for it.
    """
    return filled(text, BEGIN, END, checks_table())


def main() -> None:
    """Entry point."""
    path = Path(sys.argv[1])
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
