"""An expression is compiled at its first use, and is then the same as one that re.compile made."""

from __future__ import annotations

import re

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common.late import late


def test_nothing_is_compiled_before_the_first_use(monkeypatch):
    compiled = []
    monkeypatch.setattr(
        re, "compile", lambda text, flags=0, make=re.compile: compiled.append(text) or make(text, flags)
    )
    word = late(r"\w+")
    assert compiled == []
    assert word.match("ä b")[0] == "ä" and word.match("c")[0] == "c" and compiled == [r"\w+"]


def test_it_is_what_re_compile_makes():
    plain, made = re.compile(r"(a)(b)?", re.IGNORECASE), late(r"(a)(b)?", re.IGNORECASE)
    for text in ("ab", "AAb", "", "x"):
        assert made.sub("-", text) == plain.sub("-", text) and made.findall(text) == plain.findall(text)
        assert bool(made.fullmatch(text)) is bool(plain.fullmatch(text))
    assert made.pattern == plain.pattern and made.flags == plain.flags


def test_a_mistake_is_an_error_of_re():
    with pytest.raises(re.error):
        late("(").match("")
