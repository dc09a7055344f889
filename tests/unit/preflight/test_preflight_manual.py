"""docs/preflight.md lists what the checks say today."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.preflight.checks import CHECKS
from ansible_collections.bramble.kube.plugins.module_utils.preflight.manual import checks_table, with_table

MANUAL = Path(__file__).resolve().parents[3] / "docs" / "preflight.md"


def test_the_manual_is_current():
    text = MANUAL.read_text(encoding="utf-8")
    assert text == with_table(text), "write it again: see plugins/module_utils/preflight/manual.py"


def test_each_check_and_sentence_is_in_it():
    table = checks_table()
    assert table.count("\n") == 1 + sum(len(check.outcomes) for check in CHECKS)
    assert all(f"**{check.name}**" in table for check in CHECKS) and "{" not in table


def test_a_text_without_a_place_is_refused():
    with pytest.raises(ValueError, match="lacks the lines"):
        with_table("# Preflight\n")
