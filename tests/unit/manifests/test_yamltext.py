"""YAML is read as kubectl reads it."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ManifestError
from ansible_collections.bramble.kube.plugins.module_utils.manifests.yamltext import documents, plain


def read(text: str):
    return [content for _line, content in documents(text, "f.yaml")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2020-01-01", "2020-01-01"),
        ("22:80", "22:80"),
        ("10.0.0.1", "10.0.0.1"),
        ("0644", 420),
        ("0o17", 15),
        ("0x1f", 31),
        ("-5", -5),
        ("1e3", 1000),
        ("1.0", 1),
        ("1.5", 1.5),
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("null", None),
        ("1.2.3", "1.2.3"),
        ("-", "-"),
        ("1e400", "1e400"),
        ("1e999", "1e999"),
        ("9" * 5000, "9" * 5000),
        ("y", True),
        ("N", False),
        ("08", 8),
        ("0_8", 8),
        ("0_", 0),
        ("1e_3", 1000),
        ("+0o14", 12),
        ("0X1F", 31),
        ("0B11", 3),
        (".1_5", 0.15),
        ("._5", "._5"),
        ("_5", "_5"),
        ("=", "="),
        ("<<", "<<"),
        ("9223372036854775807", 9223372036854775807),
        ("9223372036854775808", 9223372036854775808.0),
        ("99999999999999999999", 1e20),
        ("0xFFFFFFFFFFFFFFFFFF", "0xFFFFFFFFFFFFFFFFFF"),
    ],
)
def test_plain_scalars(text, value):
    assert plain(text) == value and type(plain(text)) is type(value)


def test_quoted_scalars_stay_text_and_keys_become_text():
    assert read("a: '1'\n1: \"yes\"\ntrue: |\n  10\n") == [{"a": "1", "1": "yes", "true": "10\n"}]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("! 08", "08"),
        ("!custom 08", "08"),
        ("!!str 08", "08"),
        ("!!binary aGk=", "hi"),
        ("!!float 1.5", 1.5),
        ("!!bool y", True),
        ("!!null ~", None),
        ('!!int "7"', 7),
        ("!!int 0x1E", 30),
        ("{!!merge <<: {b: 1}}", {"b": 1}),
    ],
)
def test_tags(text, value):
    assert read(f"a: {text}") == [{"a": value}]


@pytest.mark.parametrize(
    "text",
    [
        ".inf",
        "-.INF",
        ".NaN",
        "!!int x",
        "!!int 1.0",
        "!!int 1e3",
        "!!binary /w==",
        '!!binary "a"',
        "{~: 1}",
        "{1e20: 1}",
    ],
)
def test_what_json_cannot_hold_is_refused_with_its_line(text):
    with pytest.raises(ManifestError, match=r"^f\.yaml:2 "):
        read(f"# c\na: {text}")


def test_a_merge_overwrites_what_stands_above_it_and_not_what_stands_below():
    base = "b: &b {k: 1, l: 1}\n"
    assert read(base + "c: {k: 2, <<: *b, l: 2}\n")[0]["c"] == {"k": 1, "l": 2}
    assert read(base + "c: {<<: [{k: 3}, *b]}\n")[0]["c"] == {"k": 3, "l": 1}
    with pytest.raises(ManifestError, match="second time"):
        read(base + "c: {k: 2, <<: *b, k: 3}\n")


def test_anchors_and_merges_give_copies():
    content = read("a: &x {k: [1]}\nb: *x\nc: {<<: *x, z: 1}\nd: {k: 2, <<: *x}\n")[0]
    assert content["b"] == content["a"] and content["b"] is not content["a"]
    assert content["c"] == {"k": [1], "z": 1} and content["d"] == {"k": [1]}


def test_lines_are_those_of_the_documents_content():
    assert [line for line, _content in documents("# c\n\na: 1\n---\n\n# c\nb: 2\n", "f")] == [3, 7]


# PyYAML takes 1e3, 08 and y for text and writes them without quotes; kubectl, and so we, take them for something else.
texts = st.text(max_size=8).filter(lambda text: isinstance(plain(text), str) or yaml.safe_dump(text)[0] in "'\"")
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(values)
def test_reads_back_what_pyyaml_wrote(value):
    assert read(yaml.safe_dump(value)) == [value]


def test_aliases_of_aliases_do_not_grow_without_a_bound():
    text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi")
    )
    with pytest.raises(ManifestError, match=r"f:5 expands to more than 100000 values through its aliases"):
        list(documents(text, "f"))
    assert len(next(documents("\n".join(text.splitlines()[:4]), "f"))[1]["d"]) == 10


def test_what_is_nested_too_deep_is_one_sentence():
    with pytest.raises(ManifestError, match="nested too deep"):
        list(documents("[" * 100_000, "f"))
