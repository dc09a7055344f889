# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster as its users meet it: nodes, system pods, pod network, Services, DNS, the training operator."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from lab_cluster import NETWORK, Cluster, condition, run_playbook

NODES = {"k8s-master": "192.168.15.7", "k8s-node1": "192.168.15.8", "k8s-node2": "192.168.15.9"}
CLUSTER = Cluster("cluster")
INVENTORY = Path(__file__).resolve().parents[1] / "inventory"


@pytest.fixture(scope="module", autouse=True)
def at_rest():
    """The tests of the next file do not meet what became not ready with a Pi that was restarted."""
    yield
    CLUSTER.settle()


@pytest.fixture(scope="module")
def pods():
    """One web server on every node and a Service for the one on k8s-node1."""
    with CLUSTER.web_pods("molecule-verify", ["k8s-node1", "k8s-node2", "k8s-master"]) as pods:
        yield pods


def test_three_nodes_ready_at_their_own_addresses():
    nodes = CLUSTER.objects("nodes")
    assert {n["metadata"]["name"] for n in nodes} == set(NODES)
    for node in nodes:
        assert condition(node, "Ready") == "True", node["status"]["conditions"]
        addresses = {a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"}
        assert addresses == {NODES[node["metadata"]["name"]]}


def test_kubeconfig_is_for_its_owner_alone():
    assert CLUSTER.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_system_pods_run_and_are_ready():
    system = CLUSTER.objects("pods", "--namespace=kube-system")
    components = {p["metadata"]["labels"].get("component") or p["metadata"]["labels"].get("k8s-app") for p in system}
    assert {
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kube-proxy",
        "kube-dns",
    } <= components
    for item in system:
        assert item["status"]["phase"] == "Running", item["metadata"]["name"]
        assert condition(item, "Ready") == "True", item["metadata"]["name"]


def test_training_operator_is_available():
    operators = [
        d for d in CLUSTER.objects("deployments", "--all-namespaces") if "training-operator" in d["metadata"]["name"]
    ]
    assert len(operators) == 1
    assert condition(operators[0], "Available") == "True"
    assert CLUSTER.kubectl("get", "crd", "tfjobs.kubeflow.org", "--output=name").strip()


@pytest.mark.parametrize("source", NODES)
@pytest.mark.parametrize("target", NODES)
def test_pods_reach_each_other_across_nodes(pods, source, target):
    assert pods.ask_pod(source, target) == f"web-{target}"


@pytest.mark.parametrize("source", ["k8s-master", "k8s-node2"])
def test_service_answers_by_name_from_another_node(pods, source):
    assert pods.ask_service(source) == "web-k8s-node1"


@pytest.mark.skipif(not NETWORK.enforces_policies, reason=f"{NETWORK.name} does not enforce NetworkPolicies by itself")
@pytest.mark.parametrize("stranger", ["k8s-node1", "k8s-master"])
def test_a_network_policy_keeps_out_who_it_does_not_name(pods, stranger):
    pods.check_policy("k8s-node2", stranger)


def test_pods_still_reach_each_other_when_docker_was_restarted(pods, pis):
    """dockerd sets the policy of FORWARD to DROP whenever it starts."""
    for node in pis.values():
        node.check_output("sudo systemctl restart docker")
    assert pods.ask_pod("k8s-node1", "k8s-node2") == "web-k8s-node2"
    assert pods.ask_pod("k8s-node2", "k8s-master") == "web-k8s-master"


def run(host, command):
    """What a command printed; nothing while the Pi does not answer, where testinfra raises an error."""
    try:
        return host.run(command).stdout.strip()
    except RuntimeError:
        return ""


def test_pods_still_reach_each_other_when_a_pi_was_restarted(pods, pis):
    boot = run(pis["k8s-node2"], "cat /proc/sys/kernel/random/boot_id")
    run(pis["k8s-node2"], "sudo systemctl reboot")
    deadline = time.monotonic() + 90
    while run(pis["k8s-node2"], "cat /proc/sys/kernel/random/boot_id") in ("", boot):
        assert time.monotonic() < deadline, "the Pi does not come back"
        time.sleep(1)
    # The Pod's own status is from before until the kubelet has looked.
    pods.wait_restarted("k8s-node2")
    assert pods.ask_pod("k8s-node1", "k8s-node2") == "web-k8s-node2"
    assert pods.ask_pod("k8s-node2", "k8s-master") == "web-k8s-master"


def test_a_pi_that_is_not_ready_is_named_with_the_reason(pis, pods):
    """What the run says at its end about a Pi whose kubelet does not run."""
    pis["k8s-node2"].check_output("sudo systemctl stop kubelet")
    try:
        CLUSTER.kubectl("wait", "--for=condition=Ready=Unknown", "node/k8s-node2", "--timeout=120s")
        output = run_playbook(INVENTORY, "playbooks/ready.yml", "-e", "ready_timeout=5", ok=False)
    finally:
        pis["k8s-node2"].check_output("sudo systemctl start kubelet")
    assert "k8s-node2 is not Ready:" in output
    assert "k8s-node2: its kubelet was stopped" in output
    assert "k8s-node1 is not Ready" not in output
    CLUSTER.kubectl("wait", "--for=condition=Ready", "node/k8s-node2", "--timeout=60s")


def test_every_pi_sees_its_own_list_of_swaps(pis):
    """A Pi's swap was switched off in its own list; the machine's is not a Pi's to change."""
    for name, node in pis.items():
        assert len(node.file("/proc/swaps").content_string.splitlines()) == 1, name
        assert "/proc/swaps" in node.check_output("cat /proc/self/mounts"), name
