# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cluster as its users meet it: nodes, system pods, pod network, Services, DNS, the training operator."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
STATE = ROOT / ".lab"
KUBECONFIG = STATE / "cluster-kubeconfig"
CACHE = Path(
    os.environ.get("BRAMBLE_LAB_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bramble.kube-lab"
)
NODES = {"k8s-master": "192.168.15.7", "k8s-node1": "192.168.15.8", "k8s-node2": "192.168.15.9"}
NAMESPACE = "molecule-verify"


def kubectl(*arguments: str, given: str | None = None, check: bool = True) -> str:
    """Run kubectl from the laptop's side with the kubeconfig that the playbook fetched."""
    result = subprocess.run(
        [CACHE / "bin" / "kubectl", "--kubeconfig", KUBECONFIG, *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    if check and result.returncode:
        pytest.fail(f"kubectl {' '.join(arguments)}: {result.stderr.strip()}")
    return result.stdout


def objects(*arguments: str) -> list[dict]:
    """The items of `kubectl get`."""
    return json.loads(kubectl("get", *arguments, "--output=json"))["items"]


def condition(item: dict, name: str) -> str:
    """Status of one condition of an object: True, False or Unknown."""
    return next((c["status"] for c in item["status"].get("conditions", []) if c["type"] == name), "missing")


def agnhost() -> str:
    """Full name of the network test image that the lab built for the default release."""
    version = yaml.safe_load((ROOT / "roles/kubeadm/defaults/main.yml").read_text())["kubeadm_version"]
    return (CACHE / "images" / f"agnhost-{version}").read_text().strip()


def pod(name: str, node: str, *command: str) -> dict:
    """A pod of the test image, bound to one node."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name}},
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "agnhost", "image": agnhost(), "args": list(command)}],
        },
    }


@pytest.fixture(scope="module")
def pods():
    """One web server on every node and a Service for the one on k8s-node1; name of node → address of its pod."""
    manifests = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}]
    manifests += [pod(f"web-{node}", node, "netexec", "--http-port=8080") for node in NODES]
    manifests.append(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": NAMESPACE},
            "spec": {"selector": {"app": "web-k8s-node1"}, "ports": [{"port": 80, "targetPort": 8080}]},
        }
    )
    kubectl("apply", "--filename=-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))
    kubectl("--namespace", NAMESPACE, "wait", "--for=condition=Ready", "pods", "--all", "--timeout=120s")
    yield {item["spec"]["nodeName"]: item["status"]["podIP"] for item in objects("pods", "--namespace", NAMESPACE)}
    kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def ask(node: str, host: str, port: int) -> str:
    """Let the pod on `node` ask a web server for its host name; the last error as text when there is no answer."""
    answer = ""
    # The rules of a Service reach each node a moment after its pods are ready.
    for _ in range(10):
        answer = kubectl(
            "get",
            "--raw",
            f"/api/v1/namespaces/{NAMESPACE}/pods/web-{node}:8080/proxy/dial"
            f"?request=hostname&protocol=http&tries=1&host={host}&port={port}",
            check=False,
        )
        if '"responses"' in answer:
            return json.loads(answer)["responses"][0]
        time.sleep(1)
    return answer


def test_three_nodes_ready_at_their_own_addresses():
    nodes = objects("nodes")
    assert {n["metadata"]["name"] for n in nodes} == set(NODES)
    for node in nodes:
        assert condition(node, "Ready") == "True", node["status"]["conditions"]
        addresses = {a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"}
        assert addresses == {NODES[node["metadata"]["name"]]}


def test_kubeconfig_is_for_its_owner_alone():
    assert KUBECONFIG.stat().st_mode & 0o777 == 0o600


def test_system_pods_run_and_are_ready():
    system = objects("pods", "--namespace=kube-system")
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
    operators = [d for d in objects("deployments", "--all-namespaces") if "training-operator" in d["metadata"]["name"]]
    assert len(operators) == 1
    assert condition(operators[0], "Available") == "True"
    assert kubectl("get", "crd", "tfjobs.kubeflow.org", "--output=name").strip()


@pytest.mark.parametrize("source", NODES)
@pytest.mark.parametrize("target", NODES)
def test_pods_reach_each_other_across_nodes(pods, source, target):
    assert ask(source, pods[target], 8080) == f"web-{target}"


@pytest.mark.parametrize("source", ["k8s-master", "k8s-node2"])
def test_service_answers_by_name_from_another_node(pods, source):
    assert ask(source, f"web.{NAMESPACE}.svc.cluster.local", 80) == "web-k8s-node1"


def test_pods_still_reach_each_other_when_docker_was_restarted(pods, pis):
    """dockerd sets the policy of FORWARD to DROP whenever it starts."""
    for node in pis.values():
        node.check_output("sudo systemctl restart docker")
    assert ask("k8s-node1", pods["k8s-node2"], 8080) == "web-k8s-node2"
    assert ask("k8s-node2", pods["k8s-master"], 8080) == "web-k8s-master"


def test_every_pi_sees_its_own_list_of_swaps(pis):
    """A Pi's swap was switched off in its own list; the machine's is not a Pi's to change."""
    for name, node in pis.items():
        assert len(node.file("/proc/swaps").content_string.splitlines()) == 1, name
        assert "/proc/swaps" in node.check_output("cat /proc/self/mounts"), name
