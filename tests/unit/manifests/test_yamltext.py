"""YAML is read as kubectl reads it."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

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
        ("y", "y"),
    ],
)
def test_plain_scalars(text, value):
    assert plain(text) == value and type(plain(text)) is type(value)


def test_quoted_scalars_stay_text_and_keys_become_text():
    assert read("a: '1'\n1: \"yes\"\ntrue: |\n  10\n") == [{"a": "1", "1": "yes", "true": "10\n"}]


def test_anchors_give_copies_and_merges_do_not_override():
    content = read("a: &x {k: [1]}\nb: *x\nc: {<<: *x, z: 1}\nd: {k: 2, <<: *x}\n")[0]
    assert content["b"] == content["a"] and content["b"] is not content["a"]
    assert content["c"] == {"k": [1], "z": 1} and content["d"] == {"k": 2}


def test_lines_are_those_of_the_documents_content():
    assert [line for line, _content in documents("# c\n\na: 1\n---\n\n# c\nb: 2\n", "f")] == [3, 7]


# PyYAML takes 1e3 for text and writes it without quotes; kubectl, and so we, take it for a number.
texts = st.text(max_size=8).filter(lambda text: not re.fullmatch(r"[-+]?[0-9.]+[eE][-+]?[0-9]+", text))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(values)
def test_reads_back_what_pyyaml_wrote(value):
    assert read(yaml.safe_dump(value)) == [value]
