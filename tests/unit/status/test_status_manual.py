"""The manual's tables are those of the checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.preflight.manual import filled
from ansible_collections.bramble.kube.plugins.module_utils.status.manual import BEGIN, END, PAGES

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_the_manual_is_current(name: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    current = filled(text, BEGIN, END, PAGES[name]())
    assert text == current, "write it again: see plugins/module_utils/status/manual.py"
