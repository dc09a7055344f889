"""Rendering: equal to what the real ks 0.9.2 and 0.13.1 gave for the same apps (digests), and clear errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from app_builder import Builder, digest, standard

from ansible_collections.bramble.kube.plugins.module_utils.common import checksum_file
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet import options
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.bindings import available
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.errors import KsonnetError
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.render import (
    flatten,
    show_order,
    to_text,
)
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.run import drop_wrong_namespaces, render, run

#: SHA-256 of the objects that `ks show` printed for these very apps: (api_version, release, environment).
KS_GAVE = {
    ("0.1.0", "v1.7.0", "default"): "a80c93ae5032135c217f4185c8f211030748ee805539e4814fa3bd7bec662aec",
    ("0.1.0", "v1.7.0", "eu/prod"): "28e1da2bd671a41f747c9946905cb3cb319966a5e57b96a90856aa68c6f3e2c5",
    ("0.3.0", "v1.20.0", "default"): "0a613cf08f83675bc2bcd38ac40e54d2155fff9401a2fe8ebd96bea056ebdadd",
    ("0.3.0", "v1.20.0", "eu/prod"): "20e4ac0e1f50ea210d0dc852cf089101e86d71c0741995435cc80d502b72fb5f",
    ("0.1.0", "v1.20.0", "default"): "a80c93ae5032135c217f4185c8f211030748ee805539e4814fa3bd7bec662aec",
}


@pytest.mark.parametrize("key", KS_GAVE, ids=" ".join)
@pytest.mark.parametrize("evaluator", ["rjsonnet", "gojsonnet", "jsonnet"])
def test_objects_are_those_of_ks(build: Builder, key: tuple[str, str, str], evaluator: str) -> None:
    if not available(evaluator):
        pytest.skip(f"{evaluator} has no wheel for this Python")
    api_version, release, environment = key
    build.apply(**standard(api_version, release))
    result = build.render(environment, evaluator=evaluator)
    assert len(result.objects) == 5
    assert digest(result.objects) == KS_GAVE[key]
    assert result.ks_version == {"0.1.0": "0.9", "0.3.0": "0.13"}[api_version]


def test_order_is_the_same_each_time(app: Builder) -> None:
    names = [item["metadata"]["name"] for item in app.render().objects]
    assert names == ["my-note", "site", "site", "site", "site-weight"]
    assert app.render().objects == app.render().objects


def test_one_component_alone(app: Builder) -> None:
    result = app.render(components=["my-note"])
    assert [item["metadata"]["name"] for item in result.objects] == ["my-note"]
    assert result.components == ["my-note"]


def test_params_override_without_touching_files(app: Builder) -> None:
    before = {path: path.read_bytes() for path in app.root.rglob("*") if path.is_file()}
    result = app.render(params={"my-note": {"text": "other"}}, components=["my-note"])
    assert result.objects[0]["data"]["text"] == "other"
    assert {path: path.read_bytes() for path in app.root.rglob("*") if path.is_file()} == before


def test_environment_overrides_and_globals(build: Builder) -> None:
    wanted = standard("0.3.0", "v1.20.0")
    wanted["environments"][0]["globals"] = {"text": "for all"}
    build.apply(**wanted)
    notes = [o for o in build.render(components=["my-note"]).objects if o["metadata"]["name"] == "my-note"]
    assert notes[0]["data"]["text"] == "for all"
    assert notes[0]["metadata"]["labels"] == {"ksonnet.io/component": "my-note"}


def test_overrides_of_main_and_base(app: Builder) -> None:
    app.write(
        "environments/base.libsonnet", 'std.extVar("__ksonnet/components") { "my-note"+: { data+: { base: "1" } } }'
    )
    app.write(
        "environments/default/main.jsonnet",
        'local base = import "../base.libsonnet"; base { "my-note"+: { data+: { main: "2" } } }',
    )
    data = app.render(components=["my-note"]).objects[0]["data"]
    assert (data["base"], data["main"]) == ("1", "2")


def test_yaml_and_json_components_follow_the_release(build: Builder) -> None:
    for api_version, count in (("0.1.0", 0), ("0.3.0", 2)):
        builder = Builder(build.root / api_version, build.cache)
        builder.apply(api_version=api_version, environments=[{"name": "default"}])
        builder.write("components/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, when: 2001-01-01}\n")
        builder.write(
            "components/b.json", json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "b"}})
        )
        result = builder.render()
        assert len(result.objects) == count
        assert bool(result.warnings) is (count == 0)
        if count:
            assert result.objects[1]["metadata"]["when"] == "2001-01-01"  # text, as Go's YAML to JSON has it
            assert len(builder.render(params={"a": {"data": {"k": "v"}}}, components=["a"]).objects[0]["data"]) == 1


def test_the_middle_releases_of_ks(build: Builder) -> None:
    build.apply(environments=[{"name": "default"}])
    build.write("components/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    build.write(
        "environments/default/params.libsonnet",
        'local params = std.extVar("__ksonnet/params"); params { components+: { a+: { data: { k: "v" } } } }',
    )
    result = build.render()
    assert result.ks_version == "0.11"
    assert result.objects == [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}]


def test_modules_and_targets(build: Builder, configmap: Callable[..., str]) -> None:
    environments = [{"name": "default"}, {"name": "all", "targets": ["/", "shop", "shop.till"]}]
    build.apply(api_version="0.3.0", environments=environments, modules=[{"name": "shop.till"}, {"name": "shop"}])
    build.write("components/top.jsonnet", configmap("top"))
    for module in ("shop", "shop/till"):
        text = configmap("front", 'std.extVar("__ksonnet/params").components.front')
        build.write(f"components/{module}/front.jsonnet", text)
        build.write(
            f"components/{module}/params.libsonnet", f'{{ global: {{ m: "{module}" }}, components: {{ front: {{}} }} }}'
        )
    assert [o["metadata"]["name"] for o in build.render().objects] == ["top"]
    objects = build.render("all").objects
    assert sorted(o["metadata"]["labels"]["ksonnet.io/component"] for o in objects) == [
        "shop.front",
        "shop.till.front",
        "top",
    ]
    assert sorted(o["data"].get("m", "") for o in objects) == ["", "shop", "shop/till"]
    build.apply(environments=[{"name": "all", "params": {"shop.front": {"size": 3}}}])
    found = build.render("all", components=["shop.front"]).objects
    assert found[0]["data"] == {"m": "shop", "size": 3}


def test_app_of_0_0_1(build: Builder, configmap: Callable[..., str]) -> None:
    build.write("app.yaml", "apiVersion: 0.0.1\nkind: ksonnet.io/app\nname: old\n")
    build.write("environments/us/east/spec.json", '{"server": "https://x", "namespace": ""}')
    build.write("environments/us/east/east.jsonnet", 'std.extVar("__ksonnet/components")')
    build.write("environments/us/east/params.libsonnet", 'import "../../../components/params.libsonnet"')
    build.write("environments/us/east/.metadata/swagger.json", '{"info": {"version": "v1.7.0"}}')
    build.write("environments/us/east/.metadata/k.libsonnet", '{ zone: "k" }')
    build.write("components/params.libsonnet", "{ components: { a: { x: 1 } } }")
    data = '{ ns: std.extVar("__ksonnet/environments").namespace, k: (import "k.libsonnet").zone }'
    build.write("components/a.jsonnet", configmap("a", data))
    assert build.render("us/east").objects[0]["data"] == {"ns": "default", "k": "k"}
    with pytest.raises(KsonnetError, match=r"upgrade: true makes it 0\.1\.0"):
        build.plan(environments=[{"name": "new"}])
    build.apply(upgrade=True)
    assert "us/east" in build.text("app.yaml")
    assert not (build.root / "environments/us/east/spec.json").exists()
    assert build.render("us/east").objects[0]["data"] == {"ns": "default", "k": "k"}


def test_nested_lists_are_flattened() -> None:
    def item(name: str) -> dict[str, object]:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}

    inner = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [item("d"), {"apiVersion": "v1", "kind": "List", "items": [item("e")]}],
    }
    value = {"x": [item("a"), [item("b"), {"n": item("c")}], inner]}
    value["z"] = {"apiVersion": "v1", "kind": "ConfigMapList", "items": [{"metadata": {"name": "f"}}]}
    objects = flatten(value, "test")
    assert [o["metadata"]["name"] for o in objects] == list("abcdef")
    assert objects[-1] == item("f")
    with pytest.raises(KsonnetError, match="test gives 3 where a Kubernetes object"):
        flatten([3], "test")


def test_order() -> None:
    kinds = ["Job", "Zebra", "Namespace", "Antelope", "Service"]
    objects = [{"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}} for kind in kinds]
    assert [o["kind"] for o in sorted(objects, key=show_order)] == ["Namespace", "Service", "Job", "Antelope", "Zebra"]


def test_namespaces_go_where_the_kind_has_none() -> None:
    def item(group: str, kind: str) -> dict[str, Any]:
        return {"apiVersion": group, "kind": kind, "metadata": {"name": "x", "namespace": "ns"}}

    definition = item("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition")
    definition["spec"] = {"group": "me.example", "scope": "Cluster", "names": {"kind": "Wide"}}
    rbac = "rbac.authorization.k8s.io/v1"
    objects = [item("v1", "Pod"), definition, item("me.example/v1", "Wide"), item("me.example/v1", "Other")]
    objects += [item(rbac, "ClusterRoleBinding"), item(rbac, "RoleBinding")]
    drop_wrong_namespaces(objects)
    assert [o["kind"] for o in objects if "namespace" in o["metadata"]] == ["Pod", "Other", "RoleBinding"]


def test_text_of_a_file() -> None:
    objects = [{"kind": "ConfigMap", "apiVersion": "v1", "data": {"a": "x\ny\n", "b": "yes", "c": "1"}}]
    assert to_text(objects, "yaml") == (
        "---\napiVersion: v1\ndata:\n  a: |\n    x\n    y\n  b: 'yes'\n  c: '1'\nkind: ConfigMap\n"
    )
    assert json.loads(to_text(objects, "json"))["items"] == objects


class TestErrors:
    def test_unknown_environment_lists_those_that_exist(self, app: Builder) -> None:
        with pytest.raises(KsonnetError, match=r"environment 'prod' does not exist in .*; it has: default, eu/prod"):
            app.render("prod")

    def test_unknown_component_lists_those_that_exist(self, app: Builder) -> None:
        with pytest.raises(
            KsonnetError, match="no such component in environment 'default': web; there are: my-note, site"
        ):
            app.render(components=["web"])

    def test_params_of_a_component_that_is_not_rendered(self, app: Builder) -> None:
        with pytest.raises(KsonnetError, match="params are given for component 'web', which is not rendered"):
            app.render(params={"web": {}})

    def test_no_app(self, tmp_path: Path) -> None:
        with pytest.raises(KsonnetError, match=r"is not a ksonnet app: it has no app\.yaml"):
            Builder(tmp_path, tmp_path).render()

    def test_unknown_form(self, build: Builder) -> None:
        build.write("app.yaml", "apiVersion: 9.9.9\n")
        with pytest.raises(KsonnetError, match=r"apiVersion 9\.9\.9, which is not known; known are 0\.0\.1, 0\.1\.0"):
            build.render()

    def test_environment_without_folder(self, app: Builder) -> None:
        (app.root / "environments/default/main.jsonnet").unlink()
        with pytest.raises(KsonnetError, match=r"but environments/default/main\.jsonnet does not exist"):
            app.render()

    @pytest.mark.parametrize("evaluator", ["rjsonnet", "gojsonnet", "jsonnet"])
    def test_a_jsonnet_error_names_component_file_and_line(self, app: Builder, evaluator: str) -> None:
        if not available(evaluator):
            pytest.skip(f"{evaluator} has no wheel for this Python")
        app.write("components/bad.jsonnet", '{\n  apiVersion: "v1",\n  kind: error "boom",\n}\n')
        with pytest.raises(KsonnetError) as caught:
            app.render(evaluator=evaluator)
        assert str(caught.value) == (
            "component 'bad' of environment 'default' cannot be rendered: components/bad.jsonnet, line 3: boom"
        )

    def test_an_error_in_a_library_names_the_component_too(self, app: Builder) -> None:
        app.write("vendor/test/tools/tools.libsonnet", "{\n  parsed(text):: text.nothing,\n  slug(text):: text,\n}\n")
        with pytest.raises(KsonnetError) as caught:
            app.render()
        assert (
            "component 'my-note' of environment 'default' cannot be rendered: vendor/test/tools/tools.libsonnet, line 2"
            in str(caught.value)
        )

    def test_a_syntax_error_names_its_line(self, app: Builder) -> None:
        app.write("components/bad.jsonnet", "{\n  a: 1\n  b: 2\n}\n")
        with pytest.raises(KsonnetError, match=r"component 'bad' .* components/bad\.jsonnet, line 3"):
            app.render()

    def test_an_error_in_parameters_blames_no_component(self, app: Builder) -> None:
        app.write("environments/default/params.libsonnet", '{\n  components: error "no"\n}\n')
        with pytest.raises(KsonnetError, match=r"line 2: no") as caught:
            app.render()
        assert "environments/default/params.libsonnet" in str(caught.value)

    def test_missing_k_libsonnet_says_how_to_get_it(self, app: Builder) -> None:
        for path in (app.root / "lib").rglob("k.libsonnet"):
            path.unlink()
        with pytest.raises(KsonnetError, match=r"'k\.libsonnet' found nothing.*libraries"):
            app.render()


class TestDest:
    """What is written, and its checksum beside it, by which a push knows it again."""

    @staticmethod
    def render(app: Builder, dest: Path, check: bool = False, **more: Any) -> dict[str, Any]:
        params = {name: spec.get("default") for name, spec in options.RENDER.items()}
        params.update(app_dir=str(app.root), environment="default", dest=str(dest), mode="0640", **more)
        return run(render, params, check, False)

    def test_checksum_beside_it(self, app: Builder, tmp_path: Path) -> None:
        dest = tmp_path / "objects.yaml"
        assert self.render(app, dest, check=True)["changed"] and not dest.exists()
        assert self.render(app, dest)["changed"]
        assert checksum_file.holds(str(dest))
        assert Path(f"{dest}.sha256").stat().st_mode & 0o777 == 0o640
        assert not self.render(app, dest)["changed"]

    @pytest.mark.parametrize("name", ["objects.yaml", "objects.yaml.sha256"])
    @pytest.mark.parametrize("content", ["", "damaged"])
    def test_what_was_damaged_is_written_again(self, app: Builder, tmp_path: Path, name: str, content: str) -> None:
        dest = tmp_path / "objects.yaml"
        self.render(app, dest)
        (tmp_path / name).write_text(content)
        assert not checksum_file.holds(str(dest))
        assert self.render(app, dest)["changed"]
        assert checksum_file.holds(str(dest))

    def test_no_object_is_an_error_and_the_file_stays(self, build: Builder, tmp_path: Path) -> None:
        build.apply(environments=[{"name": "default"}])
        dest = tmp_path / "objects.yaml"
        dest.write_text("as before")
        result = self.render(build, dest)
        assert result["failed"] and "gives an object, so nothing is written" in result["msg"]
        assert dest.read_text() == "as before"
