# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that shows the desk's passwords: each once, at any verbosity."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from apiserver import ApiServer
from loop_api import ROOT

pytestmark = pytest.mark.lab

PASSWORDS = {"ada": "plum-Kettle-41", "ben": "true"}
INVENTORY = "bramble: {children: {master: {hosts: {k8s-master: {ansible_host: 192.0.2.7}}}}}\n"


def show(folder: Path, api: ApiServer) -> subprocess.CompletedProcess[str]:
    """What docs/loop.md has typed, with more words than anybody needs."""
    (folder / "hosts.yml").write_text(INVENTORY)
    command = ["playbooks/loop.yml", "--tags", "passwords", "-e", f"loop_kubeconfig={api.kubeconfig}", "-vvv"]
    return subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(folder / "hosts.yml"), *command],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_passwords_are_shown(tmp_path: Path, api: ApiServer) -> None:
    done = show(tmp_path, api)
    assert done.returncode != 0 and "This cluster has no loop yet." in done.stdout, done.stdout + done.stderr
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "desk-passwords", "namespace": "loop"}}
    api.kubectl("create", "-f", "-", text=json.dumps({**secret, "stringData": PASSWORDS}))
    try:
        done = show(tmp_path, api)
    finally:
        api.kubectl("delete", "secret", "desk-passwords", "--namespace=loop")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert "ada  plum-Kettle-41" in lines and "ben  true" in lines, done.stdout
    said = done.stdout + done.stderr
    assert said.count("plum-Kettle-41") == 1, "once, on the screen alone"
    assert base64.b64encode(b"plum-Kettle-41").decode() not in said
