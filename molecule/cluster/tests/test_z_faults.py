# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample of tests/faults on this scenario's cluster, last because it breaks things; scenario faults has all."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest
from lab_cluster import ROOT

sys.path[:0] = [str(ROOT / "tests" / "faults")]

import catalogue
import cuts
from field import Field

SEED = int(os.environ.get("BRAMBLE_SEED") or random.SystemRandom().randrange(10**6))


@pytest.fixture(scope="module")
def field() -> Field:
    """The scenario's cluster, with a hundred ConfigMaps that must not be lost."""
    print(f"BRAMBLE_SEED={SEED} repeats what chance chooses")
    made = Field(Path(__file__).resolve().parents[1] / "inventory", configmaps=100, seed=SEED)
    made.start()
    made.must("site.yml")
    made.fill()
    return made


def test_power_cut_during_a_backup(field: Field) -> None:
    chance = random.Random(SEED)
    cut = cuts.Cut(0, SEED, "backup", field.master, chance.random(), round(chance.uniform(0, 4), 1))
    cuts.make(field, cut, print)


def test_half_of_etc_kubernetes_is_deleted_on_a_node(field: Field) -> None:
    catalogue.make(field, "half-deleted-node")


def test_no_room_for_a_backup(field: Field) -> None:
    catalogue.make(field, "disk-full-master")
