"""Prototypes: heading comments, types of parameters, and what is said when one is missing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from app_builder import FIXTURES, Builder

from ansible_collections.bramble.kube.plugins.module_utils.ksonnet import prototype, system_prototypes
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.errors import KsonnetError
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.prototype import Parameter


def site() -> prototype.Prototype:
    path = FIXTURES / "registry/web/prototypes/site.jsonnet"
    return prototype.parse(path.read_text(), path.name, "test/web")


def test_heading() -> None:
    found = site()
    assert (found.name, found.api_version) == ("test.bramble.site", "0.1")
    assert found.short_description == "A web server with its page"
    assert found.description.splitlines()[0] == "A web server, its page and a service."
    assert [(p.name, p.type, p.default) for p in found.parameters] == [
        ("name", "string", None),
        ("image", "string", None),
        ("greeting", "string", "hello"),
        ("replicas", "number", "2"),
        ("port", "numberOrString", "80"),
        ("labels", "object", "{}"),
        ("args", "array", "[]"),
        ("weight", "int", "1"),
    ]
    assert found.parameters[0].description == "Name of all objects"
    assert found.body.startswith("local k = import")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("// @description x\n\n{}", "has no @name"),
        ("// free text\n{}", "must begin with a tag such as @name, not 'free text'"),
        ("// @name a\n// @name b\n{}", "two @name fields"),
        ("// @name a\n// @nope b\n{}", "@nope is not a prototype's tag"),
        ("// @name a\n// @param x string\n{}", "must be '@param <name> <type> <description>'"),
        ("// @name a\n// @param x text y\n{}", "has type text; there are string, number"),
        ("// @name a\n// @param x int y\n// @param x int y\n{}", "parameter x is there twice"),
    ],
)
def test_wrong_headings(text: str, message: str) -> None:
    with pytest.raises(KsonnetError, match=message):
        prototype.parse(text, "p.jsonnet")


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("string", 'a"b', 'a"b'),
        ("string", 80, "80"),
        ("string", True, "true"),
        ("number", "1.5", 1.5),
        ("number", 3, 3),
        ("numberOrString", "80", 80),
        ("numberOrString", "http", "http"),
        ("int", "7", 7),
        ("object", {"a": [1]}, {"a": [1]}),
        ("object", '{ "a": 1 }', {"a": 1}),
        ("array", [1, None], [1, None]),
        ("string", None, None),
    ],
)
def test_types(type_: str, value: Any, expected: Any) -> None:
    assert json.loads(Parameter("x", type_, "an x").code(value, "p")) == expected


@pytest.mark.parametrize(
    ("type_", "value", "message"),
    [
        ("string", {}, r"must be a string, not dict \(an x\)"),
        ("number", "many", r"must be a number, not 'many' \(an x\)"),
        ("numberOrString", [], "must be a number"),
        ("int", 1.5, r"must be a whole number, not 1\.5"),
        ("int", True, "must be a whole number"),
        ("object", [], r"must be an object, not \[\]"),
        ("object", "{", "must be an object or its jsonnet text: .*never closed"),
        ("array", {}, "must be an array"),
    ],
)
def test_wrong_types(type_: str, value: Any, message: str) -> None:
    with pytest.raises(KsonnetError, match=message):
        Parameter("x", type_, "an x").code(value, "p")


def test_a_missing_parameter_names_the_prototype_and_its_description() -> None:
    with pytest.raises(KsonnetError) as caught:
        site().codes({}, "shop")
    assert str(caught.value) == (
        "prototype test.bramble.site (component 'shop') needs the parameter "
        "image (string: Container image of the server)"
    )


def test_imports_of_parameters() -> None:
    body = (
        "// import 'param://no'\n"
        "{ a: import  'param://a', b: import \"env://namespace\", c: import 'x://y', d: import 'param://a-b' }"
    )
    text = prototype.Prototype("p", "", body).expand("my-c")
    assert text.splitlines()[1] == 'local params = std.extVar("__ksonnet/params").components["my-c"];'
    assert "// import 'param://no'" in text
    assert "{ a: params.a, b: env.namespace, c: import 'x://y', d: params[\"a-b\"] }" in text
    assert "components.plain;" in prototype.Prototype("p", "", "{}").expand("plain")


def test_finding_by_the_end_of_the_name() -> None:
    known = [site(), *system_prototypes.PROTOTYPES]
    assert prototype.find("site", known).name == "test.bramble.site"
    assert prototype.find("single-port-service", known).name == "io.ksonnet.pkg.single-port-service"
    with pytest.raises(KsonnetError, match=r"could be any of .*deployed-service, .*single-port-service: name one"):
        prototype.find("service", known)
    with pytest.raises(KsonnetError, match=r"no prototype is called 'bramble'; close are: test\.bramble\.site"):
        prototype.find("bramble", known)
    with pytest.raises(KsonnetError, match=r"no prototype is called 'zzz'; installed are: io\.ksonnet"):
        prototype.find("zzz", known)


def test_built_in_prototypes_render(build: Builder) -> None:
    params = {"image": "i:1", "targetLabelSelector": {"app": "x"}, "data": {"k": "v"}}
    components = []
    for found in system_prototypes.PROTOTYPES:
        short = found.name.rsplit(".", 1)[-1]
        if short == "namespace":  # the test API has none
            continue
        given = {k: v for k, v in params.items() if k in {p.name for p in found.parameters}}
        components.append({"name": short, "prototype": found.name, "params": given})
    build.apply(
        libraries=[{"openapi": str(FIXTURES / "openapi/v1.7.0.json")}],
        environments=[{"name": "default"}],
        components=components,
    )
    objects = build.render().objects
    assert [(o["kind"], o["metadata"]["name"]) for o in objects] == [
        ("ConfigMap", "configMap"),
        ("Service", "deployed-service"),
        ("Deployment", "deployed-service"),
        ("Deployment", "single-port-deployment"),
        ("Service", "single-port-service"),
    ]
    assert objects[3]["spec"]["template"]["spec"]["containers"][0]["ports"] == [{"containerPort": 80}]
