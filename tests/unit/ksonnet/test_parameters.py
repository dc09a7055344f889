"""params.libsonnet: what is set is what is rendered, and all that people wrote stays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import rjsonnet
from app_builder import Builder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.errors import KsonnetError
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.jsonnet_text import (
    Document,
    key_text,
    string_value,
    tokenize,
    value_text,
)
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.parameters import (
    ENVIRONMENT_PARAMS,
    GLOBALS,
    MODULE_PARAMS,
    Editor,
)

try:
    import _jsonnet as other
except ImportError:  # no wheel for Linux on ARM
    other = rjsonnet


def evaluate(code: str, **codes: str) -> Any:
    """By another binding than the one that the modules prefer (and none with threads: the modules fork)."""
    return json.loads(other.evaluate_snippet("test", code, ext_codes=codes))


def editor(text: str) -> Editor:
    return Editor(text, "params.libsonnet", lambda code: json.loads(rjsonnet.evaluate_snippet("value", code)))


PEOPLE = """// Our parameters
local zone = 'z1';  // where
{
  global: { color: 'red' },  # shared
  components: {
    // the front
    front: {
      image: 'a"b',
      size: 1, // keep small
      nested+: { deep: [1, { x: "}" }], },
      text: |||
        { not: a field }
        |||x
      |||,
      zone: zone,
      hidden:: 'h' },
    "back-end": { "a-b": @'it''s', computed: 1 + 2 } + { extra: true },
    [zone + 'x']: { y: 1 },
    local helper = { z: 1 },
    made: { [k]: k for k in ['p', 'q'] },
    assert true,
  },
}
"""


def test_a_new_value_changes_its_own_text_alone() -> None:
    edit = editor(PEOPLE)
    assert edit.set("front", {"size": 2})
    assert edit.text == PEOPLE.replace("size: 1,", "size: 2,")


@pytest.mark.parametrize(
    ("component", "name", "value"),
    [("front", "image", 'a"b'), ("front", "size", 1.0), ("back-end", "extra", True)],
)
def test_an_equal_value_changes_nothing(component: str, name: str, value: Any) -> None:
    edit = editor(PEOPLE)
    assert not edit.set(component, {name: value})
    assert edit.text == PEOPLE


@pytest.mark.parametrize("component", ["front", "back-end", "made", "new one"])
def test_new_parameters_come_in_beside_the_old(component: str) -> None:
    edit = editor(PEOPLE)
    before = evaluate(PEOPLE)["components"].get(component, {})
    assert edit.set(component, {"added": {"x": [None, "ü"]}, "in": 1})
    after = evaluate(edit.text)
    assert after["components"][component] == {**before, "added": {"x": [None, "ü"]}, "in": 1}
    assert [line for line in PEOPLE.splitlines() if "//" in line or "#" in line] == [
        line for line in edit.text.splitlines() if "//" in line or "#" in line
    ]
    assert not editor(edit.text).set(component, {"added": {"x": [None, "ü"]}, "in": 1})


def test_merged_and_hidden_fields_become_plain() -> None:
    edit = editor(PEOPLE)
    edit.set("front", {"nested": {"a": 1}, "hidden": "seen", "text": "short"})
    assert evaluate(edit.text)["components"]["front"]["nested"] == {"a": 1}
    assert evaluate(edit.text)["components"]["front"]["hidden"] == "seen"
    assert evaluate(edit.text)["components"]["front"]["text"] == "short"


def test_removing() -> None:
    edit = editor(PEOPLE)
    assert edit.unset("front", ["size", "nope"])
    assert "size" not in evaluate(edit.text)["components"]["front"]
    assert edit.remove_component("back-end")
    assert not edit.remove_component("back-end")
    assert set(evaluate(edit.text)["components"]) == {"front", "z1x", "made"}
    assert "// the front" in edit.text


def test_an_environment_of_any_release() -> None:
    for text in (ENVIRONMENT_PARAMS, ENVIRONMENT_PARAMS.replace("params + {", "params {")):
        edit = editor(text.replace('import "globals.libsonnet"', "{ g: 1 }"))
        assert edit.set("web.front", {"size": 3}, override=True)
        assert '"web.front" +: {' in edit.text
        codes = {"__ksonnet/params": '{ components: { "web.front": { size: 1, other: 2 } } }'}
        assert evaluate(edit.text, **codes)["components"]["web.front"] == {"size": 3, "other": 2, "g": 1}


def test_globals() -> None:
    edit = editor(GLOBALS)
    assert edit.set_global({"a": 1, "b-c": "x"}, ())
    assert evaluate(edit.text) == {"a": 1, "b-c": "x"}
    module = editor(MODULE_PARAMS)
    assert module.set_global({"a": 1})
    assert evaluate(module.text) == {"global": {"a": 1}, "components": {}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{\n  components: {\n", r"params\.libsonnet, line 2: '\{' is never closed"),
        ("{\n  a: 'x\n}", r"params\.libsonnet, line 2: string without an end"),
        ("{ a: 1 }\n]", r"params\.libsonnet, line 2: '\]' closes nothing"),
        ("import 'other.libsonnet'", "has no object with the field components"),
        ("{\n a: `b` }", r"line 2: unexpected character '`'"),
    ],
)
def test_what_cannot_be_edited_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(KsonnetError, match=message):
        editor(text).set("x", {"a": 1})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "which jsonnet has no number for"),
        (1 << 60, "give it as a string"),
        ({1: "a"}, "keys must be strings"),
        (object(), "has no place in jsonnet"),
    ],
)
def test_values_that_jsonnet_cannot_hold(value: Any, message: str) -> None:
    with pytest.raises(KsonnetError, match=message):
        editor(MODULE_PARAMS).set("x", {"a": value})


def test_tokens() -> None:
    text = 'a+:-1.5e3 /* c */ \'x\\\'y\' @"q""q" # end\n|||\n  t\n\n  u\n||| // done'
    assert [t.kind for t in tokenize(text)] == [
        *("word", "operator", "operator", "number", "comment", "string", "string", "comment", "string", "comment"),
    ]
    assert [string_value(s) for s in ("'x\\'\"y'", '@"q""q"', '"\\ud83d\\ude00\\n"')] == ["x'\"y", 'q"q', "😀\n"]
    assert (key_text("in"), key_text("a_1"), key_text("a-b")) == ('"in"', "a_1", '"a-b"')
    assert Document("local x = 1; {a: {b: x}}", "t").parameters_object().field("a") is not None


# Beyond 2^53 a binding may write a whole number with its shortest digits, which are another integer.
NUMBERS = st.one_of(
    st.integers(-(1 << 53), 1 << 53),
    st.floats(-(1 << 53), 1 << 53, width=32),
    st.floats(0, 1, exclude_min=True, width=32),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)
PARAMETERS = st.dictionaries(TEXT, VALUES, max_size=4)


@settings(max_examples=50, deadline=None)
@given(first=PARAMETERS, second=PARAMETERS, component=TEXT, text=st.sampled_from([MODULE_PARAMS, PEOPLE]))
def test_what_is_set_is_what_is_there(first: dict, second: dict, component: str, text: str) -> None:
    """Random parameters, set twice: the file stays valid, the last values hold, a third time changes nothing."""
    edit = editor(text)
    others = evaluate(text)["components"]
    before = others.pop(component, {})
    edit.set(component, first)
    edit.set(component, second)
    found = evaluate(edit.text)["components"]
    if first or second or before:
        assert found.pop(component) == {**before, **first, **second}
    assert found == others
    if second:
        assert not editor(edit.text).set(component, second)
    assert edit.text.count("//") >= text.count("//")


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(TEXT, VALUES, min_size=1, max_size=3), overrides=PARAMETERS)
def test_what_is_set_is_what_is_rendered(build: Builder, values: dict, overrides: dict) -> None:
    """The whole way: declared for a component and an environment, rendered by the module's own evaluator."""
    shutil.rmtree(build.root, ignore_errors=True)
    Path(build.root).mkdir(parents=True)
    build.apply(environments=[{"name": "default"}])
    build.write(
        "components/c.jsonnet",
        '{ apiVersion: "v1", kind: "X", spec: std.extVar("__ksonnet/params").components.c }',
    )
    wanted = {
        "components": [{"name": "c", "params": values}],
        "environments": [{"name": "default", "params": {"c": overrides}}],
    }
    build.apply(**wanted)
    assert build.render().objects[0]["spec"] == {**values, **overrides}
    assert build.apply(**wanted) == []


@settings(max_examples=50, deadline=None)
@given(value=VALUES)
def test_values_survive_as_jsonnet(value: Any) -> None:
    assert evaluate(value_text(value, "x")) == value
