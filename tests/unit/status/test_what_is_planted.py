"""The lab plants a violation for every item of the audit that can fail, or says why not."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3] / "molecule" / "status" / "tests"))

from audited import ALWAYS_EXPLAINED
from planted import GROUPS, NOT_PLANTED

from ansible_collections.bramble.kube.plugins.module_utils.status.audit import NOT_CHECKED
from ansible_collections.bramble.kube.plugins.module_utils.status.audit_items import ITEMS


def test_every_item_that_can_fail_is_tried_on_the_lab() -> None:
    planted = {item for group in GROUPS for violation in group.violations for item in violation.items.split()}
    assert {item.name for item in ITEMS if NOT_CHECKED not in item.outcomes} - planted - set(
        NOT_PLANTED
    ) == ALWAYS_EXPLAINED
    assert not planted & set(NOT_PLANTED)


def test_no_two_violations_are_the_same() -> None:
    said = [(violation.items, violation.what) for group in GROUPS for violation in group.violations]
    assert len(said) == len(set(said))
    assert len(said) > 100
