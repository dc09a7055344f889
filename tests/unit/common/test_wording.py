# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing is one thing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common.wording import counted

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
#: A number that may be 1 before a plural, in a text that people read. What follows "of" counts the whole.
BARE = re.compile(r"(?<!of )\{(?:len\([a-z_.]+\)|days)\} (?:days|Pods|Pis|nodes|objects|components)\b")


def test_one_and_more() -> None:
    assert [counted(number, "Pi") for number in (0, 1, 3)] == ["0 Pis", "1 Pi", "3 Pis"]


@pytest.mark.parametrize("path", sorted(PLUGINS.rglob("*.py")), ids=str)
def test_a_number_before_a_plural_is_counted(path: Path) -> None:
    found = BARE.findall(path.read_text(encoding="utf-8"))
    assert found == []
