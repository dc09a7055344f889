"""The three-way merge of client-side apply, on plain data."""

from __future__ import annotations

import copy
import json
import sys
from typing import Any

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common.merge_patch import merge_patch
from ansible_collections.bramble.kube.plugins.module_utils.manifests import clientside
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ManifestError

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def document(kind: str, version: str, **rest: Any) -> dict:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "a", "namespace": "s"}, **rest}


def after(*pushes: dict, live: dict | None = None) -> dict:
    """The object after these pushes, each on what the one before it left."""
    for wanted in pushes:
        if live is None:
            live = copy.deepcopy(clientside.annotated(wanted))
        else:
            patch = clientside.patch_for(wanted, live)
            live = live if patch is None else merge_patch(live, patch)
    assert live is not None
    assert json.loads(live["metadata"]["annotations"][LAST_APPLIED]) == pushes[-1]
    return live


@pytest.mark.parametrize(
    "wanted",
    [
        document("NetworkPolicy", "networking.k8s.io/v1", spec={"podSelector": {}, "egress": [{}]}),
        document("Pod", "v1", spec={"containers": [{"name": "c", "args": ["--prefix", "", "--x"]}]}),
        document("X", "example.org/v1", n=[0, 1], b=[False], m=[None, {}, [], ""]),
        document("Pod", "v1", spec={"containers": [{"name": "c", "env": [{"name": "A", "value": ""}]}]}),
        document("ConfigMap", "v1", data={"a": "", "b": "0"}),
    ],
)
def test_values_that_look_empty_are_kept_and_a_second_push_changes_nothing(wanted):
    first = after(wanted)
    assert clientside.patch_for(wanted, first) is None
    changed = copy.deepcopy(wanted)
    changed["metadata"]["labels"] = {"a": "b"}
    found = after(wanted, changed)
    assert {key: value for key, value in found.items() if key != "metadata"} == {
        key: value for key, value in wanted.items() if key != "metadata"
    }


def test_what_left_the_manifest_goes_and_what_others_added_stays():
    one = document("ConfigMap", "v1", data={"a": "1", "b": "2"})
    live = after(one)
    live["data"]["other"] = "x"
    assert after(document("ConfigMap", "v1", data={"a": "2"}), live=live)["data"] == {"a": "2", "other": "x"}


def test_null_is_a_value_in_the_live_object_and_takes_a_field_out_of_it():
    live = after(document("X", "example.org/v1", spec={"a": 1, "b": 2}))
    live["spec"]["others"] = None
    wanted = document("X", "example.org/v1", spec={"a": 3, "b": None})
    assert after(wanted, live=live)["spec"] == {"a": 3, "others": None}


def pod(*containers: dict, **spec: Any) -> dict:
    return document("Pod", "v1", spec={"containers": list(containers), **spec})


def test_items_are_merged_by_their_keys():
    live = after(
        pod({"name": "a", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}, {"name": "gone"})
    )
    live["spec"]["containers"][0]["image"] = "default"
    live["spec"]["containers"].append({"name": "sidecar"})
    found = after(pod({"name": "new"}, {"name": "a", "env": [{"name": "B", "value": "3"}]}), live=live)
    assert found["spec"]["containers"] == [
        {"name": "new"},
        {"name": "a", "env": [{"name": "B", "value": "3"}], "image": "default"},
        {"name": "sidecar"},
    ]


def test_one_number_for_two_protocols_is_two_ports():
    both = pod({"name": "a", "ports": [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}]})
    live = after(both)
    live["spec"]["containers"][0]["ports"][0]["protocol"] = "TCP"
    assert clientside.patch_for(both, live) is None
    moved = pod({"name": "a", "ports": [{"containerPort": 53}, {"containerPort": 54, "protocol": "UDP"}]})
    assert after(moved, live=live)["spec"]["containers"][0]["ports"] == [
        {"containerPort": 53, "protocol": "TCP"},
        {"containerPort": 54, "protocol": "UDP"},
    ]


def test_of_a_union_the_old_branch_goes():
    live = after(document("Deployment", "apps/v1", spec={"replicas": 1}))
    live["spec"]["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}}
    recreate = document("Deployment", "apps/v1", spec={"replicas": 1, "strategy": {"type": "Recreate"}})
    assert after(recreate, live=live)["spec"]["strategy"] == {"type": "Recreate"}
    live = after(pod(volumes=[{"name": "v"}]))
    live["spec"]["volumes"][0]["emptyDir"] = {}
    wanted = pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}])
    assert after(wanted, live=live)["spec"]["volumes"] == [{"name": "v", "hostPath": {"path": "/"}}]


def test_lists_of_custom_resources_are_replaced_whole():
    live = after(document("X", "example.org/v1", spec={"containers": [{"name": "a"}]}))
    live["spec"]["containers"].append({"name": "b"})
    wanted = document("X", "example.org/v1", spec={"containers": [{"name": "c"}]})
    assert after(wanted, live=live)["spec"]["containers"] == [{"name": "c"}]


def test_fields_that_did_not_arrive_are_named():
    wanted = {"spec": {"a": 1, "b": [{"c": 1, "d": 0}], "e": {}}, "extra": "x"}
    assert clientside.lost(wanted, {"spec": {"a": 1, "b": [{}]}}) == ["spec.b[0].c", "extra"]


def test_a_missing_library_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "openshift.dynamic.apply", None)
    wanted = document("ConfigMap", "v1", data={"a": "1"})
    with pytest.raises(ManifestError, match=r"needs the Python library openshift: pip install openshift\.$"):
        clientside.patch_for(wanted, clientside.annotated(wanted))
