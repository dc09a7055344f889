"""Waves, scopes, images, labels, selection, and what is settled before the comparison."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.manifests import load, order
from ansible_collections.bramble.kube.plugins.module_utils.manifests import transform as shape
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ManifestError
from ansible_collections.bramble.kube.plugins.module_utils.manifests.load import Item


def item(kind: str, api_version: str = "v1", name: str = "x", namespace: str = "", **content) -> Item:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return Item({"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}, "f.yaml", 3)


def test_waves_put_what_others_need_first():
    waves = [
        [item("Namespace")],
        [item("CustomResourceDefinition", "apiextensions.k8s.io/v1")],
        [item("ClusterRole", "rbac.authorization.k8s.io/v1"), item("StorageClass", "storage.k8s.io/v1")],
        [item("PersistentVolumeClaim"), item("ConfigMap"), item("ServiceAccount"), item("Service")],
        [item("Secret")],  # after the ServiceAccount whose token it may hold
        [item("Deployment", "apps/v1")],
        [item("TFJob", "kubeflow.org/v1")],
        [item("ValidatingWebhookConfiguration", "admissionregistration.k8s.io/v1")],
    ]
    assert order.waves(one for wave in reversed(waves) for one in wave) == list(enumerate(waves))


def test_scopes_known_without_a_server():
    crd = item(
        "CustomResourceDefinition",
        "apiextensions.k8s.io/v1",
        spec={"group": "example.org", "scope": "Cluster", "names": {"kind": "Thing"}},
    )
    scopes = order.defined_scopes([crd])
    assert order.known_scope("example.org", "Thing", scopes) is False
    assert order.known_scope("", "Namespace", scopes) is False
    assert order.known_scope("apps", "Deployment", scopes) is True
    assert order.known_scope("other.org", "Thing", scopes) is None


def test_kinds_that_a_crd_serves():
    spec = {"group": "example.org", "names": {"kind": "Thing"}}
    versions = [{"name": "v1", "served": True}, {"name": "v1alpha1", "served": False}]
    new = item("CustomResourceDefinition", "apiextensions.k8s.io/v1", spec={**spec, "versions": versions})
    old = item("CustomResourceDefinition", "apiextensions.k8s.io/v1beta1", spec={**spec, "version": "v1beta1"})
    assert order.defined_kinds(new) == {("example.org/v1", "Thing")}
    assert order.defined_kinds(old) == {("example.org/v1beta1", "Thing")}
    assert order.defined_kinds(item("ConfigMap")) == set()


def test_a_namespace_is_filled_in_and_a_wrong_one_refused():
    one, other = item("ConfigMap"), item("Namespace")
    shape.set_namespaces([one, other], lambda entry: order.known_scope(entry.group, entry.kind, {}), "team")
    assert one.namespace == "team" and other.namespace == ""
    with pytest.raises(
        ManifestError, match=r"ClusterRole x at f\.yaml:3 has namespace team, but this kind is not namespaced"
    ):
        shape.set_namespaces(
            [item("ClusterRole", "rbac.authorization.k8s.io/v1", namespace="team")],
            lambda entry: order.known_scope(entry.group, entry.kind, {}),
            "team",
        )


def test_two_that_are_one_object_in_the_default_namespace_are_refused():
    scope = lambda entry: order.known_scope(entry.group, entry.kind, {})  # noqa: E731
    shape.set_namespaces([item("ConfigMap"), item("ConfigMap", namespace="other")], scope, "team")
    with pytest.raises(ManifestError, match=r"ConfigMap team/x is in the set twice: at f\.yaml:3 and at f\.yaml:3"):
        shape.set_namespaces([item("ConfigMap"), item("ConfigMap", namespace="team")], scope, "team")


def test_images_by_reference_repository_or_prefix():
    images = {"nginx:1.27": "mirror/web:stable", "quay.io/org/app": "registry.local/app", "docker.io/": "hub.local/x"}
    names = ["nginx:1.27", "docker.io/library/nginx:1.27", "quay.io/org/app:1.0", "busybox", "localhost:5000/app"]
    pod = item("Pod", spec={"containers": [{"image": name} for name in names]})
    shape.set_images([pod], images)
    assert [container["image"] for container in pod.object["spec"]["containers"]] == [
        "mirror/web:stable",
        "mirror/web:stable",
        "registry.local/app:1.0",
        "hub.local/x/library/busybox",
        "localhost:5000/app",
    ]


def test_what_is_no_image_is_told_with_its_place():
    pod = item("Pod", spec={"containers": [{"image": "Nginx Latest"}]})
    with pytest.raises(ManifestError, match=r"^Pod .* at .*: image 'Nginx Latest' has a space in it\.$"):
        shape.set_images([pod], {"docker.io/": "hub.local/"})
    with pytest.raises(ManifestError, match=r"^images: image 'https://x' starts like a web address"):
        shape.set_images([pod], {"https://x": "y"})
    assert shape.set_images([pod], {}) == []


def test_an_image_that_no_node_could_pull_is_doubted_and_others_are_not():
    fine = ["nginx", "ghcr.io/o/app:v1", "[::1]:5000/a", "r.example:5000/a/b@sha256:" + "0" * 64, "REG.example/a", ""]
    assert shape.doubtful_images([item("Pod", spec={"containers": [{"image": image} for image in fine]})]) == []
    wrong = ["$(IMG)", "https://hub.docker.com/_/nginx", "hub.docker.com/r/a/b", " nginx", "Nginx"]
    told = shape.doubtful_images([item("Pod", spec={"containers": [{"image": image} for image in wrong]})])
    assert len(told) == len(wrong) and all(text.startswith("Pod x at f.yaml:3: image ") for text in told)
    assert "write 'nginx'" in told[1] and "write 'a/b'" in told[2]


def test_images_of_every_container_of_every_workload():
    pod = {"containers": [{"name": "c", "image": "a/x"}], "initContainers": [{"name": "i", "image": "a/y:1"}]}
    items = [
        item("Pod", spec=pod),
        item(
            "CronJob",
            "batch/v1",
            spec={"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"image": "a/z"}]}}}}},
        ),
        item("ConfigMap", data={"image": "a/x"}),
    ]
    replaced = shape.set_images(items, {"a/": "b/"})
    assert [(old, new) for _item, old, new in replaced] == [("a/y:1", "b/y:1"), ("a/x", "b/x"), ("a/z", "b/z")]
    assert items[2].object["data"] == {"image": "a/x"}


def test_select_and_exclude():
    items = [item("ConfigMap", name="a"), item("ConfigMap", name="b"), item("Secret", name="a")]
    chosen = shape.choose(items, "metadata.name == 'a'", "kind == 'Secret'")
    assert [(entry.kind, entry.name) for entry in chosen] == [("ConfigMap", "a")]
    with pytest.raises(ManifestError, match="select is not a JMESPath expression"):
        shape.choose(items, "a ==", "")
    with pytest.raises(ManifestError, match=r"exclude: .* cannot be evaluated on ConfigMap a"):
        shape.choose(items, "", "sum(kind)")


def test_labels_are_added_to_the_objects_not_to_their_templates():
    deployment = item("Deployment", "apps/v1", spec={"template": {"metadata": {"labels": {"a": "b"}}}})
    shape.set_labels([deployment], {"team": "x"})
    assert deployment.object["metadata"]["labels"] == {"team": "x"}
    assert deployment.object["spec"]["template"]["metadata"]["labels"] == {"a": "b"}


def test_string_data_becomes_data_and_what_the_server_sets_goes():
    secret = item("Secret", stringData={"a": "1"}, data={"b": "Mg=="})
    secret.object["metadata"].update(creationTimestamp=None, resourceVersion="5")
    shape.settle(secret)
    assert secret.object["data"] == {"a": "MQ==", "b": "Mg=="}
    assert "stringData" not in secret.object and set(secret.object["metadata"]) == {"name"}
    with pytest.raises(ManifestError, match="put it in quotes"):
        shape.settle(item("Secret", stringData={"a": 1}))


@pytest.mark.parametrize(
    "expression",
    ["metadata.name > `1`", "merge(metadata.name, kind)", 'sort_by(`[1, "a"]`, &@)'],
)
def test_an_expression_that_does_not_fit_the_values_is_named(expression):
    with pytest.raises(ManifestError, match=r"select: .* cannot be evaluated on ConfigMap a"):
        shape.choose([item("ConfigMap", name="a")], expression, "")


def test_an_expression_that_does_not_fit_says_nothing_of_the_values():
    secret = item("Secret", name="a", stringData={"password": "kept"})
    with pytest.raises(ManifestError, match=r"contains\(\) takes array or string, not object") as caught:
        shape.choose([secret], "contains(stringData, 'a')", "")
    assert "kept" not in str(caught.value)


def settled(text: str) -> dict:
    (found,) = load.parse(text, "f.yaml")
    shape.settle(found)
    return found.object


def test_what_tools_write_into_saved_objects_is_left_out():
    document = settled(
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: a
          uid: 1-2
          deletionTimestamp: 2026-01-01T00:00:00Z
          annotations:
            kubectl.kubernetes.io/last-applied-configuration: "{}"
            deployment.kubernetes.io/revision: "3"
        """
    )
    assert document["metadata"] == {"name": "a"}


