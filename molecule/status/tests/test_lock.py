# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A master that does not answer stops only what needs it, and is named."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests" / "support"))

from troubles import MASTER, NODE, Lab, healed, named


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The scenario's Pis, or those of the inventory in BRAMBLE_INVENTORY, without the master's power."""
    own = os.environ.get("BRAMBLE_INVENTORY")
    made = Lab(Path(own) if own else Path(__file__).resolve().parents[1] / "inventory")
    with healed(made), named("master_unreachable")[0].hurt(made):
        yield made


def test_a_node_is_prepared_without_the_master(lab: Lab) -> None:
    done = lab.play("site.yml", "--tags", "base", "--limit", NODE)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    assert f"{MASTER} does not answer" in said
    assert "goes on without the cluster's lock" in said


@pytest.mark.parametrize("arguments", [("site.yml",), ("playbooks/upgrade.yml",)], ids=lambda arguments: arguments[0])
def test_what_needs_the_master_says_that_it_does_not_answer(lab: Lab, arguments: tuple[str, ...]) -> None:
    done = lab.play(*arguments)
    assert done.returncode != 0
    assert f"{MASTER} cannot be reached at {lab.addresses[MASTER]}" in " ".join(done.stdout.split()), done.stdout[
        -3000:
    ]
    assert "changed=1" not in done.stdout
