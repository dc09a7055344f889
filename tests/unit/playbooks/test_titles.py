# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible prints the title of every play, also of one that has nothing to do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def empty_plays(playbook: str, *arguments: str) -> list[str]:
    """The titles of the plays that have no task."""
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [program, "-i", "inventories/example", f"playbooks/{playbook}", "--list-tasks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    plays = done.stdout.split("\n  play #")[1:]
    assert plays, done.stdout
    return [play.splitlines()[0] for play in plays if not re.search(r"^      \S", play, re.MULTILINE)]


@pytest.mark.parametrize("playbook", sorted(file.name for file in (ROOT / "playbooks").glob("*.yml")))
def test_a_playbook_without_tags_has_something_below_each_title(playbook: str) -> None:
    assert empty_plays(playbook) == []


@pytest.mark.parametrize(
    ("playbook", "tag"),
    [
        ("kubeflow.yml", "smoke"),
        ("kubeflow.yml", "passwords"),
        ("loop.yml", "passwords"),
        ("loop.yml", "rollback"),
        ("loop.yml", "score"),
        ("backup.yml", "drill"),
        ("status.yml", "audit"),
        ("laptop.yml", "kubectl"),
        ("laptop.yml", "context"),
    ],
)
def test_so_has_one_with_a_tag_of_its_own(playbook: str, tag: str) -> None:
    assert empty_plays(playbook, "--tags", tag) == []