def test_nulls_are_left_out_as_client_side_apply_does_and_kept_where_they_may_count():
    document = settled(
        """
        apiVersion: v1
        kind: Pod
        metadata: {name: a, labels: {a: null, b: c}, annotations: null}
        spec: {containers: [{name: c, resources: {limits: {cpu: null}}, env: null}], nodeName: null}
        status: null
        """
    )
    assert document["metadata"] == {"name": "a", "labels": {"b": "c"}}
    assert document["spec"] == {"containers": [{"name": "c", "resources": {"limits": {}}}]}
    kept = {"x": None}
    custom = settled("apiVersion: example.org/v1\nkind: X\nmetadata: {name: a, labels: null}\nspec: {x: null}\n")
    assert custom["spec"] == kept and custom["metadata"] == {"name": "a"}


def test_what_the_server_adds_to_each_job_is_left_out():
    text = """
apiVersion: batch/v1
kind: Job
metadata: {name: a}
spec:
  selector: {matchLabels: {batch.kubernetes.io/controller-uid: "1"}}
  template:
    metadata:
      labels: {a: b, controller-uid: "1", job-name: a, batch.kubernetes.io/job-name: a}
    spec: {}
"""
    spec = settled(text)["spec"]
    assert "selector" not in spec and spec["template"]["metadata"]["labels"] == {"a": "b"}
    assert "selector" in settled(text.replace("spec:\n", "spec:\n  manualSelector: true\n", 1))["spec"]
    for odd in ("[]", "{selector: {matchLabels: {controller-uid: a}}, template: []}", "{selector: []}"):
        settled(f"apiVersion: batch/v1\nkind: Job\nmetadata: {{name: a}}\nspec: {odd}\n")
