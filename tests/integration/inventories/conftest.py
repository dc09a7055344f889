"""Runs playbooks with an inventory that a test writes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
SITE = """\
- name: First what site.yml has first
  ansible.builtin.import_playbook: {preflight}

- name: Then something that would be a change
  hosts: localhost:bramble
  gather_facts: false
  tasks:
    - name: Leave a mark
      ansible.builtin.file: {{path: "{mark}", state: touch, mode: "0600"}}
      delegate_to: localhost
      vars:
        ansible_connection: local
        ansible_become: false
        ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"
"""


@dataclass
class Run:
    """What a run of ansible-playbook said, and whether it changed anything."""

    code: int
    output: str
    changed: bool

    @property
    def text(self) -> str:
        """The output without line breaks and indentation, to look for a sentence in."""
        return " ".join(self.output.split())


@pytest.fixture
def preflight(tmp_path) -> Callable[..., Run]:
    """Run preflight, followed by a task that changes something, with an inventory."""

    def run(inventory: str, *arguments: str) -> Run:
        mark = tmp_path / "changed"
        (tmp_path / "hosts.yml").write_text(inventory, encoding="utf-8")
        playbook = tmp_path / "site.yml"
        playbook.write_text(
            SITE.format(preflight=REPOSITORY / "playbooks" / "preflight.yml", mark=mark), encoding="utf-8"
        )
        done = subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), "-i", tmp_path / "hosts.yml", playbook, *arguments],
            cwd=REPOSITORY,
            env={**os.environ, "ANSIBLE_TIMEOUT": "5", "ANSIBLE_SSH_RETRIES": "0", "ANSIBLE_FORCE_COLOR": "false"},
            capture_output=True,
            text=True,
            check=False,
        )
        return Run(done.returncode, done.stdout + done.stderr, mark.exists())

    return run
