# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked by HTTP is asked with one deadline for all of it, by one client."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
#: Ansible's own modules bound each read, but neither the whole nor the size.
UNBOUNDED = re.compile(r"^\s*(?:-\s+)?(ansible\.builtin\.(?:get_url|uri|deb822_repository|apt_key)):", re.MULTILINE)


def test_nothing_is_downloaded_without_limits() -> None:
    files = [*ROOT.glob("roles/**/*.yml"), *ROOT.glob("playbooks/**/*.yml")]
    found = [f"{path.relative_to(ROOT)}: {use}" for path in files for use in UNBOUNDED.findall(path.read_text())]
    assert len(files) > 50 and found == []


def test_plugins_ask_by_one_client() -> None:
    """The others' timeouts are for each read, so that a server that trickles is waited for without end."""
    other = re.compile(
        r"^\s*(?:import|from) (?:http\.client|urllib\.request|urllib3|requests|ansible\.module_utils\.urls)\b", re.M
    )
    files = list((ROOT / "plugins").rglob("*.py"))
    assert len(files) > 300
    assert [str(path.relative_to(ROOT)) for path in files if other.search(path.read_text())] == []
