# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of docs/status.md and docs/security.md, from the checks themselves."""

from __future__ import annotations

from marks import as_shown

from ansible_collections.bramble.kube.plugins.module_utils.status import audit, audit_items, diagnosis
from ansible_collections.bramble.kube.plugins.module_utils.status.screen import WORDS


def checks() -> str:
    """Write all checks with everything that they may say, as a Markdown table."""
    lines = ["| check | looks whether | | cause | remedy |", "|---|---|---|---|---|"]
    for check in diagnosis.CHECKS:
        first = f"**{check.name}** | {check.looks_for}"
        for outcome in check.outcomes.values():
            cells = (first, WORDS[outcome.level], as_shown(outcome.sentence), as_shown(outcome.remedy))
            lines.append(f"| {' | '.join(cells)} |")
            first = " | "
    return "\n".join(lines)


def audited() -> str:
    """Write all audited items, and why a deviation is accepted, as a Markdown table."""
    lines = ["| item | wanted | why it may be otherwise |", "|---|---|---|"]
    lines += [f"| {item.name} | {item.looks_for} | {audit.reason(item)} |" for item in audit_items.ITEMS]
    return "\n".join(lines)
