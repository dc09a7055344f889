"""docs/preflight.md lists what the checks say today."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.preflight.checks import CHECKS
from ansible_collections.bramble.kube.plugins.module_utils.preflight.inventory import inventory_errors
from ansible_collections.bramble.kube.plugins.module_utils.preflight.manual import (
    EXAMPLES,
    checks_table,
    example,
    inventory_table,
    with_table,
)

MANUAL = Path(__file__).resolve().parents[3] / "docs" / "preflight.md"


def test_the_manual_is_current():
    text = MANUAL.read_text(encoding="utf-8")
    assert text == with_table(text), "write it again: see plugins/module_utils/preflight/manual.py"


def test_each_check_and_sentence_is_in_it():
    table = checks_table()
    assert table.count("\n") == 1 + sum(len(check.outcomes) for check in CHECKS)
    assert all(f"**{check.name}**" in table for check in CHECKS) and "{" not in table


@pytest.mark.parametrize("change", [change for _what, change in EXAMPLES], ids=str)
def test_each_wrong_inventory_of_the_manual_has_one_sentence(change):
    sentences = inventory_errors(example(change))
    assert sentences
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in sentences)
    assert "|---|" in inventory_table()


def test_the_inventory_that_they_are_made_from_is_right():
    assert inventory_errors(example({})) == []


def test_a_text_without_a_place_is_refused():
    with pytest.raises(ValueError, match="lacks the lines"):
        with_table("# Preflight\n")
