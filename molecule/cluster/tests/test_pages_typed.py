# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What README.md and the pages install, serve and status have somebody ask the cluster, as it stands there."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import pytest
from hub_visitor import Visitor
from lab_cluster import Cluster, run_playbook
from page_blocks import blocks, typed

CLUSTER = Cluster("cluster")
INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
PAGES = ("README.md", "docs/install.md", "docs/serve.md", "docs/status.md")
COMMANDS = [
    command
    for block in blocks("console")
    for command in typed(block)
    if block.page in PAGES and command.startswith("kubectl ")
]


def serves() -> bool:
    """Whether the model server answers at its address in the home network."""
    try:
        return Visitor().ask("http://192.168.15.7:30082/v2/models/digits/ready")[0] == 200
    except OSError:
        return False


@pytest.fixture(scope="module", autouse=True)
def rolled_out():
    """At the end the model server that was restarted serves again, and every Pi's kube-proxy knows where."""
    yield
    CLUSTER.kubectl("--namespace=model-server", "rollout", "status", "deployment/model-server", "--timeout=170s")
    deadline = time.monotonic() + 60
    while not serves():
        assert time.monotonic() < deadline, "the model server that was restarted does not answer"
        time.sleep(1)


@pytest.mark.parametrize("command", COMMANDS, ids=str.strip)
def test_the_cluster_does_it(command: str) -> None:
    assert CLUSTER.typed(command).strip()


def test_the_passwords_are_shown() -> None:
    shown = run_playbook(INVENTORY, "playbooks/kubeflow.yml", "--tags", "passwords")
    asked = ("--namespace=jupyterhub", "get", "secret", "jupyterhub-passwords", "--output=jsonpath={.data.admin}")
    assert base64.b64decode(CLUSTER.kubectl(*asked)).decode() in shown
