# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters of older releases, from blank Pis; one of them with the distribution's Docker and containerd 1.7."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_cluster import Cluster, changes, run_playbook, write_inventory
from secret_scan import secrets_in

CASES = {
    "135": ({"kubeadm_version": "1.35.4", "docker_edition": "distro"}, ("192.168.23.7", "192.168.23.8")),
    "136": ({"kubeadm_version": "1.36.3"}, ("192.168.23.9", "192.168.23.10")),
}


def inventory_of(case: str, folder: Path, **more: object) -> Path:
    """The inventory of one of the two clusters."""
    settings, (master, node) = CASES[case]
    return write_inventory(
        folder,
        {
            "master": {
                "hosts": {
                    f"m{case}": {
                        "ansible_host": master,
                        "master_kubeconfig": str(Cluster(f"releases-{case}").kubeconfig),
                    }
                }
            },
            "node": {"hosts": {f"n{case}": {"ansible_host": node}}},
        },
        "releases",
        "192.168.23",
        kubeflow_components=[],
        **{**settings, **more},
    )


def test_containerd_1_is_refused_for_a_release_that_needs_2(tmp_path: Path) -> None:
    """Both versions are named, and nothing is changed."""
    output = run_playbook(inventory_of("136", tmp_path, docker_edition="distro"), "site.yml", ok=False)
    assert "Kubernetes 1.36.3 needs containerd 2" in output
    assert "gives containerd 1.7" in output
    assert changes(output) == {"0"}


@pytest.mark.parametrize("case", CASES)
def test_a_cluster_of_this_release(case: str, tmp_path: Path, pis) -> None:
    inventory = inventory_of(case, tmp_path)
    output = run_playbook(inventory, "site.yml", "-vvv")
    assert not secrets_in(output)
    cluster = Cluster(f"releases-{case}")
    assert cluster.ready() == {f"m{case}": "True", f"n{case}": "True"}
    infos = [node["status"]["nodeInfo"] for node in cluster.objects("nodes")]
    assert {info["kubeletVersion"] for info in infos} == {f"v{CASES[case][0]['kubeadm_version']}"}
    engine = "1.7." if case == "135" else "2."
    assert all(info["containerRuntimeVersion"].startswith(f"containerd://{engine}") for info in infos), infos
    with cluster.web_pods("releases-verify", [f"n{case}", f"m{case}"]) as pods:
        assert pods.ask_service(f"m{case}") == f"web-n{case}"
        for name in (f"m{case}", f"n{case}"):
            pis[name].check_output("sudo systemctl restart docker")
        assert pods.ask_pod(f"n{case}", f"m{case}") == f"web-m{case}"
    assert changes(run_playbook(inventory, "site.yml")) == {"0"}
