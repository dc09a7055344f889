# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Pods leave a node, and when their turn is."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.nodes import drain
from ansible_collections.bramble.kube.plugins.module_utils.nodes.drain import Groups, Owner, Pod

WEB = Owner("ReplicaSet", "web-1", "uid-web")


def pod(name: str, **more) -> Pod:
    return Pod("default", name, f"uid-{name}", more.pop("node", "k8s-node1"), more.pop("owner", WEB), **more)


def item(**status) -> dict:
    """A Pod as the API server has it."""
    return {
        "metadata": {
            "namespace": "default",
            "name": "web-a",
            "uid": "1",
            "labels": {"app": "web"},
            "ownerReferences": [
                {"kind": "Something", "name": "x", "uid": "9"},
                {"kind": "ReplicaSet", "name": "web-1", "uid": "2", "controller": True},
            ],
        },
        "spec": {"nodeName": "k8s-node1"},
        "status": {"phase": "Running", **status},
    }


def test_a_pod_is_read_with_its_controller():
    read = drain.read_pod(item(conditions=[{"type": "Ready", "status": "True"}]))
    assert read.owner == Owner("ReplicaSet", "web-1", "2")
    assert (str(read), read.node, read.ready, read.ending, read.hopeless) == (
        "default/web-a",
        "k8s-node1",
        True,
        False,
        False,
    )


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]},
        {"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
        {"initContainerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]},
    ],
)
def test_waiting_for_these_is_hopeless(status):
    assert drain.read_pod(item(**status)).hopeless


@pytest.mark.parametrize(
    ("more", "leaves"),
    [
        ({}, True),
        ({"owner": None}, True),
        ({"owner": Owner("DaemonSet", "flannel", "3")}, False),
        ({"static": True, "owner": None}, False),
        ({"phase": "Succeeded"}, False),
        ({"phase": "Failed"}, False),
        ({"phase": "Pending"}, True),
    ],
)
def test_who_has_to_leave(more, leaves):
    assert pod("a", **more).evictable is leaves


def test_both_replicas_on_one_node_leave_one_after_the_other():
    groups, first, second = Groups(), pod("a"), pod("b")
    assert groups.may_go(first, [first, second], 2, now=0)
    groups.went(first, 0)
    leaving = pod("a", ending=True)
    assert not groups.may_go(second, [leaving, second], 2, now=1)
    starting = pod("c", node="k8s-node2", ready=False)
    assert not groups.may_go(second, [leaving, second, starting], 2, now=60)
    started = pod("c", node="k8s-node2")
    assert not groups.may_go(second, [leaving, second, started], 2, now=61)
    assert not groups.may_go(second, [leaving, second, started], 2, now=61 + drain.SETTLING - 1)
    assert groups.may_go(second, [leaving, second, started], 2, now=61 + drain.SETTLING)


def test_a_pod_with_no_place_elsewhere_is_not_waited_for_long():
    groups, last = Groups(), pod("b")
    unplaced = pod("c", node="", ready=False, hopeless=True)
    assert not groups.may_go(last, [last, unplaced], 2, now=0)
    assert not groups.may_go(last, [last, unplaced], 2, now=drain.NO_PATIENCE - 1)
    assert groups.may_go(last, [last, unplaced], 2, now=drain.NO_PATIENCE)


def test_an_image_that_has_to_be_pulled_is_waited_for_and_not_for_ever():
    groups, last = Groups(), pod("b")
    starting = pod("c", node="k8s-node2", ready=False)
    assert not groups.may_go(last, [last, starting], 2, now=0)
    assert not groups.may_go(last, [last, starting], 2, now=drain.PATIENCE - 1)
    assert groups.may_go(last, [last, starting], 2, now=drain.PATIENCE)


def test_a_pod_that_answers_nobody_is_missed_by_nobody():
    broken, other = pod("a", ready=False), pod("b", node="k8s-node2")
    assert Groups().may_go(broken, [broken, other], 2, now=0)


def test_the_only_replica_goes_at_once():
    only = pod("a")
    assert Groups().may_go(only, [only], 1, now=0)


@pytest.mark.parametrize(
    ("selector", "labels", "fits"),
    [
        ({}, {"app": "web"}, True),
        ({"matchLabels": {"app": "web"}}, {"app": "web", "x": "y"}, True),
        ({"matchLabels": {"app": "web"}}, {"app": "db"}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]}, {"app": "db"}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, {"app": "web"}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, {}, False),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, {}, True),
    ],
)
def test_label_selectors(selector, labels, fits):
    assert drain.selects(selector, labels) is fits


def test_the_budget_in_the_way_is_named_in_the_servers_words():
    body = {
        "message": "Cannot evict pod as it would violate the pod's disruption budget.",
        "details": {
            "causes": [
                {
                    "reason": "DisruptionBudget",
                    "message": "The disruption budget web needs 2 healthy pods and has 2 currently",
                }
            ]
        },
    }
    assert drain.refusal(body) == "The disruption budget web needs 2 healthy pods and has 2 currently"
    assert drain.refusal({"message": "Too many requests."}) == "Too many requests"
