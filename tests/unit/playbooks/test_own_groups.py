# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles in a play of one's own, with groups that have other names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
#: Port 1 answers nobody: a run that gets as far as asking a Pi has found its control plane.
INVENTORY = """\
control: {hosts: {c1: {}}}
workers: {hosts: {w1: {}}}
all: {vars: {ansible_host: 127.0.0.1, ansible_port: 1}}
"""


def run(folder: Path, role: dict, *arguments: str) -> str:
    (folder / "hosts.yml").write_text(INVENTORY)
    play = {"hosts": "workers", "gather_facts": False, "tasks": [{"ansible.builtin.import_role": role}]}
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(folder / "hosts.yml")),
            *(str(folder / "play.yml"), *arguments),
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_SSH_RETRIES": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    return " ".join((done.stdout + done.stderr).split())


ROLES = [
    ({"name": "bramble.kube.node"}, "node_master"),
    ({"name": "bramble.kube.upgrade", "tasks_from": "find"}, "upgrade_master"),
]


@pytest.mark.parametrize(("role", "variable"), ROLES, ids=["node", "upgrade"])
def test_without_a_group_master_the_variable_is_named(tmp_path: Path, role: dict, variable: str) -> None:
    said = run(tmp_path, role)
    assert "The inventory has no group master" in said and f"or set {variable} to its name" in said, said
    assert "has no attribute" not in said and "UNREACHABLE" not in said
    said = run(tmp_path, role, "-e", f"{variable}=c7")
    assert f"c7 ({variable}) is not in the inventory" in said, said


def test_with_the_variable_it_goes_on(tmp_path: Path) -> None:
    said = run(tmp_path, {"name": "bramble.kube.node"}, "-e", "node_master=c1")
    assert "UNREACHABLE" in said and "group master" not in said, said
