"""The verdict on whether pods find room, and the words for it."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.filter import fit as fit_filter
from ansible_collections.bramble.kube.plugins.filter import pi_cluster as pi_filter
from ansible_collections.bramble.kube.plugins.module_utils.fit.placement import report
from ansible_collections.bramble.kube.plugins.module_utils.fit.supply import pi_cluster, supplies

MI = 1024**2


def node(name: str, cpu: str = "4", memory: str = "1Gi", architecture: str = "arm64", **spec: object) -> dict:
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/arch": architecture}},
        "spec": spec,
        "status": {
            "allocatable": {"cpu": cpu, "memory": memory, "pods": "110"},
            "nodeInfo": {"operatingSystem": "linux", "architecture": architecture},
        },
    }


def pod_spec(cpu: str = "100m", memory: str = "100Mi", image: str = "a:1", **more: object) -> dict:
    return {
        "containers": [{"name": "a", "image": image, "resources": {"requests": {"cpu": cpu, "memory": memory}}}],
        **more,
    }


def deployment(name: str, replicas: int = 1, **more: object) -> dict:
    return {
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "kubeflow"},
        "spec": {"replicas": replicas, "template": {"spec": pod_spec(**more)}},
    }


def daemonset(name: str, **more: object) -> dict:
    return {**deployment(name, **more), "kind": "DaemonSet"}


def running(name: str, on: str, owner: dict | None = None, labels: dict | None = None, **more: object) -> dict:
    metadata: dict = {"name": name, "namespace": "kubeflow", "labels": labels or {}}
    if owner:
        metadata["ownerReferences"] = [owner]
    return {"kind": "Pod", "metadata": metadata, "spec": {**pod_spec(**more), "nodeName": on}}


def test_fits_and_adds_up() -> None:
    found = report({"trainer": [deployment("a", 2)], "flannel": [daemonset("d")]}, [node("n1"), node("n2")])
    assert (found["fits"], found["tight"], found["message"]) == (True, False, "Everything fits.")
    rows = {row["name"]: row for row in found["components"]}
    assert (rows["trainer"]["pods"], rows["trainer"]["cpu"], rows["trainer"]["memory"]) == (2, 200, 200 * MI)
    assert rows["flannel"]["pods"] == 2
    for row in found["nodes"]:
        assert row["memory"] == {
            "allocatable": 1024 * MI,
            "free": 1024 * MI,
            "planned": 200 * MI,
            "left": 824 * MI,
        }
    assert json.dumps(found)


def test_a_sum_that_fits_is_not_enough() -> None:
    """Three nodes with 1 GiB each have no room for one pod with 1.5 GiB."""
    found = report({"big": [deployment("a", memory="1536Mi")]}, [node(f"n{number}") for number in range(3)])
    assert not found["fits"]
    assert found["unplaced"][0]["reasons"][0] == "n0: has 1 GiB memory left of 1 GiB, needs 1.5 GiB"
    assert "No node has room for a pod of Deployment kubeflow/a (big)" in found["message"]
    assert found["message"].endswith("Leave a component out, lower its requests, add a Pi, or force it.")


def test_running_pods_take_room() -> None:
    pods = [running("p", "n1", memory="900Mi"), {**running("q", "n1", memory="900Mi"), "status": {"phase": "Failed"}}]
    found = report({"c": [deployment("a", memory="200Mi")]}, [node("n1")], pods)
    assert not found["fits"]
    assert "124 MiB memory left" in found["message"]


def test_second_run_has_the_same_answer() -> None:
    """What the same objects started before is to be replaced, not added to."""
    planned = {"c": [deployment("a", memory="800Mi"), daemonset("d", memory="100Mi")]}
    by = {"kind": "ReplicaSet", "name": "a-7d9"}
    pods = [
        running("a-7d9-x", "n1", by, {"pod-template-hash": "7d9"}, memory="800Mi"),
        running("d-x", "n1", {"kind": "DaemonSet", "name": "d"}, memory="100Mi"),
    ]
    assert report(planned, [node("n1")], pods)["fits"]
    # Another Deployment whose name begins alike is somebody else's.
    pods[0]["metadata"]["ownerReferences"][0]["name"] = "a-b-7d9"
    assert not report(planned, [node("n1")], pods)["fits"]


def test_tight_when_only_packing_helps() -> None:
    """Spread, two small pods leave no node with room for the large one."""
    planned = {"c": [deployment("small", 2, memory="300Mi"), deployment("large", memory="900Mi")]}
    found = report(planned, [node("n1"), node("n2")])
    assert (found["fits"], found["tight"]) == (True, True)
    assert "happens to pack" in found["message"]


def test_what_to_leave_out() -> None:
    planned = {"small": [deployment("a")], "big": [deployment("b", memory="2Gi")], "other": [deployment("c")]}
    found = report(planned, [node("n1")])
    assert found["leave_out"] == ["big"]
    assert "Without big the rest fits" in found["message"]
    assert [row["fits"] for row in found["components"]] == [True, False, True]


TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}


def test_taints() -> None:
    nodes = [node("master", taints=[TAINT])]
    assert "has the taint node-role" in report({"c": [deployment("a")]}, nodes)["message"]
    tolerant = deployment("a", tolerations=[{"key": TAINT["key"], "operator": "Exists"}])
    assert report({"c": [tolerant]}, nodes)["fits"]
    assert report({"c": [deployment("a", tolerations=[{"operator": "Exists"}])]}, nodes)["fits"]
    cordoned = [node("n", unschedulable=True)]
    assert not report({"c": [deployment("a")]}, cordoned)["fits"]
    assert report({"c": [daemonset("a")]}, cordoned)["components"][0]["pods"] == 1


def test_selectors_and_affinity() -> None:
    nodes = [node("n1"), node("n2", architecture="amd64")]

    def lands(**spec: object) -> list[str]:
        found = report({"c": [daemonset("a", **spec)]}, nodes)
        return [row["name"] for row in found["nodes"] if row["memory"]["planned"]]

    def affinity(*expressions: dict, key: str = "matchExpressions") -> dict:
        required = {"nodeSelectorTerms": [{key: list(expressions)}]}
        return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}

    arch = "kubernetes.io/arch"
    assert lands(nodeSelector={arch: "arm64"}) == ["n1"]
    assert lands(nodeSelector={"kubernetes.io/hostname": "n2"}) == ["n2"]
    assert lands(affinity=affinity({"key": arch, "operator": "In", "values": ["amd64"]})) == ["n2"]
    assert lands(affinity=affinity({"key": arch, "operator": "NotIn", "values": ["amd64"]})) == ["n1"]
    assert lands(affinity=affinity({"key": "gpu", "operator": "Exists"})) == []
    assert lands(affinity=affinity({"key": "gpu", "operator": "DoesNotExist"})) == ["n1", "n2"]
    by_name = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
    assert lands(affinity=affinity(by_name, key="matchFields")) == ["n1"]


def test_unknown_resource() -> None:
    spec = deployment("a")
    spec["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] = {"nvidia.com/gpu": 1}
    assert "n1: has no nvidia.com/gpu" in report({"c": [spec]}, [node("n1")])["message"]


def test_number_of_pods() -> None:
    small = node("n1")
    small["status"]["allocatable"]["pods"] = "2"
    found = report({"c": [deployment("a", 3)]}, [small])
    assert "takes no more than 2 pods" in found["message"]


AMD64_ONLY = {"image": "a:1", "status": "missing", "platforms": ["linux/amd64"]}


def test_amd64_image_in_a_mixed_cluster_is_refused_with_its_name() -> None:
    """The scheduler knows nothing of images: room on a PC does not keep the pod off the Pi."""
    nodes = [node("pi"), node("pc", architecture="amd64", memory="8Gi")]
    found = report({"old": [deployment("a")], "new": [deployment("b", image="b:1")]}, nodes, images=[AMD64_ONLY])
    assert not found["fits"]
    assert found["wrong_images"] == [
        {
            "component": "old",
            "object": "Deployment kubeflow/a",
            "image": "a:1",
            "platforms": ["linux/amd64"],
            "nodes": ["pi"],
        }
    ]
    assert "may run on pi, for which its image a:1 is not built" in found["message"]
    assert found["leave_out"] == ["old"]
    assert any("no: a:1 is not for these nodes" in line for line in found["table"])


def test_amd64_image_that_is_kept_on_the_pc_is_fine() -> None:
    nodes = [node("pi"), node("pc", architecture="amd64")]
    kept = deployment("a", nodeSelector={"kubernetes.io/arch": "amd64"})
    assert report({"c": [kept]}, nodes, images=[AMD64_ONLY])["fits"]


def test_planned_pis() -> None:
    plan = pi_cluster(4096)
    found = report({"c": [deployment("a", 2, memory="3Gi")]}, plan["nodes"], plan["pods"])
    assert found["fits"]
    assert [row["memory"]["planned"] for row in found["nodes"]] == [0, 3072 * MI, 3072 * MI]
    assert not report({"c": [deployment("a", 3, memory="3Gi")]}, plan["nodes"], plan["pods"])["fits"]
    alone = pi_cluster(8192, count=1)
    assert report({"c": [deployment("a")]}, alone["nodes"], alone["pods"])["fits"]
    (master,) = supplies(alone["nodes"], alone["pods"])
    assert master.used["cpu"] == 950


def test_filters_refuse_wrong_input() -> None:
    with pytest.raises(AnsibleFilterError, match="component a must be a list"):
        fit_filter.fit({"a": "text"}, [node("n")])
    with pytest.raises(AnsibleFilterError, match=r"node x has no status.allocatable"):
        fit_filter.fit([deployment("a")], [{"metadata": {"name": "x"}}])
    with pytest.raises(AnsibleFilterError, match="4096 for 4 GB"):
        pi_filter.pi_cluster("4 GB")
    assert fit_filter.fit([deployment("a")], [node("n")])["components"][0]["name"] == "objects"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 700), st.integers(1, 2000)), min_size=1, max_size=8),
    st.integers(1, 4),
)
def test_no_node_is_ever_overfilled(wants: list[tuple[int, int, int]], count: int) -> None:
    planned = {
        f"c{number}": [deployment(f"d{number}", replicas, memory=f"{memory}Mi", cpu=f"{cpu}m")]
        for number, (replicas, memory, cpu) in enumerate(wants)
    }
    found = report(planned, [node(f"n{number}") for number in range(count)])
    for row in found["nodes"]:
        assert row["memory"]["left"] >= 0
        assert row["cpu"]["left"] >= 0
    placed = sum(row["memory"]["planned"] for row in found["nodes"])
    unplaced = sum(pod["requests"]["memory"] for pod in found["unplaced"])
    assert placed + unplaced == sum(replicas * memory * MI for replicas, memory, _cpu in wants)
    assert found["fits"] is (not found["unplaced"])
