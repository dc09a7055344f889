# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draining a node of a cluster that is played: what leaves when, what blocks, and an API server that is away."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Fault
from ansible_collections.bramble.kube.plugins.module_utils.nodes import eviction
from ansible_collections.bramble.kube.plugins.module_utils.nodes.drain import Owner, Pod

WEB = Owner("ReplicaSet", "web", "uid-web")


class Played:
    """A cluster in which an evicted Pod's replacement is ready after some seconds."""

    def __init__(self, pods: list[Pod], desired: dict[str, int], guarded: str = "", start: int = 3) -> None:
        self.all, self.counts, self.guarded, self.start = pods, desired, guarded, start
        self.now = 0.0
        self.coming: dict[str, float] = {}
        self.fewest_ready = len(pods)
        self.outages = 0
        self.node: dict | None = {"metadata": {}, "spec": {}}
        self.cordons: list[bool] = []
        self.listed: list[str] = []

    def patiently(self, ask, seconds: float):
        return ask()

    def found(self, path: str) -> dict | None:
        assert path == "/api/v1/nodes/k8s-node1"
        return self.node

    def set_cordon(self, node: str, cordoned: bool) -> None:
        self.cordons.append(cordoned)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for name, time in list(self.coming.items()):
            if self.now >= time:
                gone = next(pod for pod in self.all if pod.name == name)
                self.all.remove(gone)
                self.all.append(
                    dataclasses.replace(gone, name=f"{name}-new", uid=f"{name}-new", node="k8s-node2", ending=False)
                )
                del self.coming[name]
        self.fewest_ready = min(self.fewest_ready, sum(1 for pod in self.all if pod.ready and not pod.ending))

    def pods(self, node: str = "", namespace: str = "") -> list[Pod]:
        if self.outages:
            self.outages -= 1
            raise Fault("https://192.168.13.7:6443: connection refused")
        self.listed += [namespace] if namespace else []
        return [pod for pod in self.all if node in ("", pod.node)]

    def desired(self, pod: Pod) -> int | None:
        return self.counts.get(pod.owner.uid) if pod.owner else None

    def evict(self, pod: Pod, dry_run: bool = False) -> str:
        if pod.name == self.guarded:
            return "The disruption budget web needs 2 healthy pods and has 2 currently"
        self.all[self.all.index(pod)] = dataclasses.replace(pod, ending=True)
        self.coming[pod.name] = self.now + self.start
        return ""


def web(name: str, node: str = "k8s-node1", **more) -> Pod:
    return Pod("default", name, name, node, WEB, **more)


@pytest.fixture
def play(monkeypatch):
    """Let a drain run in played time."""

    def run(cluster: Played, timeout: float = 60) -> tuple[bool, eviction.Drain]:
        monkeypatch.setattr(eviction.time, "monotonic", lambda: cluster.now)
        monkeypatch.setattr(eviction.time, "sleep", cluster.sleep)
        drain = eviction.Drain(cluster, "k8s-node1")
        return drain.run(timeout), drain

    return run


def test_of_two_replicas_on_the_node_one_always_answers(play):
    cluster = Played([web("a"), web("b")], {"uid-web": 2})
    done, drain = play(cluster)
    assert done
    assert drain.evicted == ["default/a", "default/b"]
    assert cluster.fewest_ready == 1


def test_different_workloads_leave_at_the_same_time(play):
    other = Pod("default", "db", "db", "k8s-node1", Owner("StatefulSet", "db", "uid-db"))
    cluster = Played([web("a"), other], {"uid-web": 1, "uid-db": 1})
    done, _drain = play(cluster)
    assert done
    assert cluster.now <= cluster.start + 1


@pytest.mark.parametrize(("ready", "left"), [("Unknown", True), ("False", False), ("True", False)])
def test_a_pi_that_is_off_is_not_waited_for(play, ready: str, left: bool):
    """Its kubelet, which would say that the containers have stopped, has been silent for 40 seconds."""
    cluster = Played([web("a")], {"uid-web": 1}, start=10**6)
    cluster.node = {"metadata": {}, "spec": {}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}
    done, drain = play(cluster, timeout=20)
    assert done is left and drain.evicted == ["default/a"]
    assert cluster.now < 2 if left else cluster.now >= 20


