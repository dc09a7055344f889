# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Package sources of a release whose support has ended, and whose packages have moved to Debian's archive."""

from __future__ import annotations

import re

#: The archive's lists keep the dates of the release's last day.
APT_FILE = "/etc/apt/apt.conf.d/90bramble-kube-archive"
APT_TEXT = """# Written by bramble.kube; changes here are overwritten.
// The archive's lists keep the dates of the release's last day.
Acquire::Check-Valid-Until "false";
"""
_GONE = re.compile(r"(does not have a Release file|no longer has a Release file|404 +Not Found)")
_MIRROR = re.compile(
    r"https?://(?:deb|httpredir|security|ftp(?:\.[a-z]{2})?)\.debian\.org(?:/(debian-security|debian))?/?(?=\s|$)",
    re.MULTILINE,
)


def is_gone(trouble: str) -> bool:
    """Whether apt says that a mirror does not have the release any more."""
    return bool(_GONE.search(trouble))


def archived(text: str, archive: str) -> str:
    """A sources.list or .sources file with the archive in place of Debian's mirrors.

    What a release got as updates is part of it in the archive, so those lines go.

    :param archive: the archive's address without a path, such as http://archive.debian.org.
    """

    def address(match: re.Match[str]) -> str:
        part = match.group(1) or ("debian-security" if "security." in match.group(0) else "debian")
        return f"{archive.rstrip('/')}/{part}"

    lines = []
    for line in text.splitlines(keepends=True):
        changed = _MIRROR.sub(address, line)
        if re.match(r"deb(-src)?\s.*\s[a-z]+-updates\s", changed):
            changed = "# in the archive, part of the release itself: " + changed
        elif re.match(r"Suites:", changed):
            changed = re.sub(r"[ \t]+[a-z]+-updates\b", "", changed)
        lines.append(changed)
    return "".join(lines)
