# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/train.md as it stands there, typed on the laptop."""

from __future__ import annotations

import re

import pytest
from lab_cluster import Cluster
from page_blocks import blocks, typed

CLUSTER = Cluster("cluster")
TRAINJOB, TFJOB = ["".join(typed(block)) for block in blocks("console") if block.page == "docs/train.md"]


@pytest.fixture(autouse=True)
def away():
    """What the page makes goes again."""
    yield
    CLUSTER.kubectl("delete", "trainjobs,trainingruntimes,tfjobs", "--all", "--namespace=default")


def test_a_trainjob_tells_its_three_pods_who_they_are() -> None:
    printed = CLUSTER.typed(TRAINJOB)
    assert sorted(re.findall(r"^(\d) \d+\.\d+\.\d+$", printed, re.MULTILINE)) == ["0", "1", "2"], printed


def test_a_tfjob_succeeds() -> None:
    assert "tfjob.kubeflow.org/hello condition met" in CLUSTER.typed(TFJOB)