def test_on_a_silent_pi_a_budget_is_still_honoured(play):
    cluster = Played([web("a"), web("b")], {"uid-web": 2}, guarded="a")
    cluster.node = {"metadata": {}, "spec": {}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    assert not play(cluster, timeout=20)[0]


def test_a_budget_is_honoured_until_the_time_is_over(play):
    cluster = Played([web("a"), web("b", node="k8s-node2")], {"uid-web": 2}, guarded="a")
    done, drain = play(cluster, timeout=20)
    assert not done
    assert drain.evicted == []
    assert drain.blockers == {"default/a": "The disruption budget web needs 2 healthy pods and has 2 currently"}


def test_a_pod_that_does_not_stop_is_named(play):
    cluster = Played([web("a")], {"uid-web": 1}, start=1000)
    done, drain = play(cluster, timeout=20)
    assert not done
    assert drain.blockers == {"default/a": "its containers have not stopped yet"}


def test_an_api_server_that_is_being_restarted_is_waited_for(play):
    cluster = Played([web("a")], {"uid-web": 1})
    cluster.outages = 5
    done, drain = play(cluster)
    assert done
    assert drain.evicted == ["default/a"]


def test_pods_made_by_hand_are_named_before_any_pod_goes():
    shell = Pod("default", "shell", "shell", "k8s-node1")
    with pytest.raises(eviction.Stop, match=r"created by hand.*default/shell"):
        eviction.made_by_hand([web("a"), shell], "k8s-node1", force=False)
    eviction.made_by_hand([shell], "k8s-node1", force=True)


def test_a_namespace_is_listed_once_in_a_turn_and_again_after_somebody_left(play):
    cluster = Played([web("a"), web("b"), web("c")], {"uid-web": 3}, guarded="a")
    cluster.evict = lambda pod, dry_run=False: "a budget"
    play(cluster, timeout=0)
    assert cluster.listed == ["default"]


def test_after_a_pod_went_its_namespace_is_listed_again_for_the_next(play):
    cluster = Played([web("a"), web("b")], {"uid-web": 2})
    _done, drain = play(cluster, timeout=0)
    assert drain.evicted == ["default/a"]
    assert cluster.listed == ["default", "default"]
    assert drain.blockers == {
        "default/a": "its containers have not stopped yet",
        "default/b": "its controller has 1 of 2 Pods ready, and waits for another",
    }


@pytest.fixture
def run(monkeypatch):
    """The module's work in played time."""

    def run(cluster: Played, check: bool = False, **options) -> dict:
        monkeypatch.setattr(eviction.time, "monotonic", lambda: cluster.now)
        monkeypatch.setattr(eviction.time, "sleep", cluster.sleep)
        return eviction.act(cluster, eviction.Options("k8s-node1", **options), check)

    return run


def test_a_drained_node_is_cordoned_and_stays_so(run):
    cluster = Played([web("a")], {"uid-web": 1})
    assert run(cluster) == {"changed": True, "evicted": ["default/a"], "blockers": {}}
    assert cluster.cordons == [True]


def test_a_second_run_changes_nothing(run):
    cluster = Played([], {})
    cluster.node = {"spec": {"unschedulable": True}}
    assert run(cluster) == {"changed": False, "evicted": [], "blockers": {}}
    assert cluster.cordons == []


@pytest.mark.parametrize(
    ("before", "cordons", "words"),
    [({}, [True, False], "It accepts new Pods"), ({"unschedulable": True}, [], "stays cordoned")],
)
def test_what_blocks_is_named_and_the_node_is_left_as_it_was(run, before, cordons, words):
    cluster = Played([web("a")], {"uid-web": 1}, guarded="a")
    cluster.node = {"spec": before}
    with pytest.raises(eviction.NotDrained, match=words) as error:
        run(cluster, timeout=5)
    assert "after 5 seconds. default/a: The disruption budget" in str(error.value)
    told = error.value.result
    assert (told["evicted"], list(told["blockers"])) == ([], ["default/a"])
    assert cluster.cordons == cordons


def test_a_dry_run_tells_who_would_go_and_who_not(run):
    cluster = Played([web("a"), web("b")], {"uid-web": 2}, guarded="b")
    cluster.evict = lambda pod, dry_run: "a budget" if pod.name == "b" and dry_run else ""
    result = run(cluster, check=True)
    assert result == {"changed": True, "evicted": ["default/a", "default/b"], "blockers": {"default/b": "a budget"}}
    assert cluster.cordons == []


def test_only_our_own_cordon_is_taken_away(run):
    cluster = Played([], {})
    cluster.node = {"metadata": {"annotations": {}}, "spec": {"unschedulable": True}}
    assert run(cluster, state=eviction.SCHEDULABLE)["changed"] is False
    cluster.node["metadata"]["annotations"][eviction.CORDONED] = "true"
    assert run(cluster, check=True, state=eviction.SCHEDULABLE)["changed"] is True
    assert cluster.cordons == []
    assert run(cluster, state=eviction.SCHEDULABLE)["changed"] is True
    assert cluster.cordons == [False]


def test_a_node_that_the_cluster_does_not_know(run):
    cluster = Played([], {})
    cluster.node = None
    with pytest.raises(eviction.Stop, match="does not know a node k8s-node1"):
        run(cluster)
