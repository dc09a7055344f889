# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the loop fits: its programs, and what they will start."""

from __future__ import annotations

import pods
import pytest

from ansible_collections.bramble.kube.plugins.filter.loop_demand import loop_demand
from ansible_collections.bramble.kube.plugins.filter.loop_fit import loop_fit
from ansible_collections.bramble.kube.plugins.module_utils.loop import demand

PROGRAMS = [
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "desk", "namespace": "loop"},
        "spec": {
            "replicas": 1,
            "template": {
                "spec": {"containers": [{"name": "desk", "image": "x", "resources": {"requests": {"memory": "208Mi"}}}]}
            },
        },
    },
    None,  # an empty document
]


def node(name: str, memory: str) -> dict:
    room = {"cpu": "4", "memory": memory, "pods": "110"}
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/arch": "arm64", "kubernetes.io/os": "linux"}},
        "status": {"allocatable": room, "nodeInfo": {"architecture": "arm64", "operatingSystem": "linux"}},
    }


def server(namespace: str = "loop", node_name: str = "one") -> dict:
    container = {"name": "program", "resources": {"requests": {"memory": "256Mi"}}}
    labels = {demand.STEP_LABEL: "serve"}
    return {
        "metadata": {"name": "serve-digits-7-x", "namespace": namespace, "labels": labels},
        "spec": {"nodeName": node_name, "containers": [container]},
        "status": {"phase": "Running"},
    }


def test_the_numbers_are_those_of_the_programs() -> None:
    [container] = pods.pod_spec(["serve.py"], {}, {})["containers"]
    assert container["resources"]["requests"] == demand.REQUESTS


@pytest.mark.parametrize(("models", "memory", "fits"), [(1, "976Mi", True), (1, "975Mi", False), (2, "976Mi", False)])
def test_programs_two_servers_a_model_and_a_training_must_fit(models: int, memory: str, fits: bool) -> None:
    named = [{"name": f"model-{number}"} for number in range(models)]
    told = loop_fit(PROGRAMS, named, "x", [node("one", memory)], [])
    assert told["fits"] is fits, told["message"]
    assert fits or "memory" in told["message"]


def test_its_own_servers_are_not_counted_twice_and_those_of_others_are() -> None:
    room = [node("one", "976Mi")]
    assert loop_fit(PROGRAMS, [{"name": "digits"}], "x", room, [server()])["fits"]
    assert not loop_fit(PROGRAMS, [{"name": "digits"}], "x", room, [server("other")])["fits"]
    assert demand.demand([], "x") == []


def test_for_another_fit_check_it_is_deployments_of_its_namespace() -> None:
    service = {"kind": "Service", "metadata": {"name": "desk"}}
    found = loop_demand([*PROGRAMS, service], [{"name": "digits"}], "x")
    assert [(one["metadata"]["namespace"], one["spec"]["replicas"]) for one in found] == [
        ("loop", n) for n in (1, 2, 1)
    ]
    assert {one["kind"] for one in found} == {"Deployment"}
