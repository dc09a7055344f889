"""Labels and taints: what comes, what goes, what is somebody else's."""

from __future__ import annotations

import json

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.nodes.labels_taints import ANNOTATION, change, problems


def node(labels=None, taints=None, remembered=None) -> dict:
    """A Node with these labels and taints, and what was wanted last time."""
    annotations = {ANNOTATION: json.dumps(remembered)} if remembered else {}
    return {
        "metadata": {"labels": labels or {}, "annotations": annotations, "resourceVersion": "7"},
        "spec": {"taints": taints} if taints else {},
    }


CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
SLOW = {"key": "example.org/slow", "effect": "PreferNoSchedule"}


def test_what_is_as_wanted_is_left_alone() -> None:
    remembered = {"labels": ["disk"], "taints": ["example.org/slow:PreferNoSchedule"]}
    assert change(node({"disk": "nvme"}, [SLOW], remembered), {"disk": "nvme"}, [SLOW]) == ({}, [])
    assert change(node(), {}, []) == ({}, [])


def test_labels_come_change_and_go() -> None:
    remembered = {"labels": ["disk", "old"], "taints": []}
    patch, told = change(node({"disk": "sd", "old": "x", "own": "y"}, None, remembered), {"disk": "nvme"}, [])
    assert patch["metadata"]["labels"] == {"disk": "nvme", "old": None}
    assert json.loads(patch["metadata"]["annotations"][ANNOTATION])["labels"] == ["disk"]
    assert told == ["label disk=nvme", "no label old"]


def test_taints_of_others_stay() -> None:
    remembered = {"labels": [], "taints": ["example.org/gone:NoExecute"]}
    there = [CORDON, {"key": "example.org/gone", "effect": "NoExecute"}]
    patch, told = change(node(taints=there, remembered=remembered), {}, [SLOW])
    assert patch["spec"]["taints"] == [CORDON, SLOW]
    assert patch["metadata"]["resourceVersion"] == "7"
    assert told == ["no taint example.org/gone:NoExecute", "taint example.org/slow=:PreferNoSchedule"]


def test_a_taints_value_changes() -> None:
    remembered = {"labels": [], "taints": ["example.org/slow:PreferNoSchedule"]}
    patch, _told = change(node(taints=[SLOW], remembered=remembered), {}, [{**SLOW, "value": "very"}])
    assert patch["spec"]["taints"] == [{**SLOW, "value": "very"}]


def test_when_nothing_is_wanted_any_more_nothing_is_remembered() -> None:
    patch, _told = change(node({"disk": "sd"}, None, {"labels": ["disk"], "taints": []}), {}, [])
    assert patch["metadata"]["annotations"] == {ANNOTATION: None}


def test_a_damaged_memory_is_no_failure() -> None:
    broken = {"metadata": {"annotations": {ANNOTATION: "{"}}, "spec": {}}
    assert change(broken, {"a": "b"}, [])[0]["metadata"]["labels"] == {"a": "b"}


@pytest.mark.parametrize(
    ("labels", "taints", "word"),
    [
        ({"a b": "x"}, [], "wrong name"),
        ({"a": True}, [], "in quotes"),
        ({"a": "x y"}, [], "in quotes"),
        ({"kubernetes.io/hostname": "x"}, [], "kubelet's own"),
        ({}, [{"key": "a", "effect": "Never"}], "NoSchedule"),
        ({}, [{"key": "", "effect": "NoSchedule"}], "wrong name"),
        ({}, [CORDON], "Kubernetes' own"),
        ({}, [SLOW, SLOW], "twice"),
        ({}, [{**SLOW, "value": "x y"}], "has the value"),
    ],
)
def test_what_is_wrong_is_said(labels, taints, word: str) -> None:
    (problem,) = problems(labels, taints)
    assert word in problem


def test_what_is_right_passes() -> None:
    assert problems({"disk": "nvme", "example.org/Rack_1": ""}, [SLOW, {**SLOW, "effect": "NoExecute"}]) == []
