# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which step from one release to another is legal, what is due, and what would be in the way."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.versions import parse_version
from ansible_collections.bramble.kube.plugins.module_utils.nodes import upgrade_plan as upgrade
from ansible_collections.bramble.kube.plugins.module_utils.nodes.drain import CORDONED, Owner, Pod

AVAILABLE = ["1.36.0", "1.36.10", "1.36.9", "1.36.11-rc.1"]


@pytest.mark.parametrize(
    ("current", "wanted"),
    [("1.35.4", "1.35.4"), ("1.35.4", "1.35.9"), ("1.35.4", "1.36.0"), ("1.36.3", "1.37.2")],
)
def test_legal_steps(current, wanted):
    assert upgrade.illegal_step(parse_version(current), parse_version(wanted)) == ""


def test_a_skip_is_refused_with_the_newest_release_of_the_next_minor_version():
    told = upgrade.illegal_step(parse_version("1.35.4"), parse_version("1.37.2"), AVAILABLE)
    assert "set kubeadm_version to 1.36.10 first" in told
    assert "From Kubernetes 1.35.4 there is no step to 1.37.2" in told


def test_a_skip_is_refused_even_if_the_repository_says_nothing():
    told = upgrade.illegal_step(parse_version("1.35.4"), parse_version("1.38.0"))
    assert "set kubeadm_version to 1.36.x first" in told


@pytest.mark.parametrize("wanted", ["1.36.2", "1.35.9"])
def test_there_is_no_way_back(wanted):
    told = upgrade.illegal_step(parse_version("1.36.3"), parse_version(wanted))
    assert f"no way back to {wanted}: set kubeadm_version to 1.36.3" in told


NEW = {"etcd": "3.7.0-0", "kube-apiserver": "1.37.2", "kube-controller-manager": "1.37.2", "kube-scheduler": "1.37.2"}


@pytest.mark.parametrize(
    ("found", "left"),
    [
        (upgrade.ControlPlane("1.37.2", NEW, "1.37.2"), ""),
        (upgrade.ControlPlane("1.37.2", NEW, ""), ""),
        (upgrade.ControlPlane("1.36.3", NEW, "1.36.3"), "the cluster has 1.36.3"),
        (upgrade.ControlPlane("1.37.2", NEW, "1.36.3"), "kube-proxy has 1.36.3"),
        (upgrade.ControlPlane("1.37.2", {**NEW, "kube-scheduler": "1.36.3"}, ""), "kube-scheduler has 1.36.3"),
        (upgrade.ControlPlane("1.37.2", {**NEW, "kube-scheduler": ""}, ""), "kube-scheduler has no manifest"),
        (upgrade.ControlPlane("1.37.2", NEW, "1.37.2", "1.37.2"), "an upgrade to 1.37.2 was interrupted"),
    ],
)
def test_what_is_left_of_the_control_planes_upgrade(found, left):
    assert upgrade.control_plane_left(found, "1.37.2") == left


def packages(kubeadm: str, kubelet: str | None = None) -> dict:
    kubelet = kubelet or kubeadm
    found = {"kubeadm": kubeadm, "kubelet": kubelet, "kubectl": kubelet}
    return {name: {"version": f"{version}-1.1", "held": True} for name, version in found.items()}


def node(kubelet: str, ready: str = "True", **annotations: str) -> dict:
    return {
        "metadata": {"name": "k8s-node1", "annotations": annotations},
        "status": {
            "nodeInfo": {"kubeletVersion": f"v{kubelet}"},
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


@pytest.mark.parametrize(
    ("installed", "item", "due", "begun"),
    [
        (packages("1.37.2"), node("1.37.2"), "", False),
        (packages("1.36.3"), node("1.36.3"), "kubeadm 1.36.3", False),
        (packages("1.37.2", "1.36.3"), node("1.36.3"), "kubelet 1.36.3", True),
        (packages("1.37.2"), node("1.36.3"), "its kubelet still runs 1.36.3", True),
        (packages("1.37.2"), node("1.37.2", **{CORDONED: "true"}), "an earlier upgrade left it drained", True),
        ({}, node("1.36.3"), "kubeadm is missing", True),
    ],
)
def test_what_is_due_on_a_pi_after_a_cut_at_any_step(installed, item, due, begun):
    pi = upgrade.read_pi("k8s-node1", {"node": "k8s-node1", "packages": installed}, item)
    assert upgrade.release_due(pi, "1.37.2") == due
    assert pi.begun is begun


def test_a_step_that_would_leave_a_pi_two_releases_behind_is_refused():
    pi = upgrade.read_pi("k8s-node2", {"node": "k8s-node2", "packages": packages("1.35.4")}, node("1.35.4"))
    told = upgrade.left_behind([pi], parse_version("1.36.3"), parse_version("1.37.2"))
    assert len(told) == 1
    assert "k8s-node2 still has Kubernetes 1.35.4: set kubeadm_version to 1.36.3" in told[0]
    assert upgrade.left_behind([pi], parse_version("1.36.3"), parse_version("1.36.3")) == []


def budget(allowed: int, expected: int, desired: int) -> dict:
    return {
        "metadata": {"namespace": "default", "name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}},
        "status": {"disruptionsAllowed": allowed, "expectedPods": expected, "desiredHealthy": desired},
    }


@pytest.mark.parametrize(
    ("item", "closed"),
    [
        (budget(allowed=1, expected=2, desired=1), False),
        (budget(allowed=0, expected=2, desired=2), True),
        # A Pod of it is not ready now; that may change by itself.
        (budget(allowed=0, expected=2, desired=1), False),
        (budget(allowed=0, expected=0, desired=0), False),
    ],
)
def test_budgets_that_never_let_a_pod_go(item, closed):
    assert bool(upgrade.closed_budgets([item])) is closed


WEB = Pod("default", "web-a", "1", "k8s-node1", Owner("ReplicaSet", "web", "2"), {"app": "web"})
BY_HAND = Pod("default", "shell", "3", "k8s-node1")


def test_blockers_are_named_before_anything_is_changed():
    closed = upgrade.closed_budgets([budget(0, 1, 1)])
    told = upgrade.foreseen_blockers([WEB, BY_HAND], ["k8s-node1"], closed, force=False)
    assert len(told) == 2
    assert "PodDisruptionBudget default/web never lets Pod default/web-a leave k8s-node1" in told[0]
    assert "Pod default/shell on k8s-node1 was created by hand" in told[1]


@pytest.mark.parametrize(("nodes", "force"), [(["k8s-node2"], False), (["k8s-node1"], True)])
def test_pods_that_are_elsewhere_or_may_be_lost_block_nothing(nodes, force):
    assert upgrade.foreseen_blockers([BY_HAND], nodes, [], force) == []


def test_what_is_due_in_words():
    news = upgrade.news(["libc6 2.41-1 -> 2.41-2", "tzdata 1 -> 2"], ["containerd.io 2.0 -> 2.1"], True)
    assert news == [
        "2 packages of the OS (libc6 2.41-1 -> 2.41-2, tzdata 1 -> 2)",
        "the container engine (containerd.io 2.0 -> 2.1)",
        "a reboot",
    ]
    assert upgrade.news([], [], False) == []
    assert upgrade.lines("1.37.2", "", {}) == [
        "Nothing is due: every Pi has Kubernetes 1.37.2 and the newest packages."
    ]
    assert upgrade.lines("1.37.2", "the cluster has 1.36.3", {"k8s-node1": ["kubelet 1.36.3", "a reboot"]})[1:] == [
        "control plane: the cluster has 1.36.3",
        "k8s-node1: kubelet 1.36.3; a reboot",
    ]
