# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the tables of docs/status.md and docs/security.md from the checks themselves.

After a change of a check, in the folder .lab/collections:
python -m ansible_collections.bramble.kube.plugins.module_utils.status.manual ../../docs
"""

from __future__ import annotations

import sys
from pathlib import Path

from ansible_collections.bramble.kube.plugins.module_utils.preflight.manual import as_shown, filled
from ansible_collections.bramble.kube.plugins.module_utils.status import audit, diagnosis
from ansible_collections.bramble.kube.plugins.module_utils.status.screen import WORDS

BEGIN = "<!-- begin of the table made from plugins/module_utils/status -->"
END = "<!-- end of that table -->"


def checks_table() -> str:
    """Write all checks with everything that they may say, as a Markdown table."""
    lines = ["| check | looks whether | | cause | remedy |", "|---|---|---|---|---|"]
    for check in diagnosis.CHECKS:
        first = f"**{check.name}** | {check.looks_for}"
        for outcome in check.outcomes.values():
            cells = (first, WORDS[outcome.severity], as_shown(outcome.cause), as_shown(outcome.remedy))
            lines.append(f"| {' | '.join(cells)} |")
            first = " | "
    return "\n".join(lines)


def audit_table() -> str:
    """Write all audited items, and why a deviation is accepted, as a Markdown table."""
    lines = ["| item | wanted | why it may be otherwise |", "|---|---|---|"]
    lines += [f"| {item.id} | {item.title} | {item.reason} |" for item in audit.ITEMS_IN_ORDER]
    return "\n".join(lines)


#: Page, and the table in it.
PAGES = {"status.md": checks_table, "security.md": audit_table}


def main() -> None:
    """Entry point."""
    for name, table in PAGES.items():
        path = Path(sys.argv[1]) / name
        path.write_text(filled(path.read_text(encoding="utf-8"), BEGIN, END, table()), encoding="utf-8")


if __name__ == "__main__":
    main()
