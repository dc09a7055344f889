"""Images are found wherever objects name them."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.bramble.kube.plugins.filter import images_of as images_filter
from ansible_collections.bramble.kube.plugins.filter import node_platforms as platforms_filter
from ansible_collections.bramble.kube.plugins.module_utils.images.find import UnreadableText, images_of
from ansible_collections.bramble.kube.plugins.module_utils.images.known_paths import KNOWN_PATHS, InvalidPath, from_row
from ansible_collections.bramble.kube.plugins.module_utils.images.reference import InvalidReference
from ansible_collections.bramble.kube.plugins.module_utils.images.replacement import Replacements


def names(*objects: object, paths=KNOWN_PATHS) -> list[str]:
    return [use.image for use in images_of(objects, paths)]


def config_map(name: str, **data: str) -> dict:
    return {"kind": "ConfigMap", "metadata": {"name": name, "namespace": "kubeflow"}, "data": data}


def pod(*containers: dict, **more: object) -> dict:
    return {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": list(containers), **more}}


def test_every_kind_of_container() -> None:
    spec = {
        "initContainers": [{"name": "i", "image": "init:1"}],
        "containers": [{"name": "a", "image": "a:1"}],
        "ephemeralContainers": [{"name": "e", "image": "debug:1"}],
        "volumes": [{"name": "model", "image": {"reference": "model:1"}}, {"name": "x", "emptyDir": {}}],
    }
    for item in (
        {"kind": "Pod", "spec": spec},
        {"kind": "Deployment", "spec": {"template": {"spec": spec}}},
        {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}},
        {"kind": "TFJob", "spec": {"tfReplicaSpecs": {"Chief": {"template": {"spec": spec}}}}},
        {"kind": "Unheard", "deep": [{"of": {"any": {"podTemplate": {"spec": spec}}}}]},
        {"kind": "List", "items": [{"kind": "Pod", "spec": spec}]},
    ):
        assert names(item) == ["init:1", "a:1", "debug:1", "model:1"]


def test_workflow_templates() -> None:
    templates = [
        {"name": "a", "container": {"image": "a:1"}, "sidecars": [{"name": "s", "image": "s:1"}]},
        {"name": "b", "script": {"image": "b:1", "source": "print()"}},
        {"name": "c", "container": {"image": "{{inputs.parameters.image}}"}},
    ]
    assert names({"kind": "Workflow", "spec": {"templates": templates}}) == ["a:1", "s:1", "b:1"]


def test_schema_has_no_images() -> None:
    schema = {"properties": {"containers": {"items": {"properties": {"image": {"type": "string"}}}}}}
    crd = {"kind": "CustomResourceDefinition", "spec": {"versions": [{"schema": {"openAPIV3Schema": schema}}]}}
    crd["spec"]["example"] = {"containers": [{"name": "a", "image": "a:1"}]}
    assert names(crd) == []


def test_arguments_and_variables() -> None:
    found = images_of(
        [
            pod(
                {
                    "name": "a",
                    "image": "argo:1",
                    "args": ["--executor-image", "argoexec:1", "--other-image=no:1", "-helper-image=busybox:1"],
                    "command": ["/c", "--acme-http01-solver-image=solver:1"],
                    "env": [
                        {"name": "V2_LAUNCHER_IMAGE", "value": "launcher:1"},
                        {"name": "SOME_IMAGE", "value": "no:1"},
                        {"name": "RELATED_IMAGE_X", "valueFrom": {}},
                    ],
                }
            )
        ]
    )
    assert [use.image for use in found] == ["argo:1", "solver:1", "argoexec:1", "busybox:1", "launcher:1"]
    assert str(found[1]) == "Pod p, container a, argument --acme-http01-solver-image"


def test_config_maps_of_kserve_katib_and_notebooks() -> None:
    kserve = config_map(
        "inferenceservice-config",
        storageInitializer=json.dumps({"image": "kserve/storage-initializer:v0.15", "memoryRequest": "100Mi"}),
        explainers=json.dumps({"art": {"image": "kserve/art-explainer", "defaultImageVersion": "latest"}}),
        ingress=json.dumps({"image": "no:1"}),
    )
    assert names(kserve) == ["kserve/storage-initializer:v0.15", "kserve/art-explainer:latest"]
    katib = config_map(
        "katib-config",
        **{
            "katib-config.yaml": "runtime:\n  suggestions:\n    - {algorithmName: random, image: katib/hyperopt:1}\n"
            "  metricsCollectors:\n    - {kind: StdOut, image: katib/collector:1}\n"
        },
    )
    assert names(katib) == ["katib/hyperopt:1", "katib/collector:1"]
    notebooks = config_map(
        "jupyter-web-app-config-5h2k",
        **{
            "spawner_ui_config.yaml": "spawnerFormDefaults:\n  image:\n    value: a:1\n    options: [a:1, b:1]\n"
            "  imageGroupOne:\n    options:\n      - c:1\n  cpu: {value: '0.5'}\n"
        },
    )
    assert names(notebooks) == ["a:1", "a:1", "b:1", "c:1"]


def test_jupyterhub_of_2018_and_today() -> None:
    old = """
