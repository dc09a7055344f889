# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/architecture.md names what is there, in the order that holds; each role has the page that Galaxy shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_rooms import ROOMS

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/architecture.md").read_text()
UTILS = ROOT / "plugins/module_utils"
#: What the names in the table of changes begin at; "the role's" are those of any role.
TOPS = (ROOT, UTILS, ROOT / "roles/base")


def test_the_eight_files_to_read_are_there() -> None:
    named = re.findall(r"\*\*`([^`]+)`\*\*", PAGE)
    assert len(named) == 8
    assert [name for name in named if not (ROOT / name).is_file() and not (UTILS / name).is_file()] == []


def test_the_rooms_are_listed_in_their_order() -> None:
    table = PAGE.partition("\n| room |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(ROOMS)


def test_each_file_that_a_change_touches_is_there() -> None:
    table = PAGE.partition("\n| change |")[2].partition("\n\n")[0]
    named = [name for name in re.findall(r"`([\w./-]+)`", table) if "/" in name and "NAME" not in name]
    assert len(named) > 15
    assert [name for name in named if not any((top / name).exists() for top in TOPS)] == []


@pytest.mark.parametrize("role", sorted(path.name for path in (ROOT / "roles").iterdir()))
def test_a_role_says_what_it_is_and_where_more_is(role: str) -> None:
    text = (ROOT / "roles" / role / "README.md").read_text()
    assert text.startswith(f"# bramble.kube.{role}\n")
    assert f"ansible-doc --type role bramble.kube.{role}" in text
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert all((ROOT / "roles" / role / link).exists() for link in links)
