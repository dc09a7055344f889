# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of virtual Pis as tests use it: playbooks of this checkout, kubectl, and test Pods that ask each other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from ansible_collections.bramble.kube.plugins.module_utils.common.pod_networks import DEFAULT, NETWORKS

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".lab"
CACHE = Path(
    os.environ.get("BRAMBLE_LAB_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bramble.kube-lab"
)

#: The Pod network of the scenarios; BRAMBLE_POD_NETWORK plays one of them with another.
NETWORK = NETWORKS[os.environ.get("BRAMBLE_POD_NETWORK") or DEFAULT]


def environment(**extra: str) -> dict[str, str]:
    """The checkout's own settings, without molecule's."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "MOLECULE_"))}
    return {**kept, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", **extra}


def playbook_command(inventory: Path | str, *arguments: str) -> list[str]:
    """The command that runs a playbook of this checkout."""
    return [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), *arguments]


def run_playbook(inventory: Path | str, *arguments: str, ok: bool | None = True, **extra: str) -> str:
    """Run a playbook of this checkout and return what it printed.

    :param ok: whether it must succeed; False: it must fail; None: either.
    :param extra: further environment variables.
    """
    done = subprocess.run(
        playbook_command(inventory, *arguments),
        cwd=ROOT,
        env=environment(**extra),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    if ok is not None:
        assert (done.returncode == 0) is ok, output[-6000:]
    return output


def changes(output: str) -> set[str]:
    """The numbers of changes in the recap of a run: {"0"} when nothing changed anywhere."""
    return set(re.findall(r"changed=(\d+)", output))


def write_inventory(folder: Path, children: Mapping, instance: str, network: str, **variables: object) -> Path:
    """An inventory with the lab's settings, in a folder that is there.

    :param children: groups of `bramble` as in hosts.yml, such as {"master": {"hosts": {"m": {"ansible_host": "…"}}}}.
    """
    known = {"lab_instance": instance, "lab_network": network, **variables}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"bramble": {"children": dict(children), "vars": known}}))
    if not (folder / "group_vars").exists():
        (folder / "group_vars").symlink_to(ROOT / "inventories" / "lab" / "group_vars")
    return folder


def cut_power(container: str) -> None:
    """Pull the plug of a Pi and put it back."""
    subprocess.run(["docker", "kill", "--signal", "KILL", container], check=True, capture_output=True)
    subprocess.run(["docker", "start", container], check=True, capture_output=True)


def default_release() -> str:
    """The Kubernetes release that the lab built for tests."""
    defaults = yaml.safe_load((ROOT / "roles/kubeadm/defaults/main.yml").read_text())
    return os.environ.get("KUBEADM_VERSION") or defaults["kubeadm_version"]


def network_test_image() -> str:
    """Full name of Kubernetes' network test image, as the lab built it."""
    return (CACHE / "images" / f"agnhost-{default_release()}").read_text().strip()


def condition(item: Mapping, name: str) -> str:
    """Status of one condition of an object: True, False or Unknown."""
    return next((c["status"] for c in item["status"].get("conditions", []) if c["type"] == name), "missing")


class Cluster:
    """kubectl from the laptop's side, with the kubeconfig that the playbook fetched."""

    def __init__(self, instance: str) -> None:
        self.kubeconfig = STATE / f"{instance}-kubeconfig"

    def _run(self, *arguments: str, given: str | None, check: bool) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            [CACHE / "bin" / "kubectl", "--kubeconfig", self.kubeconfig, *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        if check and result.returncode:
            pytest.fail(f"kubectl {' '.join(arguments)}: {result.stderr.strip()}")
        return result

    def kubectl(self, *arguments: str, given: str | None = None, check: bool = True) -> str:
        """What kubectl printed; a test fails with its error."""
        return self._run(*arguments, given=given, check=check).stdout

    def typed(self, text: str) -> str:
        """What is printed when this is typed into bash, with the lab's kubectl; every command must succeed."""
        path = f"{CACHE / 'bin'}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            stdin=subprocess.DEVNULL,
            env=environment(PATH=path, KUBECONFIG=str(self.kubeconfig)),
            capture_output=True,
            text=True,
            check=False,
            timeout=1200,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def warnings(self, *arguments: str) -> list[str]:
        """What the API server warned of when kubectl asked it this."""
        lines = self._run(*arguments, given=None, check=True).stderr.splitlines()
        return [line.removeprefix("Warning: ") for line in lines if line.startswith("Warning: ")]

    def objects(self, *arguments: str) -> list[dict]:
        """The items of `kubectl get`."""
        return json.loads(self.kubectl("get", *arguments, "--output=json"))["items"]

    def apply(self, *objects: Mapping) -> None:
        """`kubectl apply` of some objects."""
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl("apply", "--filename=-", given=given)

    def ready(self) -> dict[str, str]:
        """Name of each node → status of its condition Ready."""
        return {node["metadata"]["name"]: condition(node, "Ready") for node in self.objects("nodes")}

    def unsettled(self) -> list[str]:
        """Nodes, Deployments and Pods that are not ready, and Pods that are on their way out."""
        found = [name for name, status in self.ready().items() if status != "True"]
        deployments = self.objects("deployments", "--all-namespaces")
        found += [item["metadata"]["name"] for item in deployments if condition(item, "Available") != "True"]
        for pod in self.objects("pods", "--all-namespaces"):
            meta, ended = pod["metadata"], pod["status"]["phase"] in ("Succeeded", "Failed")
            if "deletionTimestamp" in meta or not (ended or condition(pod, "Ready") == "True"):
                found.append(f"{meta['namespace']}/{meta['name']}")
        return found

    def settle(self, seconds: float = 400) -> None:
        """Wait until what a test has disturbed is as it was, so that the next one meets a cluster at rest."""
        deadline = time.monotonic() + seconds
        while found := self.unsettled():
            assert time.monotonic() < deadline, f"not ready again: {', '.join(found)}"
            time.sleep(1)

    @contextmanager
    def web_pods(self, namespace: str, nodes: list[str]) -> Iterator[WebPods]:
        """A web server on each of these nodes and a Service for the first one's, removed at the end."""
        pods = WebPods(self, namespace, nodes)
        pods.start()
        try:
            yield pods
        finally:
            self.kubectl("delete", "namespace", namespace, "--wait=false")


class WebPods:
    """Kubernetes' network test image on some nodes, whose Pods can be told to ask another address.

    :ivar addresses: node → address of its Pod.
    """

    def __init__(self, cluster: Cluster, namespace: str, nodes: list[str]) -> None:
        self._cluster, self._namespace, self._nodes = cluster, namespace, nodes
        self._image = network_test_image()
        self.addresses: dict[str, str] = {}
        self._restarts: dict[str, int] = {}

    def _pod(self, node: str) -> dict:
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"web-{node}", "namespace": self._namespace, "labels": {"app": f"web-{node}"}},
            "spec": {
                "nodeName": node,
                "terminationGracePeriodSeconds": 0,
                "tolerations": [{"operator": "Exists"}],
                "containers": [
                    {"name": "agnhost", "image": self._image, "args": ["netexec", "--http-port=8080"]},
                ],
            },
        }

    def start(self) -> None:
        """Make them and wait until they run."""
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": self._namespace},
            "spec": {"selector": {"app": f"web-{self._nodes[0]}"}, "ports": [{"port": 80, "targetPort": 8080}]},
        }
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._namespace}}
        self._cluster.apply(namespace, *(self._pod(node) for node in self._nodes), service)
        self.wait()

    def wait(self) -> None:
        """Wait until all run, and read their addresses: they have new ones after a reboot."""
        wait = ("wait", "--for=condition=Ready", "pods", "--all", "--timeout=150s")
        self._cluster.kubectl("--namespace", self._namespace, *wait)
        pods = self._cluster.objects("pods", "--namespace", self._namespace)
        self.addresses = {pod["spec"]["nodeName"]: pod["status"]["podIP"] for pod in pods}
        self._restarts = {pod["spec"]["nodeName"]: self._count(pod) for pod in pods}

    @staticmethod
    def _count(pod: Mapping) -> int:
        return sum(c["restartCount"] for c in pod["status"].get("containerStatuses", []))

    def wait_restarted(self, node: str, seconds: float = 150) -> None:
        """Wait until the Pod on a restarted node runs again; before the kubelet has looked, the API tells old state."""
        deadline = time.monotonic() + seconds
        while True:
            pods = self._cluster.objects("pods", "--namespace", self._namespace, f"--selector=app=web-{node}")
            if pods and self._count(pods[0]) > self._restarts[node]:
                break
            assert time.monotonic() < deadline, f"the Pod on {node} was not started again"
            time.sleep(1)
        self.wait()

    def ask(self, node: str, host: str, port: int = 8080, tries: int = 10) -> str:
        """Let the Pod on `node` ask a web server for its host name; the last error as text when there is no answer.

        :param tries: a second apart: the rules of a Service reach each node a moment after its Pods are ready.
        """
        answer = ""
        for _ in range(tries):
            answer = self._cluster.kubectl(
                *("get", "--raw"),
                f"/api/v1/namespaces/{self._namespace}/pods/web-{node}:8080/proxy/dial"
                f"?request=hostname&protocol=http&tries=1&host={host}&port={port}",
                check=False,
            )
            if '"responses"' in answer:
                return json.loads(answer)["responses"][0]
            time.sleep(1)
        return answer

    def ask_pod(self, source: str, target: str) -> str:
        """Let the Pod on one node ask the one on another; "web-TARGET" when that answered."""
        return self.ask(source, self.addresses[target])

    def ask_service(self, source: str) -> str:
        """Let the Pod on a node ask the Service by its DNS name; "web-FIRST" when that answered."""
        return self.ask(source, f"web.{self._namespace}.svc.cluster.local", 80)

    def check_policy(self, guarded: str, stranger: str) -> None:
        """A NetworkPolicy for the Pod on one node keeps another Pod out until it has the label asked for."""
        policy = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "wall", "namespace": self._namespace},
            "spec": {
                "podSelector": {"matchLabels": {"app": f"web-{guarded}"}},
                "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"podSelector": {"matchLabels": {"friend": "yes"}}}], "ports": [{"port": 8080}]}],
            },
        }
        assert self.ask_pod(stranger, guarded) == f"web-{guarded}", "nothing keeps it out yet"
        self._cluster.apply(policy)
        kubectl = ("--namespace", self._namespace)
        try:
            deadline = time.monotonic() + 30
            while self.ask(stranger, self.addresses[guarded], tries=1) == f"web-{guarded}":
                assert time.monotonic() < deadline, "the policy is not enforced"
                time.sleep(1)
            assert self.ask_pod(guarded, stranger) == f"web-{stranger}", "nothing is said about this direction"
            self._cluster.kubectl(*kubectl, "label", "pod", f"web-{stranger}", "friend=yes")
            assert self.ask(stranger, self.addresses[guarded], tries=30) == f"web-{guarded}"
        finally:
            self._cluster.kubectl(*kubectl, "delete", "networkpolicy", "wall")
            self._cluster.kubectl(*kubectl, "label", "pod", f"web-{stranger}", "friend-")
