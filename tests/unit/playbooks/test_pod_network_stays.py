# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running cluster keeps its Pod network: another value of kubeadm_cni is refused before anything is changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ansible_collections.bramble.kube.plugins.module_utils.common.pod_networks import NETWORKS

ROOT = Path(__file__).resolve().parents[3]
IN_A_CLUSTER = "https://192.168.13.7:6443"


def refused(folder: Path, wanted: str, found: list[str], server: str) -> str | None:
    """What role kubeadm says of a Pi with these files of CNI; None: nothing, it goes on."""
    seen = {"kubelet_server": server, "cni_config": found}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.set_fact": {"pi_kubernetes": seen, "cacheable": True}},
            {
                "ansible.builtin.import_role": {
                    "name": "bramble.kube.kubeadm",
                    "tasks_from": "check",
                    "rolespec_validate": False,
                }
            },
        ],
    }
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    complete = {
        "kubeadm_cni": wanted,
        "kubeadm_complete": True,
        "kubeadm_installed_releases": [],
        "kubeadm_installed": {},
    }
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), folder / "play.yml", "-e", json.dumps(complete)],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "default"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = " ".join((done.stdout + done.stderr).split())
    assert (done.returncode == 0) == ("Set kubeadm_cni back" not in said), said
    return None if done.returncode == 0 else said


@pytest.mark.parametrize(("wanted", "there"), [(one, other) for one in NETWORKS for other in NETWORKS if one != other])
def test_another_network_is_refused_in_a_cluster(tmp_path: Path, wanted: str, there: str) -> None:
    said = refused(tmp_path, wanted, [NETWORKS[there].configuration], IN_A_CLUSTER)
    assert said and f"kubeadm_cni is {wanted}, but" in said and NETWORKS[there].configuration in said


@pytest.mark.parametrize(
    ("found", "server"),
    [
        ([NETWORKS["flannel"].configuration], IN_A_CLUSTER),
        ([], IN_A_CLUSTER),
        ([NETWORKS["kube-router"].configuration], ""),
    ],
    ids=["the same network", "none yet", "a machine that is in no cluster"],
)
def test_nothing_else_is_refused(tmp_path: Path, found: list[str], server: str) -> None:
    assert refused(tmp_path, "flannel", found, server) is None
