# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workflow of Argo Workflows, each step of which runs on another Pi, waits for a person after the first."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests" / "support"))

from troubles import MASTER, Lab, wait

IMAGE = "docker.io/library/busybox:latest"
SPACE = "kubeflow"


@pytest.fixture(scope="module")
def lab() -> Lab:
    """The scenario's Pis, or those of the inventory in BRAMBLE_INVENTORY."""
    own = os.environ.get("BRAMBLE_INVENTORY")
    return Lab(Path(own) if own else Path(__file__).resolve().parents[1] / "inventory")


@pytest.fixture(scope="module")
def controller(lab: Lab) -> Iterator[None]:
    """Argo Workflows for as long as it is used, beside what the scenario has."""

    def have(component: object) -> None:
        chosen = json.dumps({"kubeflow_components": ["training-operator", component]})
        done = lab.play("playbooks/kubeflow.yml", "-e", chosen)
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr

    have("argo-workflows")
    yield
    have({"name": "argo-workflows", "state": "absent"})
    assert not lab.kubectl("-n", SPACE, "get", "deployment", "workflow-controller", "--ignore-not-found")


def places(lab: Lab) -> dict[str, str]:
    """The step that runs on each Pi, in their order; the master's is the first."""
    return {f"on-{name}": name for name in sorted(lab.addresses, key=lambda name: (name != MASTER, name))}


def template(name: str, node: str) -> dict:
    """A step on one Pi, which passes on what it was given with its own name behind it."""
    script = f"echo {{{{inputs.parameters.way}}}}/{node} | tee /way"
    return {
        "name": name,
        "nodeSelector": {"kubernetes.io/hostname": node},
        "tolerations": [{"operator": "Exists"}],
        "inputs": {"parameters": [{"name": "way"}]},
        "container": {"image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]},
        "outputs": {"parameters": [{"name": "way", "valueFrom": {"path": "/way"}}]},
    }


def workflow(steps: dict[str, str]) -> dict:
    """All steps one after the other, with a pause behind the first."""
    order, way = [], "begin"
    for name in steps:
        given = {"parameters": [{"name": "way", "value": way}]}
        order.append([{"name": name, "template": name, "arguments": given}])
        way = f"{{{{steps.{name}.outputs.parameters.way}}}}"
    order.insert(1, [{"name": "approve", "template": "approve"}])
    return {
        "entrypoint": "all",
        "serviceAccountName": "steps",
        # The role's own place for logs and artifacts is that of pipelines.
        "artifactRepositoryRef": {"configMap": "steps", "key": "none"},
        "templates": [
            {"name": "all", "steps": order},
            {"name": "approve", "suspend": {}},
            *(template(name, node) for name, node in steps.items()),
        ],
    }


def objects(steps: dict[str, str]) -> list[dict]:
    """The workflow, an account that may report results, and a place for artifacts that keeps none."""
    about = {"namespace": SPACE, "name": "steps"}
    rules = [{"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}]
    rbac = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": about},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": about, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": about,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "steps"},
            "subjects": [{"kind": "ServiceAccount", "name": "steps"}],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"none": "{}"}},
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": about, "spec": workflow(steps)},
    ]


def read(lab: Lab) -> dict:
    """The workflow's status."""
    return json.loads(lab.kubectl("-n", SPACE, "get", "workflow", "steps", "--output=json")).get("status") or {}


def ended(status: dict) -> bool:
    """Whether the workflow is over, however."""
    return status.get("phase") in ("Succeeded", "Failed", "Error")


def node_of(status: dict, name: str) -> dict:
    """One step as the workflow's status has it."""
    return next((node for node in (status.get("nodes") or {}).values() if node["displayName"] == name), {})


@pytest.mark.usefixtures("controller")
def test_a_workflow_waits_for_a_person_and_goes_on_on_other_pis(lab: Lab) -> None:
    steps = places(lab)
    first, *later = steps
    everything = {"apiVersion": "v1", "kind": "List", "items": objects(steps)}
    lab.kubectl("apply", "--filename=-", given=json.dumps(everything))
    wait("the pause", lambda: node_of(read(lab), "approve").get("phase") == "Running" or ended(read(lab)), 300)
    time.sleep(10)  # longer than the controller needs to begin a step
    status = read(lab)
    assert status["phase"] == "Running", status
    assert node_of(status, first)["phase"] == "Succeeded"
    assert not any(node_of(status, name) for name in later)
    # As `argo resume` does it
    path = f"/status/nodes/{node_of(status, 'approve')['id']}/phase"
    resumed = json.dumps([{"op": "replace", "path": path, "value": "Succeeded"}])
    lab.kubectl("-n", SPACE, "patch", "workflow", "steps", "--type=json", f"--patch={resumed}")
    wait("the workflow's end", lambda: ended(read(lab)), 300)
    status = read(lab)
    assert status["phase"] == "Succeeded", status
    ran = {name: (node_of(status, name)["phase"], node_of(status, name)["hostNodeName"]) for name in steps}
    assert ran == {name: ("Succeeded", node) for name, node in steps.items()}
    told = node_of(status, later[-1])["outputs"]["parameters"][0]["value"]
    assert told == "/".join(["begin", *steps.values()])
    lab.kubectl("-n", SPACE, "delete", "workflow,serviceaccount,role,rolebinding,configmap", "steps")
