# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fourth Pi joins a finished cluster although its power is cut; nobody else changes, no secret is logged."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from lab_cluster import ROOT, Cluster, changes, cut_power, environment, playbook_command, run_playbook, write_inventory
from secret_scan import secrets_in

SCENARIO = Path(__file__).resolve().parents[1]
CLUSTER = Cluster("cluster")
NAME, ADDRESS = "k8s-node3", "192.168.15.10"


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scenario's inventory and one Pi more."""
    scenario = yaml.safe_load((SCENARIO / "inventory" / "hosts.yml").read_text())["bramble"]
    hosts = scenario["children"]
    hosts["node"]["hosts"][NAME] = {"ansible_host": ADDRESS}
    same = {name: scenario["vars"][name] for name in ("kubeadm_cni", "lab_sudo_password", "ansible_become_password")}
    folder = write_inventory(tmp_path_factory.mktemp("four"), hosts, "cluster", "192.168.15", **same)
    run_playbook(folder, str(ROOT / "lab/playbooks/create.yml"))
    return folder


@pytest.fixture(scope="module")
def cut_run(inventory: Path) -> str:
    """site.yml with the new Pi's power cut at a moment chosen by chance; what the run printed until it gave up."""
    seed = int(os.environ.get("BRAMBLE_SEED") or random.SystemRandom().randrange(10**6))
    moment = random.Random(seed).uniform(10, 75)
    print(f"seed {seed}: power of {NAME} is cut after {moment:.0f} s (BRAMBLE_SEED={seed} repeats it)")
    run = subprocess.Popen(
        playbook_command(inventory, "site.yml"),
        cwd=ROOT,
        env=environment(ANSIBLE_SSH_RETRIES="0", ANSIBLE_TIMEOUT="5"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    time.sleep(moment)
    cut_power(f"cluster-{NAME}")
    output, _ = run.communicate(timeout=900)
    return output


@pytest.fixture(scope="module")
def log(inventory: Path, cut_run: str) -> str:
    """What site.yml prints at -vvv when it is run again, with the kubeconfig to be fetched anew."""
    CLUSTER.kubeconfig.unlink()
    return run_playbook(inventory, "-vvv", "site.yml")


def test_the_fourth_pi_is_ready(log: str) -> None:
    assert CLUSTER.ready() == dict.fromkeys(["k8s-master", "k8s-node1", "k8s-node2", NAME], "True")


def test_the_other_nodes_only_learn_its_name(cut_run: str, log: str) -> None:
    changed = set()
    for output in (cut_run, log):
        task = ""
        for line in output.splitlines():
            if line.startswith("TASK ["):
                task = line.partition("[")[2].partition("]")[0]
            elif line.startswith(("changed: [k8s-node1]", "changed: [k8s-node2]")):
                changed.add(task)
    assert len(changed) == 1, changed
    assert "name" in changed.pop().lower()


def test_no_secret_in_the_output_at_vvv(log: str) -> None:
    key = yaml.safe_load(CLUSTER.kubeconfig.read_text())["users"][0]["user"]["client-key-data"]
    assert not secrets_in(log, known=[key, key[:60]])


def test_the_kubeconfig_came_back_for_its_owner_alone(log: str) -> None:
    assert CLUSTER.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_a_third_run_changes_nothing(inventory: Path, log: str) -> None:
    output = run_playbook(inventory, "site.yml")
    assert changes(output) == {"0"}, output[-3000:]


def test_check_mode_works_on_the_finished_cluster(inventory: Path, log: str) -> None:
    output = run_playbook(inventory, "site.yml", "--check", "--diff")
    assert changes(output) == {"0"}, output[-3000:]
