"""The comparison on objects as a server returns them (kubernetes 1.37), each rule with its counterpart."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.module_utils.manifests import quantity
from ansible_collections.bramble.kube.plugins.module_utils.manifests.compare import (
    DIFFERENT,
    EQUAL,
    UNSURE,
    client_side_managers,
    compare,
)

DESIRED = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "d", "namespace": "n", "labels": {"app": "d"}, "finalizers": ["example.org/a"]},
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "d"}},
        "template": {
            "metadata": {"labels": {"app": "d"}},
            "spec": {
                "containers": [
                    {
                        "name": "c",
                        "image": "i:1",
                        "args": ["a", "b"],
                        "ports": [{"containerPort": 80}],
                        "env": [
                            {"name": "E", "value": ""},
                            {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                        ],
                        "resources": {"requests": {"cpu": "0.5"}},
                    }
                ]
            },
        },
    },
}
FIELDS = {
    "f:metadata": {"f:labels": {"f:app": {}}, "f:finalizers": {'v:"example.org/a"': {}}},
    "f:spec": {
        "f:replicas": {},
        "f:selector": {},
        "f:template": {
            "f:metadata": {"f:labels": {"f:app": {}}},
            "f:spec": {
                "f:containers": {
                    'k:{"name":"c"}': {
                        ".": {},
                        "f:name": {},
                        "f:image": {},
                        "f:args": {},
                        "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
                        "f:env": {
                            'k:{"name":"E"}': {".": {}, "f:name": {}, "f:value": {}},
                            'k:{"name":"N"}': {".": {}, "f:name": {}, "f:valueFrom": {"f:fieldRef": {}}},
                        },
                        "f:resources": {"f:requests": {"f:cpu": {}}},
                    }
                }
            },
        },
    },
}


def live() -> dict:
    document = copy.deepcopy(DESIRED)
    document["metadata"].update(uid="u", resourceVersion="7", generation=1)
    container = document["spec"]["template"]["spec"]["containers"][0]
    container.update(imagePullPolicy="IfNotPresent", terminationMessagePath="/dev/termination-log")
    container["ports"][0]["protocol"] = "TCP"
    container["env"] = [
        {"name": "E"},
        {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName", "apiVersion": "v1"}}},
    ]
    container["resources"]["requests"]["cpu"] = "500m"
    document["spec"]["strategy"] = {"type": "RollingUpdate"}
    document["status"] = {"observedGeneration": 1}
    document["metadata"]["managedFields"] = [
        {
            "manager": "bramble.kube",
            "operation": "Apply",
            "apiVersion": "apps/v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": copy.deepcopy(FIELDS),
        },
        {
            "manager": "kube-controller-manager",
            "operation": "Update",
            "apiVersion": "apps/v1",
            "subresource": "status",
            "fieldsV1": {"f:status": {"f:observedGeneration": {}}},
        },
    ]
    return document


def container_of(document: dict) -> dict:
    return document["spec"]["template"]["spec"]["containers"][0]


def test_defaults_quantities_empty_values_and_list_keys_are_no_difference():
    assert compare(DESIRED, live()) == EQUAL


CHANGES = {
    "another value": lambda wanted, _found: wanted["spec"].update(replicas=1),
    "another type of the same look": lambda wanted, _found: wanted["spec"].update(replicas=False),
    "a new field": lambda wanted, _found: wanted["spec"].update(paused=True),
    "a field gone": lambda wanted, _found: wanted["spec"].pop("replicas"),
    "a label gone": lambda wanted, _found: wanted["metadata"].pop("labels"),
    "an item more": lambda wanted, _found: container_of(wanted)["env"].append({"name": "X"}),
    "an item gone": lambda wanted, _found: container_of(wanted)["env"].pop(),
    "a key changed": lambda wanted, _found: container_of(wanted)["ports"][0].update(containerPort=81),
    "another protocol": lambda wanted, _found: container_of(wanted)["ports"][0].update(protocol="UDP"),
    "an atomic list longer": lambda wanted, _found: container_of(wanted)["args"].append("c"),
    "an atomic list in another order": lambda wanted, _found: container_of(wanted)["args"].reverse(),
    "another quantity": lambda wanted, _found: container_of(wanted)["resources"]["requests"].update(cpu="0.6"),
    "a value in a set more": lambda wanted, _found: wanted["metadata"]["finalizers"].append("example.org/b"),
    "a value in a set changed": lambda wanted, _found: wanted["metadata"].update(finalizers=["example.org/b"]),
    "a selector inside an atomic struct": lambda wanted, _found: wanted["spec"]["selector"]["matchLabels"].update(
        x="y"
    ),
    "changed by hand": lambda _wanted, found: found["spec"].update(replicas=3),
    "taken by hand": lambda _wanted, found: found["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"].pop(
        "f:replicas"
    ),
    "removed by hand": lambda _wanted, found: found["metadata"].pop("labels"),
    "item removed by hand": lambda _wanted, found: container_of(found)["env"].pop(),
    "of another version": lambda _wanted, found: found["metadata"]["managedFields"][0].update(
        apiVersion="apps/v1beta1"
    ),
    "never applied by us": lambda _wanted, found: found["metadata"]["managedFields"][0].update(manager="kubectl"),
    "without managed fields": lambda _wanted, found: found["metadata"].pop("managedFields"),
}


@pytest.mark.parametrize("name", list(CHANGES))
def test_every_real_difference_is_found(name):
    wanted, found = copy.deepcopy(DESIRED), live()
    CHANGES[name](wanted, found)
    assert compare(wanted, found) == DIFFERENT


DOUBTS = {
    "an empty map": lambda wanted, _found: wanted["spec"].update(strategy={}),
    "null": lambda wanted, _found: wanted["spec"].update(paused=None),
    "an unknown default in an atomic value": lambda _wanted, found: container_of(found)["env"][1]["valueFrom"][
        "fieldRef"
    ].update(new=1),
    "an empty value in an atomic one that may not have been sent": lambda wanted, _found: container_of(wanted)["env"][
        1
    ]["valueFrom"]["fieldRef"].update(new={}),
    "a map that was empty when it was applied": lambda wanted, found: (
        [container_of(side).update(securityContext={"privileged": False}) for side in (wanted, found)]
        and found["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"][
            'k:{"name":"c"}'
        ].update({"f:securityContext": {}})
    ),
    "items in another order": lambda _wanted, found: container_of(found)["env"].reverse(),
    "one item twice": lambda wanted, found: (
        [container_of(side)["env"].append(container_of(side)["env"][0]) for side in (wanted, found)]
        and found["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"][
            'k:{"name":"c"}'
        ]["f:env"].update({'k:{"name":"X"}': {}})
    ),
}


@pytest.mark.parametrize("name", list(DOUBTS))
def test_what_only_the_server_can_know_is_unsure(name):
    wanted, found = copy.deepcopy(DESIRED), live()
    DOUBTS[name](wanted, found)
    assert compare(wanted, found) == UNSURE


def test_text_is_never_taken_for_a_quantity_in_custom_resources():
    wanted = {
        "apiVersion": "example.org/v1",
        "kind": "X",
        "metadata": {"name": "x"},
        "spec": {"requests": {"cpu": "0.5"}},
    }
    found = copy.deepcopy(wanted)
    found["spec"]["requests"]["cpu"] = "500m"
    fields = {"f:spec": {"f:requests": {"f:cpu": {}}}}
    found["metadata"]["managedFields"] = [
        {"manager": "bramble.kube", "operation": "Apply", "apiVersion": "example.org/v1", "fieldsV1": fields}
    ]
    assert compare(wanted, found) == UNSURE


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (True, 1),
        (0, False),
        (["a", 1], ["a", True]),
        ({"a": "b", "c": [0]}, {"a": "b", "c": [False]}),
        ([{"a": {"b": True}}], [{"a": {"b": 1.0}}]),
    ],
)
def test_a_number_and_a_truth_value_are_two_values_however_deep_inside(one, other):
    wanted = {"apiVersion": "example.org/v1", "kind": "X", "metadata": {"name": "x"}, "data": {"required": one}}
    entry = {"manager": "bramble.kube", "operation": "Apply", "apiVersion": "example.org/v1"}
    entry["fieldsV1"] = {"f:data": {"f:required": {}}}
    found = {**wanted, "metadata": {"name": "x", "managedFields": [entry]}}
    assert compare(wanted, found) == EQUAL
    assert compare(wanted, {**found, "data": {"required": other}}) == DIFFERENT


def test_an_object_without_fields_needs_no_entry():
    wanted = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}
    assert (
        compare(wanted, {**wanted, "metadata": {"name": "x", "labels": {"kubernetes.io/metadata.name": "x"}}}) == EQUAL
    )


def test_client_side_apply_is_seen_by_its_annotation():
    found = live()
    assert client_side_managers(found) == []
    key = "kubectl.kubernetes.io/last-applied-configuration"
    found["metadata"]["annotations"] = {key: "{}"}
    found["metadata"]["managedFields"].append(
        {"manager": "someone", "operation": "Update", "fieldsV1": {"f:metadata": {"f:annotations": {"f:" + key: {}}}}}
    )
    assert client_side_managers(found) == ["someone"]
    assert compare(DESIRED, found) == DIFFERENT


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("500m", "0.5"),
        ("1", 1),
        ("1024Mi", "1Gi"),
        ("1e3", "1k"),
        ("0.5Gi", "512Mi"),
        ("100n", "0.1u"),
        ("2E", "2e18"),
        ("1e30", "1000000000000E"),
    ],
)
def test_equal_quantities(one, other):
    assert quantity.parse(one) == quantity.parse(other) is not None


@pytest.mark.parametrize("text", ["", "abc", "1.2.3", "1 Gi", "1KI", "true", None, True, [], "1e31", "1e99999"])
def test_no_quantities(text):
    assert quantity.parse(text) is None


@given(st.integers(0, 10**6), st.sampled_from(["", "m", "k", "Ki", "Mi", "Gi"]))
def test_a_quantity_equals_its_thousandths(number, suffix):
    thousandths = {"": "m", "k": "", "m": "u"}
    if suffix in thousandths:
        assert quantity.parse(f"{number}{suffix}") == quantity.parse(f"{number * 1000}{thousandths[suffix]}")
    else:
        smaller = {"Ki": "", "Mi": "Ki", "Gi": "Mi"}[suffix]
        assert quantity.parse(f"{number}{suffix}") == quantity.parse(f"{number * 1024}{smaller}")
