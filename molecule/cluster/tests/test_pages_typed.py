# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What README.md and the pages install, serve and status have somebody ask the cluster, as it stands there."""

from __future__ import annotations

import base64
import threading
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


class Caller(threading.Thread):
    """Somebody in the home network who asks the model server every fifth of a second.

    :ivar lost: what became of each call that got no good answer.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.answers, self.lost, self.enough = 0, [], threading.Event()

    def run(self) -> None:
        while not self.enough.wait(0.2):
            began = time.strftime("%X")
            try:
                status, text = Visitor().ask("http://192.168.15.7:30082/v2/models/digits/ready")
            except OSError as error:
                status, text = 0, str(error)
            self.answers += status == 200
            if status != 200:
                self.lost.append(f"{began} to {time.strftime('%X')}: {status} {text}")


@pytest.fixture(scope="module", autouse=True)
def caller():
    """Calls go on while the model server is restarted; at the end, ten in a row are answered."""
    CLUSTER.settle()
    caller = Caller()
    caller.start()
    yield
    CLUSTER.kubectl("--namespace=model-server", "rollout", "status", "deployment/model-server", "--timeout=170s")
    CLUSTER.settle()
    lost, answers, deadline = len(caller.lost), caller.answers, time.monotonic() + 120
    while caller.answers < answers + 10:
        if len(caller.lost) > lost:
            lost, answers = len(caller.lost), caller.answers
        assert time.monotonic() < deadline, caller.lost[-20:]
        time.sleep(0.2)
    caller.enough.set()
    caller.join()
    print(f"{caller.answers} calls answered, {len(caller.lost)} lost", *caller.lost, sep="\n")


@pytest.mark.parametrize("command", COMMANDS, ids=str.strip)
def test_the_cluster_does_it(command: str) -> None:
    assert CLUSTER.typed(command).strip()


def test_the_passwords_are_shown() -> None:
    shown = run_playbook(INVENTORY, "playbooks/kubeflow.yml", "--tags", "passwords")
    asked = ("--namespace=jupyterhub", "get", "secret", "jupyterhub-passwords", "--output=jsonpath={.data.admin}")
    assert base64.b64decode(CLUSTER.kubectl(*asked)).decode() in shown
