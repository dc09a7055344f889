"""Apply sets beside kubectl's own, and pruning."""

from __future__ import annotations

import json

import yaml
from test_objects_pushed import CRD, config


def test_id_is_the_one_that_kubectl_computes(push, api, live, space):
    api.kubectl(
        "apply",
        "-n",
        space,
        "--applyset=configmaps/kubectls",
        "--prune",
        "-f",
        "-",
        text=json.dumps(config("a", space)),
    )
    from ansible_collections.bramble.kube.plugins.module_utils.manifests.applyset import identity

    label = live("configmap", "kubectls", space)["metadata"]["labels"]["applyset.kubernetes.io/id"]
    assert label == identity("kubectls", space)


def test_what_left_the_manifests_is_pruned_and_nothing_else(push, api, live, space):
    api.kubectl("create", "namespace", space + "-2")
    stranger = config("stranger", space)
    push([stranger])
    everything = [config("a", space, x="1"), config("b", space), config("c", space + "-2"), CRD]
    everything.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": space}, "data": {}})
    first = push(everything, namespace=space, apply_set="set", prune=True)
    assert first["counts"]["created"] + first["counts"]["updated"] == 5, first
    parent = live("configmap", "set", space)["metadata"]
    assert parent["annotations"]["applyset.kubernetes.io/contains-group-kinds"] == (
        "ConfigMap,CustomResourceDefinition.apiextensions.k8s.io,Secret"
    )
    assert parent["annotations"]["applyset.kubernetes.io/additional-namespaces"] == space + "-2"
    unchanged = push(everything, namespace=space, apply_set="set", prune=True)
    assert not unchanged["changed"], unchanged
    kept = [config("a", space, x="1"), CRD]
    would = push(kept, namespace=space, apply_set="set", prune=True, check=True, diff=True)
    gone = {(entry["kind"], entry["name"]) for entry in would["objects"] if entry["action"] == "pruned"}
    assert gone == {("ConfigMap", "b"), ("ConfigMap", "c"), ("Secret", "s")}
    assert live("configmap", "b", space)
    result = push(kept, namespace=space, apply_set="set", prune=True)
    assert result["counts"]["pruned"] == 3, result
    left = api.kubectl("get", "configmap,secret", "-n", space, "-o", "name").split()
    assert "configmap/a" in left and "configmap/stranger" in left
    assert "configmap/b" not in left and "secret/s" not in left
    assert (
        "c"
        not in api.kubectl("get", "configmap", "-n", space + "-2", "-o", "jsonpath={.items[*].metadata.name}").split()
    )
    annotations = live("configmap", "set", space)["metadata"]["annotations"]
    assert (
        annotations["applyset.kubernetes.io/contains-group-kinds"]
        == "ConfigMap,CustomResourceDefinition.apiextensions.k8s.io"
    )
    assert annotations["applyset.kubernetes.io/additional-namespaces"] == ""


def test_a_set_in_a_namespace_that_it_brings_itself(push, api):
    name = "brought"
    objects = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, config("a", name)]
    result = push(objects, namespace=name, apply_set="set", prune=True)
    assert not result["failed"], result["msg"]
    assert result["counts"]["created"] == 2
    assert not push(objects, namespace=name, apply_set="set", prune=True)["changed"]


def test_nothing_is_pruned_when_something_failed(push, api, live, space):
    push([config("a", space), config("b", space)], namespace=space, apply_set="set", prune=True)
    wrong = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s", "namespace": space},
        "spec": {"ports": []},
    }
    result = push([config("a", space), wrong], namespace=space, apply_set="set", prune=True)
    assert result["failed"]
    assert live("configmap", "b", space)


def test_kubectl_refuses_ours_naming_us(push, api, space):
    push([config("a", space)], namespace=space, apply_set="set")
    output = api.kubectl(
        "apply",
        "-n",
        space,
        "--applyset=configmaps/set",
        "--prune",
        "-f",
        "-",
        text=yaml.safe_dump(config("a", space)),
        check=False,
    )
    assert "bramble.kube" in output and "kubectl" in output


