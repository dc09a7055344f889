# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubeflow's components on real kubelets: measured, left alone when nothing differs, told when one is broken."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
import yaml
from lab_cluster import Cluster, changes, run_playbook

CLUSTER = Cluster("cluster")
INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
BUSYBOX = "docker.io/library/busybox:latest"
LIMIT = 60  # seconds for a component to get ready


def kubeflow(**variables: object) -> list[str]:
    """Arguments of a run of the playbook with these variables."""
    return ["playbooks/kubeflow.yml", "-e", json.dumps(variables)]


def component(folder: Path, name: str, image: str, command: list[str], **more: object) -> dict:
    """A catalogue entry of one Deployment.

    :param more: further fields of its container.
    """
    container = {"name": "main", "image": image, "command": command, **more}
    labels = {"app": name}
    pod = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    document = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document))
    return {
        "name": name,
        "line": "A component of the tests",
        "engine": "manifests",
        "source": {"path": str(path)},
        "namespace": "components-test",
        "ready": {"timeout": LIMIT},
    }


def test_kubectl_top_tells_the_load_of_every_node():
    told = CLUSTER.kubectl("top", "nodes", "--no-headers")
    named = re.findall(r"^(\S+) +\d+m +\d+% +\d+Mi +\d+% *$", told, re.MULTILINE)
    assert sorted(named) == sorted(CLUSTER.ready()), told  # with the fourth Pi, where that has joined


@pytest.fixture
def reader(tmp_path):
    """A kubeconfig that may look at everything and change nothing."""
    name = "only-looks"
    account = {"kind": "ServiceAccount", "name": name, "namespace": "default"}
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]
    rbac = "rbac.authorization.k8s.io"
    CLUSTER.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "default"}},
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
            "subjects": [account],
        },
    )
    config = yaml.safe_load(CLUSTER.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": CLUSTER.kubectl("create", "token", name).strip()}
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    yield path
    CLUSTER.kubectl("delete", f"clusterrole/{name}", f"clusterrolebinding/{name}")
    CLUSTER.kubectl("delete", f"serviceaccount/{name}", "--namespace=default")


def test_a_push_of_what_is_there_writes_nothing(reader):
    """Whatever it tried to write would be forbidden to this account."""
    output = run_playbook(INVENTORY, *kubeflow(kubeflow_kubeconfig=str(reader)))
    assert changes(output) == {"0"}
    denied = run_playbook(
        INVENTORY,
        *kubeflow(
            kubeflow_kubeconfig=str(reader),
            kubeflow_overrides={"trainer": [{"name": "kubeflow-trainer-controller-manager", "replicas": 2}]},
        ),
        ok=False,
    )
    assert "forbidden" in denied, "this test could not have failed"


def test_components_that_cannot_get_ready_say_why_within_their_limit_and_the_rest_is_in_place(tmp_path):
    # Without a probe it would count as ready for the moment that it lives.
    starved = {"resources": {"limits": {"memory": "16Mi"}}, "readinessProbe": {"tcpSocket": {"port": 80}}}
    entries = [
        component(tmp_path, "no-image", "docker.io/library/no-such-image:1", ["true"]),
        component(tmp_path, "little-memory", BUSYBOX, ["tail", "/dev/zero"], **starved),
        component(tmp_path, "too-large", BUSYBOX, ["sleep", "3600"], resources={"requests": {"memory": "900Gi"}}),
        component(tmp_path, "fine", BUSYBOX, ["sleep", "3600"]),
    ]
    names = [entry["name"] for entry in entries]
    chosen = {"kubeflow_catalogue_extra": entries, "kubeflow_components": names}
    refused = run_playbook(INVENTORY, *kubeflow(**chosen), ok=False)
    assert "No node has room for a pod of Deployment components-test/too-large (too-large)" in refused
    assert not CLUSTER.kubectl("get", "namespace", "components-test", "--ignore-not-found")
    try:
        began = time.monotonic()
        output = " ".join(run_playbook(INVENTORY, *kubeflow(**chosen, kubeflow_force=True), ok=False).split())
        # All wait at the same time; the rest is Ansible's and the push itself.
        assert time.monotonic() - began < 2 * LIMIT
        assert re.search(
            r"no-image \(not ready\): Deployment components-test/no-image: .{0,200}Pod no-image-\S+: "
            r"(ErrImagePull|ImagePullBackOff): image docker.io/library/no-such-image:1",
            output,
        ), output
        assert re.search(
            r"little-memory \(not ready\): .{0,200}Pod little-memory-\S+: (CrashLoopBackOff: )?container main"
            r" (needs more memory than its limit of 16Mi and was killed \(OOMKilled\)"
            r"|was killed \(exit code 137\); it may need more memory than its limit of 16Mi)",  # heard too late
            output,
        ), output
        assert re.search(r"too-large \(not ready\): .{0,200}: not scheduled: .{0,100}Insufficient memory", output), (
            output
        )
        assert "The other component is as wanted." in output
        live = CLUSTER.objects("deployments", "--namespace=components-test")
        assert {item["metadata"]["name"]: item["status"].get("readyReplicas", 0) for item in live} == {
            **dict.fromkeys(names, 0),
            "fine": 1,
        }
    finally:
        gone = [{"name": name, "state": "absent"} for name in names]
        run_playbook(INVENTORY, *kubeflow(kubeflow_catalogue_extra=entries, kubeflow_components=gone))
        left = CLUSTER.objects("deployments", "--namespace=components-test")
        CLUSTER.kubectl("delete", "namespace", "components-test")
    assert not left