c.KubeSpawner.singleuser_image_spec = 'gcr.io/kubeflow/tensorflow-notebook'
<option value="gcr.io/kubeflow-images-public/tensorflow-1.4.1-notebook-cpu:v0.2.1">
"""
    assert names(config_map("jupyterhub-config", **{"jupyterhub_config.py": old})) == [
        "gcr.io/kubeflow/tensorflow-notebook",
        "gcr.io/kubeflow-images-public/tensorflow-1.4.1-notebook-cpu:v0.2.1",
    ]
    new = 'c.KubeSpawner.image = "quay.io/jupyter/base-notebook:2026-01-05"\n'
    assert names(config_map("my-jupyterhub", x=new)) == ["quay.io/jupyter/base-notebook:2026-01-05"]


def test_pod_within_a_config_map() -> None:
    text = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: helper}\nspec:\n  containers:\n    - {name: h, image: busybox:1}\n"
    )
    (use,) = images_of([config_map("local-path-config", **{"helperPod.yaml": text, "config.json": "{}"})])
    assert use.image == "busybox:1"
    assert str(use) == "ConfigMap kubeflow/local-path-config, data.helperPod.yaml, container h"


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (config_map("inferenceservice-config", agent="{"), "text in data.agent that should be JSON"),
        (config_map("katib-config", **{"katib-config.yaml": "a: [\n"}), "should be YAML and is not"),
    ],
)
def test_unreadable_text_is_named(item: dict, reason: str) -> None:
    with pytest.raises(UnreadableText, match=reason):
        images_of([item])


def test_rows_of_users() -> None:
    row = from_row({"kind": "Robot", "path": ["spec", "*", "picture"]})
    robot = {"kind": "Robot", "metadata": {"name": "r"}, "spec": {"arm": {"picture": "arm:1"}, "leg": {}}}
    assert names(robot) == []
    assert names(robot, paths=[row]) == ["arm:1"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"kind": "A"}, "needs a kind and a path"),
        ({"kind": "A", "path": ["x"], "format": "xml"}, "known are field, json"),
        ({"kind": "A", "path": ["x"], "format": "json"}, "needs inner"),
        ({"kind": "A", "path": ["x"], "format": "pattern", "inner": ["("]}, "wrong expression"),
        ({"kind": "A", "path": ["x"], "format": "pattern", "inner": ["a"]}, "without a group"),
    ],
)
def test_wrong_rows(row: dict, reason: str) -> None:
    with pytest.raises(InvalidPath, match=reason):
        from_row(row)


def test_strange_objects_do_no_harm() -> None:
    assert names(None, "text", {}, {"kind": "List", "items": None}, {"kind": "Pod", "spec": {"containers": {}}}) == []
    assert names(pod({"name": "a", "image": None}, "text", {"env": "x", "args": [1]})) == []  # type: ignore[arg-type]


def test_filters() -> None:
    assert images_filter.images_of([pod({"name": "a", "image": "a:1"}), pod({"name": "b", "image": "a:1"})]) == ["a:1"]
    with pytest.raises(AnsibleFilterError, match="from_yaml_all"):
        images_filter.images_of("kind: Pod")
    assert platforms_filter.node_platforms(["aarch64", "arm64", "armv7l"]) == ["linux/arm64", "linux/arm/v7"]
    with pytest.raises(AnsibleFilterError, match="not of the form"):
        platforms_filter.node_platforms(["a b"])


SHA = "sha256:" + "a" * 64


def test_replacements() -> None:
    table = Replacements(
        {
            "nginx:1": "pi.lan/nginx:exact",
            "gcr.io/old/app": "quay.io/new/app",
            "gcr.io/old/pinned": "quay.io/new/pinned:7",
            "docker.io/": "mirror.lan/hub/",
            "kubeflow/": "ghcr.io/kubeflow",
        }
    )
    assert table.apply("docker.io/library/nginx:1") == "pi.lan/nginx:exact"
    assert table.apply(f"nginx:1@{SHA}") == "pi.lan/nginx:exact"
    assert table.apply("nginx:2") == "mirror.lan/hub/library/nginx:2"
    assert table.apply("gcr.io/old/app:v1") == "quay.io/new/app:v1"
    assert table.apply(f"gcr.io/old/app@{SHA}") == f"quay.io/new/app@{SHA}"
    assert table.apply("gcr.io/old/pinned:v1") == "quay.io/new/pinned:7"
    assert table.apply("kubeflow/operator:v1") == "ghcr.io/kubeflow/operator:v1"
    assert table.apply("gcr.io/old/application:v1") is None


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"Nginx": "a"}, "capital"),
        ({"nginx": "A"}, "capital"),
        ({"nginx": "a", "docker.io/library/nginx": "b"}, "twice"),
        ({"x y/": "z/"}, "space"),
    ],
)
def test_wrong_replacements(table: dict, reason: str) -> None:
    with pytest.raises(InvalidReference, match=reason):
        Replacements(table)
