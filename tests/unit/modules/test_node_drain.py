# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Draining a node of a cluster that is played: what leaves when, what blocks, and an API server that is away."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Fault
from ansible_collections.bramble.kube.plugins.module_utils.nodes.drain import Owner, Pod
from ansible_collections.bramble.kube.plugins.modules import node_drain

WEB = Owner("ReplicaSet", "web", "uid-web")


class Played:
    """A cluster in which an evicted Pod's replacement is ready after some seconds."""

    def __init__(self, pods: list[Pod], desired: dict[str, int], guarded: str = "", start: int = 3) -> None:
        self.all, self.counts, self.guarded, self.start = pods, desired, guarded, start
        self.now = 0.0
        self.coming: dict[str, float] = {}
        self.fewest_ready = len(pods)
        self.outages = 0

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

    def run(cluster: Played, timeout: float = 60) -> tuple[bool, node_drain.Drain]:
        monkeypatch.setattr(node_drain.time, "monotonic", lambda: cluster.now)
        monkeypatch.setattr(node_drain.time, "sleep", cluster.sleep)
        drain = node_drain.Drain(cluster, "k8s-node1")
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
    with pytest.raises(node_drain.Stop, match=r"made by hand.*default/shell"):
        node_drain.made_by_hand([web("a"), shell], "k8s-node1", force=False)
    node_drain.made_by_hand([shell], "k8s-node1", force=True)
