# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""status.yml names the cause of every trouble, which is caused on the lab, and says nothing once it is over."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests" / "support"))

from troubles import TROUBLES, Lab, Trouble, healed, shown


@pytest.fixture(scope="module")
def lab() -> Lab:
    """The scenario's Pis, or those of the inventory in BRAMBLE_INVENTORY."""
    own = os.environ.get("BRAMBLE_INVENTORY")
    return Lab(Path(own) if own else Path(__file__).resolve().parents[1] / "inventory")


def test_a_healthy_cluster_is_called_healthy(lab: Lab) -> None:
    text = shown(lab.status())
    assert "3 of 3 Pis Ready, all is well" in text
    for name, address in lab.addresses.items():
        assert name in text
        assert address in text


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_a_trouble_is_named_with_its_cause(lab: Lab, trouble: Trouble) -> None:
    with healed(lab), trouble.hurt(lab):
        done = lab.status()
    text = shown(done)
    print(done.stdout)
    for said in trouble.says:
        assert said in text, done.stdout


def test_when_all_is_mended_all_is_well_again(lab: Lab) -> None:
    assert "3 of 3 Pis Ready, all is well" in shown(lab.status())
