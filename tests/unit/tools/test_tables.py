"""The tables of docs/ say what the code says today."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from marks import BEGIN, END, filled
from preflight import EXAMPLES, checks, example, inventories

from ansible_collections.bramble.kube.plugins.module_utils.preflight.checks import CHECKS
from ansible_collections.bramble.kube.plugins.module_utils.preflight.inventory import inventory_errors

TABLES = Path(__file__).resolve().parents[3] / "tools" / "tables"


def test_the_pages_are_current():
    done = subprocess.run([sys.executable, TABLES, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_each_check_and_sentence_is_in_it():
    table = checks()
    assert table.count("\n") == 1 + sum(len(check.outcomes) for check in CHECKS)
    assert all(f"**{check.name}**" in table for check in CHECKS) and "{" not in table


@pytest.mark.parametrize("change", [change for _what, change in EXAMPLES], ids=str)
def test_each_wrong_inventory_of_the_manual_has_one_sentence(change):
    sentences = inventory_errors(example(change))
    assert sentences
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in sentences)
    assert "|---|" in inventories()


def test_the_inventory_that_they_are_made_from_is_right():
    assert inventory_errors(example({})) == []


def test_a_table_goes_between_its_marks_and_nowhere_else():
    page = f"# Page\n{BEGIN.format('one', 'make tables')}\n\nold\n\n{END}\nrest\n"
    assert filled(page, "one", "new") == page.replace("old", "new")
    with pytest.raises(ValueError, match="lacks the lines"):
        filled(page, "another", "new")
