# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No playbook ends well after a wrong -i, of which Ansible makes an inventory without hosts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
#: Parts of other playbooks.
PARTS = {"inventory", "lock", "ready", "nodes"}
PLAYBOOKS = [path for path in sorted(ROOT.glob("playbooks/*.yml")) if path.stem not in PARTS]


def run(playbook: Path, *inventory: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), *inventory, str(playbook)],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "false"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=[path.stem for path in PLAYBOOKS])
def test_a_wrong_inventory_is_asked_about(playbook: Path, tmp_path: Path) -> None:
    done = run(playbook, "-i", str(tmp_path / "nothing"))
    assert f"{tmp_path}/nothing does not exist: is -i right?" in " ".join(done.stdout.split()), done.stdout
    assert done.returncode != 0


@pytest.mark.parametrize("text", ["bramble:\n  children: {\n", "", "all: {hosts: {}}\n"])
def test_one_that_cannot_be_read_or_is_empty_is_asked_about(text: str, tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(text)
    done = run(ROOT / "playbooks/status.yml", "-i", str(tmp_path / "hosts.yml"))
    assert "hosts.yml: is -i right?" in " ".join(done.stdout.split()), done.stdout
    assert done.returncode != 0


def test_without_any_inventory() -> None:
    done = run(ROOT / "site.yml")
    assert "is -i right?" in done.stdout and "-i my-inventory" in " ".join(done.stdout.split())
    assert done.returncode != 0
