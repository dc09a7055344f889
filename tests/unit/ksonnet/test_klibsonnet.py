"""k.libsonnet: names and behaviour of ksonnet-lib, for releases before and after 1.8."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import rjsonnet
from app_builder import FIXTURES

from ansible_collections.bramble.kube.plugins.module_utils.ksonnet import klibsonnet
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.errors import KsonnetError
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.klibsonnet import format_kind, generate

RELEASES = ["v1.7.0", "v1.20.0"]


def description(release: str) -> bytes:
    return (FIXTURES / "openapi" / f"{release}.json").read_bytes()


def evaluate(library: klibsonnet.Library, code: str) -> Any:
    files = {"k.libsonnet": library.k, "k8s.libsonnet": library.k8s}
    code = f'local k = import "k.libsonnet"; {code}'
    return json.loads(rjsonnet.evaluate_snippet("test", code, import_callback=lambda _base, name: (name, files[name])))


@pytest.mark.parametrize("release", RELEASES)
def test_objects(release: str) -> None:
    library = generate(description(release))
    assert library.version == release
    made = evaluate(
        library,
        """
        local d = k.apps.v1beta1.deployment;
        local c = d.mixin.spec.template.spec.containersType;
        local port = c.portsType.newNamed(name="http", containerPort=80);
        d.new("web", 2, c.new("web", "img:1").withPorts(port), { app: "web" })
        + d.mixin.metadata.withLabels({ a: "1" }) + d.mixin.metadata.withLabelsMixin({ b: "2" })
        + d.mixin.metadata.withFinalizers("x") + d.mixin.metadata.withFinalizersMixin(["y"])
        + d.mixin.spec.template.spec.withHostIpc(true) + d.mixin.spec.template.spec.withLocalStorage("l")
        + d.mixin.spec.template.spec.securityContext.withRunAsUser(1)
        + d.mixin.spec.template.spec.securityContext.mixinInstance({ privileged: false })
        + d.mapContainersWithName(["web"], function(c) c { tty: true })
        """,
    )
    assert made == {
        "apiVersion": "apps/v1beta1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"a": "1", "b": "2"}, "finalizers": ["x", "y"]},
        "spec": {
            "replicas": 2,
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "containers": [
                        {"name": "web", "image": "img:1", "tty": True, "ports": [{"containerPort": 80, "name": "http"}]}
                    ],
                    "hostIPC": True,
                    "local": "l",
                    "securityContext": {"runAsUser": 1, "privileged": False},
                },
            },
        },
    }


@pytest.mark.parametrize("release", RELEASES)
def test_lists_services_and_config_maps(release: str) -> None:
    made = evaluate(
        generate(description(release)),
        """
        local s = k.core.v1.service;
        k.core.v1.list.new([
          s.new("web", { app: "web" }, s.mixin.spec.portsType.new(80, "http")).withType("x"),
        ]) + { more: k.core.v1.configMap.new("c", { k: "v" }) }
        """.replace('.withType("x")', ' + s.mixin.spec.withType("NodePort")'),
    )
    assert made["kind"] == "List"
    assert made["items"][0]["spec"] == {
        "selector": {"app": "web"},
        "ports": [{"port": 80, "targetPort": "http"}],
        "type": "NodePort",
    }
    assert made["more"] == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v"}}


@pytest.mark.parametrize("release", RELEASES)
def test_names(release: str) -> None:
    library = generate(description(release))
    fields = "std.sort(std.objectFieldsAll({}))"
    metadata = evaluate(library, fields.format("k.core.v1.configMap.mixin.metadata"))
    assert "withName" in metadata
    assert not [name for name in metadata if "uid" in name.lower() and release == "v1.7.0"]
    assert not [name for name in metadata if "reationTimestamp" in name]
    port = evaluate(
        library, fields.format("k.apps.v1beta1.deployment.mixin.spec.template.spec.containersType.portsType")
    )
    assert port == ["mixin", "new", "newNamed", "withContainerPort", "withHostIp", "withName"]
    service = evaluate(library, fields.format("k.core.v1.service.mixin"))
    assert service == ["metadata", "metadataType", "spec", "specType"]


def test_defaults_differ_between_the_generators() -> None:
    code = 'k.apps.v1beta1.deployment.new("a", containers=[], replicas=1).spec.template.metadata.labels'
    assert evaluate(generate(description("v1.7.0")), code) == {"app": "a"}
    assert evaluate(generate(description("v1.20.0")), code) == {"app": "name"}


def test_what_came_after_ksonnet() -> None:
    library = generate(description("v1.20.0"))
    code = "k.apiextensions.v1.customResourceDefinition.mixin.validation.withOpenApiV3Schema({ not: {} })"
    assert evaluate(library, code)["validation"]["openAPIV3Schema"] == {"not": {}}
    assert "withXKubernetesMapType(xKubernetesMapType)" in library.k8s
    assert '"x-kubernetes-map-type": xKubernetesMapType' in library.k8s
    assert "withDollarRef(dollarRef)" in library.k8s
    assert "Gadget" not in library.k8s  # a custom resource of a live cluster: not Kubernetes' own


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("hostIP", "hostIp"), ("APIService", "apiService"), ("JSON", "json"), ("podCIDRs", "podCidrs")),
        *(("error", "errorParam"), ("local", "localStorage"), ("$ref", "dollarRef"), ("externalIPs", "externalIps")),
        *(("x", "x"), ("AWSElasticBlockStore", "awsElasticBlockStore"), ("fooID", "fooId")),
    ],
)
def test_names_of_the_later_generator(name: str, expected: str) -> None:
    assert format_kind(name) == expected


def test_versions() -> None:
    spec = json.loads(description("v1.20.0"))
    spec["info"]["version"] = "unversioned"
    with pytest.raises(KsonnetError, match="is of version 'unversioned': name the release"):
        generate(json.dumps(spec).encode())
    assert generate(json.dumps(spec).encode(), "1.37.2").version == "v1.37.2"
    for wrong in (b"{}", b"nope", b"[]"):
        with pytest.raises(KsonnetError, match=r"not a swagger\.json of Kubernetes"):
            generate(wrong)


def test_the_cache_goes_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = klibsonnet.cached(description("v1.7.0"), "", str(tmp_path))
    assert len(list(tmp_path.rglob("*.json"))) == 1
    with monkeypatch.context() as patch:
        patch.setattr(klibsonnet, "generate", None)
        assert klibsonnet.cached(description("v1.7.0"), "", str(tmp_path)) == first
    klibsonnet.cached(description("v1.20.0"), "", str(tmp_path), keep=False)
    assert len(list(tmp_path.rglob("*.json"))) == 1
    assert hashlib.sha256(description("v1.20.0")).hexdigest() in generate(description("v1.20.0")).k8s
