"""Why nodes and Pods are not ready, from what the API server and the journal say."""

from __future__ import annotations

import json

from ansible_collections.bramble.kube.plugins.module_utils.nodes.readiness import (
    node_states,
    pod_troubles,
)


def node(name, ready, message="", **pressures):
    conditions = [{"type": "Ready", "status": ready, "message": message}]
    conditions += [{"type": kind, "status": status, "message": "low"} for kind, status in pressures.items()]
    return {"kind": "Node", "metadata": {"name": name}, "status": {"conditions": conditions}}


def pod(name, namespace="kube-system", **status):
    return {"kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "status": status}


def listed(*items):
    return json.dumps({"items": list(items)})


def test_states():
    text = listed(node("a", "True", DiskPressure="False"), node("b", "False", "cni plugin not initialized"))
    states = {state.name: state for state in node_states(text, ["a", "b", "c"])}
    assert states["a"].ready
    assert not states["a"].problems
    assert states["b"].problems == ("Ready is False: cni plugin not initialized",)
    assert states["b"].data["conditions"]["Ready"]["message"] == "cni plugin not initialized"
    assert not states["c"].known
    assert not states["c"].ready


def test_a_ready_node_under_pressure_is_ready_and_told():
    (state,) = node_states(listed(node("a", "True", DiskPressure="True")), ["a"])
    assert state.ready
    assert state.problems == ("DiskPressure is True: low",)


def test_a_node_without_conditions_is_not_ready():
    (state,) = node_states(listed({"kind": "Node", "metadata": {"name": "a"}}), ["a"])
    assert not state.ready
    assert state.problems


def test_pods_and_their_reasons():
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
    text = listed(
        node("coredns", "True"),
        pod("fine", phase="Running", conditions=[{"type": "Ready", "status": "True"}]),
        pod("done", phase="Succeeded"),
        pod("image", phase="Pending", containerStatuses=[waiting]),
        pod("placed", phase="Pending", conditions=[{"type": "PodScheduled", "status": "False", "message": "no room"}]),
        pod("mine", namespace="default", phase="Pending"),
    )
    assert pod_troubles(text, ["kube-system"]) == {
        "kube-system/image": "ImagePullBackOff: no such image",
        "kube-system/placed": "it cannot be scheduled: no room",
    }


def test_a_node_that_reports_the_old_release_or_boot_is_not_ready_yet():
    item = {
        "kind": "Node",
        "metadata": {"name": "k8s-node1"},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"kubeletVersion": "v1.36.3", "bootID": "new"},
        },
    }
    text = json.dumps({"items": [item]})
    (state,) = node_states(text, ["k8s-node1"], {"kubeletVersion": "v1.37.2", "bootID": "new"})
    assert not state.ready
    assert state.problems == ("it still reports kubeletVersion v1.36.3, not v1.37.2",)
    (state,) = node_states(text, ["k8s-node1"], {"kubeletVersion": "v1.36.3", "bootID": "new"})
    assert state.ready


def test_pods_of_other_nodes_can_be_left_out():
    pods = [
        {"kind": "Pod", "metadata": {"namespace": "kube-system", "name": f"on-{name}"}, "spec": {"nodeName": name}}
        for name in ("k8s-node1", "k8s-node2")
    ]
    text = json.dumps({"items": pods})
    assert set(pod_troubles(text, ["kube-system"])) == {"kube-system/on-k8s-node1", "kube-system/on-k8s-node2"}
    assert set(pod_troubles(text, ["kube-system"], ["k8s-node1"])) == {"kube-system/on-k8s-node1"}
