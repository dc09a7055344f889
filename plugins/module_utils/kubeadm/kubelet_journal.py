# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What the kubelet has written into the machine's journal."""

from __future__ import annotations

import re

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import redact
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System

#: klog's line head, and the journal's, which tell nothing to a beginner.
_KLOG = re.compile(r"^[EWIF]\d{4} [\d:.]+ +\d+ [\w./-]+:\d+\] ?")


def read(system: System) -> str:
    """Its last lines since the start of the machine, without secrets."""
    command = ["journalctl", "--unit", "kubelet", "--boot", "--no-pager", "--lines", "400", "--output", "cat"]
    return redact(system.run(command, timeout=20))


def _shortened(told: str, most: int = 240) -> str:
    """Without its middle when it is long: errors are told from the outside in, so the cause stands at the end."""
    return told if len(told) <= most else f"{told[:100]} … {told[103 - most :]}"


def last_errors(journal: str, limit: int = 3) -> list[str]:
    """The newest different errors of a kubelet's journal (`journalctl -o cat`), oldest first, without klog's head."""
    seen: list[str] = []
    for line in reversed(journal.splitlines()):
        if not re.match(r"^[EF]\d{4} ", line) and not re.match(r"^(?:Error:|panic:|failed )", line):
            continue
        told = re.sub(r' podUID="[^"]*"', "", _KLOG.sub("", line))
        told = _shortened(re.sub(r"\b[0-9a-f]{12,}\b", "…", told).strip())
        if told and told not in seen:
            seen.append(told)
        if len(seen) == limit:
            break
    return seen[::-1]
