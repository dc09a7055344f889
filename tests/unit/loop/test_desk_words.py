# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both languages say the same things, and nothing is said that has no words."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import board
import pytest
import rubric
import store
import words
from cases import CasesError
from element import h
from words import Words, choose

FOLDER = Path(words.__file__).parent
KNOWN = words.read()
#: Keys that are put together: what stands before the dot, and all that may follow.
FAMILIES = {
    "month": {str(number) for number in range(1, 13)},
    "notice": None,
    "phase": None,
    "live": None,
    "bar": None,
    "plain": None,
    "score": None,
    "role": set(board.ROLES),
    "loop": {"code", "data"},
    "ask": None,
    "table": None,
    "scores": None,
    "tally": None,
    "release": None,
    "test": set(rubric.TESTS),
    "section": set(rubric.SECTIONS),
    "evidence": None,
    "examples": None,
    "cases": None,
    "case": None,
}


def places(text: object) -> set[str]:
    texts = list(text.values()) if isinstance(text, dict) else [text]
    return {place for one in texts for place in re.findall(r"\{(\w+)\}", str(one))}


def test_two_languages() -> None:
    assert set(KNOWN) == {"en", "ja"}


def test_the_same_keys_and_places() -> None:
    assert set(KNOWN["en"]) == set(KNOWN["ja"])
    assert {key: places(text) for key, text in KNOWN["en"].items()} == {
        key: places(text) for key, text in KNOWN["ja"].items()
    }


def test_nothing_is_left_in_english() -> None:
    japanese = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")
    plain = [key for key, text in KNOWN["ja"].items() if not japanese.search(str(text))]
    assert sorted(plain) == ["gap", "list", "percent"], "a sentence without a Japanese letter"


def constants() -> set[str]:
    found = set()
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def test_every_key_of_the_code_has_words() -> None:
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            name = ast.unparse(node.func)
            if name in (
                "w",
                "visit.words",
                "words",
                "asked.visit.words",
                "w.rich",
                "Saying",
                "rules.Saying",
                "CasesError",
            ):
                assert node.args[0].value in KNOWN["en"], f"{file.name}:{node.lineno}"


def test_every_word_is_used() -> None:
    used = constants()
    unused = set()
    for key in KNOWN["en"]:
        family, _dot, member = key.partition(".")
        by_family = family in FAMILIES and (FAMILIES[family] is None or member in FAMILIES[family])
        by_page = key.endswith((".title", ".text")) and family in used
        if key not in used and not by_family and not by_page:
            unused.add(key)
    assert not unused


@pytest.mark.parametrize(
    ("wanted", "accept", "language"),
    [
        ("ja", "en", "ja"),
        ("", "ja,en;q=0.8", "ja"),
        ("", "fr-FR,fr;q=0.9,ja;q=0.5,en;q=0.4", "ja"),
        ("", "en-US,ja;q=0.9", "en"),
        ("", "ja;q=0, en;q=0.1", "en"),
        ("", "", "en"),
        ("xx", "ja;q=wrong", "en"),
        ("", "," * 1000, "en"),
    ],
)
def test_language(wanted: str, accept: str, language: str) -> None:
    assert choose(KNOWN, wanted, accept) == language


def test_one_and_many() -> None:
    english, japanese = (Words(tag, KNOWN[tag]) for tag in ("en", "ja"))
    assert english("models.waiting", count=1) == "1 release waits for a decision"
    assert english("models.waiting", count=1200) == "1,200 releases wait for a decision"
    assert japanese("models.waiting", count=1) == "1件のリリースが決定を待っています"


def test_elements_and_text_in_places() -> None:
    english = Words("en", KNOWN["en"])
    assert english.rich("models.live", release=h.b("<x>")) == "<b>&lt;x&gt;</b> is live."
    assert english.rich("release.reason", reason="<x>") == "The reason given: &lt;x&gt;"
    with pytest.raises(KeyError):
        english("models.live")


@pytest.mark.parametrize(
    ("value", "text"), [(3, "3"), (0.93, "0.93"), (0.96123, "0.9612"), (12345, "12,345"), (1234.5, "1,234"), (7.0, "7")]
)
def test_numbers(value: float, text: str) -> None:
    assert Words("en", KNOWN["en"]).number(value) == text


def test_moments() -> None:
    assert Words("en", KNOWN["en"]).moment("2026-11-29T23:30:00+09:00") == "29 Nov 2026, 14:30 UTC"
    assert Words("ja", KNOWN["ja"]).moment("2026-11-29T14:30:00Z") == "2026年11月29日 14:30（UTC）"
    assert Words("en", KNOWN["en"]).moment("<soon>") == "<soon>"


def test_an_owners_own_words() -> None:
    english, japanese = (Words(tag, KNOWN[tag]) for tag in ("en", "ja"))
    assert (english.own({"en": "Age", "ja": "年"}), japanese.own({"en": "Age", "ja": "年"})) == ("Age", "年")
    assert japanese.own({"en": "Age"}) == "Age" and japanese.own("Age") == "Age" and japanese.own(None) == ""


def test_cases_errors_name_their_words() -> None:
    assert CasesError("cases.form").key in KNOWN["en"]
    assert store.IDLE == 12 * 3600
