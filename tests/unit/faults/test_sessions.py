# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cutting the master's SSH sessions: in each playbook the cut comes, and a try without one does not count."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / "faults"), str(ROOT / "tests" / "support")]

import catalogue
from field import Trouble


class Pretended:
    """A field whose runs take the lock on their first Pi, and are cut `seconds` later if they still run then."""

    seed, master, nodes = 1, "m", ["n1", "n2"]

    def __init__(self, folder: Path, run_s: float = 100) -> None:
        self.folder, self.run_s, self.runs = folder, run_s, []

    def container(self, host: str) -> str:
        """The container that stands for a Pi."""
        return f"lab-{host}"

    def inside(self, *_arguments: str) -> str:
        """Nothing happens."""
        return ""

    def must(self, playbook: str, *_arguments: str) -> str:
        """A run that succeeds."""
        self.runs.append(playbook)
        return ""

    def broken_play(self, playbook: str, host: str, command: str, *arguments: str, **when: str) -> tuple[bool, str]:
        """What tests/faults/plugins/fault.py does: the command runs when the task begins on that very Pi."""
        first = arguments[arguments.index("--limit") + 1] if "--limit" in arguments else self.master
        if host == first and float(when["FAULT_DELAY"]) < self.run_s:
            assert "lab-m " in command
            (self.folder / "sessions-cut").write_text("1\n")
        self.runs.append(f"broken {playbook}")
        return True, ""


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue.time, "sleep", lambda seconds: None)


@pytest.mark.parametrize("name", catalogue.SESSIONS)
def test_the_cut_comes_in_the_first_run(name: str, tmp_path: Path) -> None:
    field, session = Pretended(tmp_path), catalogue.SESSIONS[name]
    assert session(field) == ""
    assert field.runs.count(f"broken {session.playbook}") == 1
    assert field.runs[-1] == session.playbook


def test_a_run_that_ends_before_the_cut_is_cut_earlier(tmp_path: Path) -> None:
    field = Pretended(tmp_path, run_s=12)
    catalogue.SESSIONS["upgrade"](field)
    assert field.runs.count("broken playbooks/upgrade.yml") > 1


def test_runs_that_are_never_cut_are_not_survived(tmp_path: Path) -> None:
    field = Pretended(tmp_path, run_s=0)
    with pytest.raises(Trouble, match=re.escape("no session of the master was cut")):
        catalogue.SESSIONS["backup"](field)