def test_we_refuse_kubectls_naming_it_unless_told_to_take_over(push, api, live, space):
    text = json.dumps(config("a", space))
    api.kubectl("apply", "-n", space, "--server-side", "--applyset=configmaps/set", "--prune", "-f", "-", text=text)
    refused = push([config("b", space)], namespace=space, apply_set="set", prune=True)
    assert refused["failed"] and "kubectl/v" in refused["msg"]
    assert "NotFound" in api.kubectl("get", "configmap", "b", "-n", space, check=False)
    taken = push([config("b", space)], namespace=space, apply_set="set", prune=True, apply_set_takeover=True)
    assert not taken["failed"], taken["msg"]
    assert taken["counts"]["created"] == 1 and taken["counts"]["pruned"] == 1
    assert live("configmap", "set", space)["metadata"]["annotations"]["applyset.kubernetes.io/tooling"].startswith(
        "bramble.kube/"
    )


def test_a_plain_config_map_of_that_name_is_left_alone(push, live, space):
    push([config("set", space, a="1")])
    refused = push([config("b", space)], namespace=space, apply_set="set")
    assert refused["failed"] and "is not an apply set" in refused["msg"]
    assert "labels" not in live("configmap", "set", space)["metadata"]


def test_prune_needs_a_set(push, space):
    assert "prune needs apply_set" in push([config("a", space)], prune=True)["msg"]


def kubectl_applies(api, space, path, *flags):
    """`kubectl apply` of a file as the set "set"; what it printed."""
    return api.kubectl(
        *("apply", "-n", space, "--server-side", "--applyset=configmaps/set", "--prune", "-f", str(path)), *flags
    )


def test_a_set_is_handed_over_to_kubectl_and_comes_back(push, api, live, space, tmp_path):
    """As docs/push.md has it under "To hand a set over"."""
    kept = config("kept", space, x="1", y="2")
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": space}}
    service["spec"] = {"ports": [{"port": 80}]}
    ours = {"namespace": space, "apply_set": "set", "prune": True}
    push([kept, config("gone", space), service], **ours)
    uid = live("configmap", "kept", space)["metadata"]["uid"]
    path = tmp_path / "objects.yaml"
    push([config("kept", space, x="1"), service], namespace=space, dest=str(path))
    annotation = "applyset.kubernetes.io/tooling"
    api.kubectl("annotate", "--overwrite", "configmap", "set", "-n", space, f"{annotation}=kubectl/v1.37")
    labelled = tmp_path / "labelled.yaml"
    push([config("kept", space, x="1")], dest=str(labelled), apply_set="set", namespace=space, apply_set_takeover=True)
    flags = ("-n", space, "--server-side", "--applyset=configmaps/set", "--prune", "-f", str(labelled))
    assert "already set in input data" in api.kubectl("apply", *flags, check=False)
    told = kubectl_applies(api, space, path, "--field-manager=bramble.kube")
    assert "configmap/gone pruned" in told and "conflict" not in told
    found = live("configmap", "kept", space)
    assert found["data"] == {"x": "1"} and found["metadata"]["uid"] == uid
    assert {entry["manager"] for entry in found["metadata"]["managedFields"]} == {"bramble.kube"}
    assert live("configmap", "set", space)["metadata"]["annotations"][annotation].startswith("kubectl/")
    version = found["metadata"]["resourceVersion"]
    assert "pruned" not in kubectl_applies(api, space, path, "--field-manager=bramble.kube")
    assert live("configmap", "kept", space)["metadata"]["resourceVersion"] == version
    # And back
    assert "belongs to kubectl/" in push([config("kept", space, x="1")], **ours)["msg"]
    back = push([config("kept", space, x="1")], apply_set_takeover=True, **ours)
    assert not back["failed"] and back["counts"] == {**back["counts"], "pruned": 1, "unchanged": 1}, back
    assert not push([config("kept", space, x="1")], **ours)["changed"]


def test_fields_that_kubectl_applied_as_itself_are_taken_over_by_name(push, api, live, space, tmp_path):
    path = tmp_path / "objects.json"
    path.write_text(json.dumps(config("a", space, x="1", y="2")))
    kubectl_applies(api, space, path)
    ours = {"namespace": space, "apply_set": "set", "prune": True, "apply_set_takeover": True, "take_over": ["kubectl"]}
    result = push([config("a", space, x="1")], **ours)
    assert not result["failed"] and result["counts"]["updated"] == 1, result
    assert live("configmap", "a", space)["data"] == {"x": "1"}
    assert not push([config("a", space, x="1")], **ours)["changed"]
