"""An app is code from the internet: what it may read, and how much it may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from app_builder import Builder

from ansible_collections.bramble.kube.plugins.module_utils.ksonnet import bindings
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet import evaluator as e
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.errors import KsonnetError
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.native import (
    escape_regex,
    regex_subst,
    resolve_image,
)

BINDINGS = [name for name in e.BINDINGS if e.available(name)]


@pytest.mark.parametrize("evaluator", BINDINGS)
@pytest.mark.parametrize("how", ['import "{}"', 'importstr "{}"'])
def test_files_outside_the_app_cannot_be_imported(app: Builder, tmp_path: Path, evaluator: str, how: str) -> None:
    secret = tmp_path / "secret.libsonnet"
    secret.write_text('"s3cret"')
    for path in (str(secret), "../../secret.libsonnet", "/etc/hostname", "inside.libsonnet"):
        if path.startswith("inside"):
            (app.root / "components/inside.libsonnet").symlink_to(secret)
        app.write("components/bad.jsonnet", how.format(path))
        with pytest.raises(KsonnetError, match="is refused: it is outside the app and its libraries") as caught:
            app.render(components=["bad"], evaluator=evaluator)
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("evaluator", ["auto", *(name for name in BINDINGS if name != "rjsonnet")])
def test_a_missing_import_names_its_line_each_time(app: Builder, evaluator: str) -> None:
    """gojsonnet gave an exception's message with bytes that were no text any more, now and then."""
    name = "no/" + "such" * 40 + ".libsonnet"
    app.write("components/bad.jsonnet", f'local x = 1;\nlocal y = import "{name}";\n{{ a: y.b }}')
    for _time in range(5):
        with pytest.raises(KsonnetError, match=r"components/bad\.jsonnet, line 2: import of 'no/such.* found nothing"):
            app.render(components=["bad"], evaluator=evaluator)


def test_library_dirs_are_allowed(app: Builder, tmp_path: Path) -> None:
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs/own.libsonnet").write_text('{ apiVersion: "v1", kind: "ConfigMap" }')
    app.write("components/own.jsonnet", 'import "own.libsonnet"')
    assert len(app.render(components=["own"], library_dirs=[str(tmp_path / "libs")]).objects) == 1


@pytest.mark.parametrize("evaluator", BINDINGS)
def test_depth_is_limited(evaluator: str) -> None:
    with pytest.raises(KsonnetError, match=r"(?i)stack"):
        e.evaluate_text("local f(x) = 1 + f(x + 1); f(0)", e.Limits(depth=100), [evaluator])


@pytest.mark.parametrize("evaluator", BINDINGS)
def test_time_is_limited(evaluator: str) -> None:
    code = "std.foldl(function(a, i) a + std.length(std.range(0, i)), std.range(0, 1000000), 0)"
    with pytest.raises(KsonnetError, match=r"longer than 0\.3 seconds and was stopped.*limits\.seconds"):
        e.evaluate_text(code, e.Limits(seconds=0.3, memory_mb=4000), [evaluator])


@pytest.mark.parametrize("evaluator", BINDINGS)
def test_memory_is_limited(evaluator: str) -> None:
    code = 'std.length(std.foldl(function(a, i) a + a, std.range(0, 40), "0123456789"))'
    with pytest.raises(KsonnetError, match=r"more than 200 MiB of memory.*limits\.memory_mb"):
        e.evaluate_text(code, e.Limits(memory_mb=200, seconds=30), [evaluator])


@pytest.mark.parametrize("evaluator", BINDINGS)
def test_what_the_process_holds_already_does_not_count(evaluator: str) -> None:
    ballast = bytearray(300 * 2**20)
    assert e.evaluate_text("1 + 1", e.Limits(memory_mb=200, seconds=30), [evaluator]) == 2
    del ballast


def test_no_evaluator_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bindings, "BINDINGS", {"rjsonnet": "no_such_module"})
    with pytest.raises(KsonnetError, match="pip install rjsonnet"):
        e.pick()


def test_the_next_binding_is_the_fallback(monkeypatch: pytest.MonkeyPatch, app: Builder) -> None:
    monkeypatch.setattr(e, "BINDINGS", {**e.BINDINGS, "rjsonnet": "no_such_module"})
    assert app.render().evaluator == next(name for name in BINDINGS if name != "rjsonnet")


PLUS = """local t = { name: "fit" };
{
  apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" },
  data: { step: + t.name, sum: "%d" % (1 + +1), last: if true then + "x" else "", joined: "a" + "b" },
}
"""


@pytest.mark.parametrize("evaluator", ["auto", *BINDINGS])
def test_a_unary_plus_on_text_gives_the_text_as_with_ks(app: Builder, evaluator: str) -> None:
    app.write("components/plus.libsonnet", PLUS)
    app.write("components/plus.jsonnet", 'import "plus.libsonnet"')
    (found,) = app.render(components=["plus"], evaluator=evaluator).objects
    assert found["data"] == {"step": "fit", "sum": "2", "last": "x", "joined": "ab"}


