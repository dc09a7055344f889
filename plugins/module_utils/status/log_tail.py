# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What a container said before it ended."""

from __future__ import annotations

import re

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import redact

#: So many lines from the end are looked at.
LINES = 400
_CRI_LINE = re.compile(r"^\S+ (?:stdout|stderr) [FP] ?(.*)$")
_TELLING = re.compile(
    r"F\d{4} |panic: |[Ee]rror: |fatal error: |.*\"level\":\"fatal\"|.*flag provided but not defined|.*unknown flag"
)


def last_words(text: str) -> str:
    """The last line that says something in a container's log, as it was written or as the CRI keeps it; no secrets.

    When a Go program ends with a panic or an error, what follows it are stacks and help; the error itself counts.
    """
    lines = []
    for line in text.splitlines():
        match = _CRI_LINE.match(line)
        said = (match.group(1) if match else line).strip()
        if said:
            lines.append(said)
    telling = [line for line in lines[-LINES:] if _TELLING.match(line)]
    return redact((telling or lines or [""])[-1])[:400]
