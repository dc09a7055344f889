"""YAML as Go's tools read it."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.errors import KsonnetError
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.yamlio import dump, load, load_all
from ansible_collections.bramble.kube.plugins.module_utils.manifests import yamltext


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(
            ("2001-01-01", "2001-01-01"),
            ("22:80", "22:80"),
            ("1e3", 1000.0),
            ("0x10", 16),
            ("017", 15),
            ("1_000", 1000),
        ),
        *(
            ("-.5", -0.5),
            ("1.5e-3", 0.0015),
            ("yes", True),
            ("off", False),
            ("'1'", "1"),
            ("~", None),
            ("1.2.3", "1.2.3"),
        ),
    ],
)
def test_reading(text: str, value: object) -> None:
    found = load(text, "t")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text", ["1e3", "1234e5", "y", "N", "22:30", "2001-01-01", "0o14", "yes", "null", "1", "-", "a\nb\n", " x"]
)
def test_text_stays_text_for_every_reader(text: str) -> None:
    written = dump({"k": text})
    assert load(written, "t") == yaml.safe_load(written) == {"k": text}
    assert written.startswith(("k: '", "k: |"))


def test_errors_and_documents() -> None:
    assert load_all("---\na: 1\n---\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]
    with pytest.raises(KsonnetError, match=r"^x\.yaml is not valid YAML: .* line 2"):
        load("{a: [", "x.yaml")


@given(st.text(alphabet="0123456789_eExXoObB.+-yYnN~=<:infaINFA", max_size=6) | st.text(max_size=6))
def test_text_is_text_again_for_kubectl(text):
    ((_line, content),) = yamltext.documents(dump({"value": text, text: 1}), "f")
    assert text in content and (text == "value" or content["value"] == text)


@pytest.mark.parametrize("text", ["08", "0_8", "+0o14", "0X1F", "1e_3", "y", ".inf", "=", "~"])
def test_text_that_looks_like_something_else_is_quoted(text):
    assert dump({"a": text}) == f"a: '{text}'\n"


def test_a_bare_equals_sign_is_text():
    assert load("a: =", "f") == {"a": "="}
