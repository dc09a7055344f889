# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings that the scenario cluster does not try, on Pis with two releases of the OS."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_cluster import ROOT, Cluster, changes, run_playbook, write_inventory

BOTH, LONE = Cluster("variants"), Cluster("variants-lone")
NETWORK, LONE_ADDRESS = "192.168.21", "192.168.21.9"


@pytest.fixture(scope="module")
def pods():
    """A web server on each of the two Pis."""
    with BOTH.web_pods("variants-verify", ["new-node", "old-master"]) as pods:
        yield pods


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The inventory of a Pi alone, without a Pod network, which is set up."""
    folder = write_inventory(
        tmp_path_factory.mktemp("lone"),
        {"master": {"hosts": {"lone": {"ansible_host": LONE_ADDRESS, "master_kubeconfig": str(LONE.kubeconfig)}}}},
        "variants",
        NETWORK,
        kubeadm_cni="none",
        kubeflow_components=[],
    )
    run_playbook(folder, str(ROOT / "lab/playbooks/create.yml"))
    return folder


def test_both_releases_of_the_os_are_in_one_cluster() -> None:
    images = {n["metadata"]["name"]: n["status"]["nodeInfo"]["osImage"] for n in BOTH.objects("nodes")}
    assert "bookworm" in images["old-master"]
    assert "trixie" in images["new-node"]
    assert BOTH.ready() == {"old-master": "True", "new-node": "True"}


@pytest.mark.parametrize("source, target", [("old-master", "new-node"), ("new-node", "old-master")])
def test_pods_reach_each_other_by_host_gw(pods, pis, source, target) -> None:
    assert pods.ask_pod(source, target) == f"web-{target}"
    assert "flannel.1" not in pis[source].check_output("ip -brief link"), "host-gw needs no VXLAN device"


def test_a_service_answers_by_name(pods) -> None:
    assert pods.ask_service("old-master") == "web-new-node"


def test_a_network_policy_keeps_out_who_it_does_not_name(pods) -> None:
    pods.check_policy("new-node", "old-master")


def test_a_lone_master_says_that_it_waits_for_a_pod_network(lone: Path) -> None:
    output = run_playbook(lone, "site.yml")
    assert "kubeadm_cni is none" in output
    assert "Not Ready yet: lone" in output


def test_a_lone_master_takes_pods_itself(lone: Path) -> None:
    run_playbook(lone, "site.yml", "-e", "kubeadm_cni=flannel")
    assert LONE.ready() == {"lone": "True"}
    assert not LONE.objects("nodes")[0]["spec"].get("taints")
    with LONE.web_pods("variants-verify", ["lone"]) as pods:
        assert pods.ask_service("lone") == "web-lone"
    assert changes(run_playbook(lone, "site.yml", "-e", "kubeadm_cni=flannel")) == {"0"}


@pytest.mark.parametrize("stranger", ["lone", "new-node"])
def test_a_pi_of_another_cluster_is_refused_by_name(lone: Path, tmp_path: Path, stranger: str) -> None:
    """The control plane of one cluster, and a node of one, cannot be taken into another."""
    addresses = {"lone": LONE_ADDRESS, "new-node": f"{NETWORK}.8", "old-master": f"{NETWORK}.7"}
    master = "old-master" if stranger == "lone" else "lone"
    cluster = BOTH if master == "old-master" else LONE
    inventory = write_inventory(
        tmp_path,
        {
            "master": {
                "hosts": {master: {"ansible_host": addresses[master], "master_kubeconfig": str(cluster.kubeconfig)}}
            },
            "node": {"hosts": {stranger: {"ansible_host": addresses[stranger]}}},
        },
        "variants",
        NETWORK,
        kubeflow_components=[],
        master_flannel_backend="host-gw" if master == "old-master" else "vxlan",
    )
    before = cluster.ready()
    output = " ".join(run_playbook(inventory, "site.yml", ok=False).split())
    sentence = {"lone": "it runs its own control plane", "new-node": "it belongs to another cluster"}[stranger]
    assert f"{stranger}: {sentence}" in output
    assert changes(output) == {"0"}
    assert cluster.ready() == before
