# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Settings in the firmware's config.txt. Pure functions on text."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SECTION = re.compile(r"^\s*\[([^\]]+)\]\s*$")


def with_settings(text: str, settings: Mapping[str, str]) -> str:
    """Set keys for every model, leaving everything else as it is.

    Lines above any section, and those in [all], hold for every Pi; a key is replaced where it last stands there, or
    added at the end.
    """
    for key, value in settings.items():
        text = _with_setting(text, key, f"{key}={value}")
    return text


def _with_setting(text: str, key: str, wanted: str) -> str:
    lines = text.splitlines()
    section, places = "all", []
    for number, line in enumerate(lines):
        match = _SECTION.match(line)
        if match:
            section = match.group(1).strip().lower()
        elif section == "all" and line.partition("=")[0].strip() == key and "=" in line:
            places.append(number)
    if places:
        if lines[places[-1]].strip() == wanted:
            return text
        lines[places[-1]] = wanted
    else:
        if section != "all":
            lines += ["", "[all]"]
        lines.append(wanted)
    return "\n".join(lines) + "\n"