#: Where a plus has no left side, and what comes of it; in the last ones it has one.
UNARY = [
    ('(function(a) + a)("v")', "v"),
    ('(function(a, b=(1 + 2)) + a)("v")', "v"),
    ("(function(a) /* why */ + a)('v')", "v"),
    ('(function(a="(") + a)()', "("),
    ('(function(a) function(b) + a + + b)("x")("y")', "xy"),
    ('std.map(function(x) +x, ["a"])[0]', "a"),
    ('local f(x) = +x; f("v")', "v"),
    ('{ f(x):: +x, b: self.f("q") }.b', "q"),
    ('+ +"a"', "a"),
    ('(+"abc")[1]', "b"),
    ('[x for x in + ["a"] if + x == "a"][0]', "a"),
    ('"%s"%+"a"', "a"),
    ('{ a: # why\n + "x" }.a', "x"),
    ('if "a" in +{ a: 1 } then "y"', "y"),
    ('assert +"a" == "a" : + "no"; "z"', "z"),
    ('{ a:+"x", b::+"y", c+:+"z" }.c', "z"),
    ('|||\n  a + b\n||| + +"c"', "a + b\nc"),
    ('local x = "a"; local h = function(y) (y) + "b"; +h(x)', "ab"),
    ('{ a: (function(x) x)("a") + "b", c: +"d" }.a', "ab"),
]


@pytest.mark.parametrize(("code", "value"), UNARY)
def test_a_plus_without_a_left_side_gives_what_stands_behind_it(app: Builder, code: str, value: str) -> None:
    app.write(
        "components/plus.jsonnet", f"""{{ apiVersion: "v1", kind: "ConfigMap", data: {{ a: ({code}), b: + "b" }} }}"""
    )
    (found,) = app.render(components=["plus"]).objects
    assert found["data"] == {"a": value, "b": "b"}


def test_a_minus_on_text_stays_an_error(app: Builder) -> None:
    app.write("components/minus.jsonnet", '{ apiVersion: "v1", kind: "X", a: + "x", b: -"x" }')
    with pytest.raises(KsonnetError, match=r"components/minus\.jsonnet, line 1: .*type string"):
        app.render(components=["minus"])


@pytest.mark.parametrize("code", ["std.thisFile", 'import "slash.json"', "std.escapeStringJson(0.5)"])
def test_what_the_first_binding_cannot_is_taken_from_another(app: Builder, code: str) -> None:
    app.write("components/slash.json", r'"a\/b"')
    app.write("components/odd.jsonnet", f'{{ apiVersion: "v1", kind: "ConfigMap", data: {{ a: {code} }} }}')
    result = app.render(components=["odd"])
    assert isinstance(result.objects[0]["data"]["a"], str)
    assert result.evaluator == "gojsonnet"


FRACTIONS = """{
  apiVersion: "v1", kind: "ConfigMap",
  data: { rate: "--lr=" + 0.1, list: "" + [0.7], whole: "" + 1e23, exact: "" + 0.5, image: "a:0.3", third: "" + 1 / 3 },
}"""


@pytest.mark.parametrize("evaluator", ["auto", *(name for name in BINDINGS if name != "rjsonnet")])
def test_a_fraction_becomes_the_text_that_ks_made_of_it(app: Builder, evaluator: str) -> None:
    app.write("components/rate.jsonnet", FRACTIONS)
    result = app.render(components=["rate"], evaluator=evaluator)
    assert result.objects[0]["data"] == {
        "rate": "--lr=0.10000000000000001",
        "list": "[0.69999999999999996]",
        "whole": "99999999999999991611392",
        "exact": "0.5",
        "image": "a:0.3",
        "third": "0.33333333333333331",
    }
    assert not result.warnings and "rjsonnet" not in result.evaluator


def test_without_such_a_binding_the_short_form_is_told(app: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    app.write("components/rate.jsonnet", FRACTIONS)
    assert app.render(components=["rate"], evaluator="rjsonnet").warnings == []
    monkeypatch.setattr(e, "BINDINGS", {"rjsonnet": "rjsonnet"})
    result = app.render(components=["rate"])
    assert result.objects[0]["data"]["rate"] == "--lr=0.1" and result.evaluator == "rjsonnet"
    assert any("fractions became text (0.1, 0.3333333333333333, 0.7, " in text for text in result.warnings)


def test_fractions_that_were_text_before_are_no_reason_to_evaluate_again(app: Builder) -> None:
    app.write(
        "components/text.jsonnet",
        '{ apiVersion: "v1", kind: "ConfigMap", data: { a: "v0.1", b: "x" + "0.3", c: |||\n  0.7s\n|||, d: "1.2.3" } }',
    )
    assert app.render(components=["text"]).evaluator == "rjsonnet"


def test_native_functions_follow_go() -> None:
    assert regex_subst("(a)(?P<x>b)", "abab", "$2${1}$$${nope}") == "ba$ba$"
    assert escape_regex("a.b-c[d]") == r"a\.b-c\[d\]"
    assert resolve_image("registry.lan:5000/nginx") == "registry.lan:5000/nginx:latest"
    assert resolve_image("nginx:1@sha256:0") == "nginx:1@sha256:0"


@pytest.mark.parametrize("evaluator", BINDINGS)
def test_ext_vars_and_native_functions_reach_components(app: Builder, evaluator: str) -> None:
    app.write(
        "components/ext.jsonnet",
        'std.native("parseYaml")("apiVersion: v1\\nkind: ConfigMap")[0] '
        '{ data: { v: std.extVar("mine"), m: std.native("regexMatch")("^a", "ab") } }',
    )
    result = app.render(components=["ext"], ext_vars={"mine": 'quo"te'}, evaluator=evaluator)
    assert result.objects[0]["data"] == {"v": 'quo"te', "m": True}
