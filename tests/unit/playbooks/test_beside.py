# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection puts beside the inventory, Ansible does not take for one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.bramble.kube.plugins.filter.beside import beside

ROOT = Path(__file__).resolve().parents[3]
KUBECONFIG = "apiVersion: v1\nkind: Config\nclusters: []\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hosts.yml").write_text("bramble: {children: {master: {hosts: {k8s-master: {}}}}}\n")
    return tmp_path


def warnings(folder: Path) -> str:
    (folder.parent / "ansible.cfg").write_text("")
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-inventory"), "-i", str(folder), "--list"],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "ANSIBLE_CONFIG": str(folder.parent / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


def test_ansible_says_nothing_about_it(folder: Path) -> None:
    for name in ("kubeconfig", "people"):
        assert beside(str(folder), name) == f"{folder}/.{name}"
    (folder / ".kubeconfig").write_text(KUBECONFIG)
    (folder / ".people").mkdir()
    (folder / ".people/ada.kubeconfig").write_text(KUBECONFIG)
    assert warnings(folder) == ""


def test_what_is_there_from_before_is_found(folder: Path) -> None:
    (folder / "kubeconfig").write_text(KUBECONFIG)
    assert beside(str(folder), "kubeconfig") == f"{folder}/kubeconfig"
    assert "Skipping 'apiVersion'" in warnings(folder), "if Ansible leaves it alone, no dot is needed"


def test_nothing_is_written_beside_the_inventory_that_ansible_would_read() -> None:
    for path in sorted([*ROOT.glob("roles/*/*/*.yml"), *ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("docs/*.md")]):
        seen = re.findall(r"inventory_dir (?:~ '|}})/([^'\"]+)", path.read_text())
        assert [name for name in seen if not name.startswith(".")] == [], path
