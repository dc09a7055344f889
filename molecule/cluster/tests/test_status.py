# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""status.yml calls the finished cluster healthy, and names a few troubles; the scenario `status` causes all of them."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests" / "support"))

from troubles import NAMESPACE, Lab, healed, named, shown

CHEAP = named("kubelet_down", "swap_on", "image_cannot_be_pulled", "crash_loop")


@pytest.fixture(scope="module")
def lab() -> Lab:
    """The scenario's Pis."""
    return Lab(Path(__file__).resolve().parents[1] / "inventory")


def test_several_troubles_at_once_are_all_named(lab: Lab) -> None:
    with healed(lab), contextlib.ExitStack() as stack:
        for trouble in CHEAP:
            stack.enter_context(trouble.hurt(lab))
        done = lab.status()
    text = shown(done)
    for said in (said for trouble in CHEAP for said in trouble.says):
        assert said in text, done.stdout


def test_secrets_are_encrypted_and_the_audit_finds_nothing(lab: Lab) -> None:
    lab.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")  # of the troubles above, with Pods of any power
    done = lab.status("--tags", "audit")
    shown(done)
    # The lab's own images have no digest of anybody else's, so there they go by tag.
    assert re.findall(r"^ (\S+) .* fail\b", done.stdout, re.MULTILINE) == ["B.6"], done.stdout
    assert re.search(r"^ 1\.2\.28 .* pass\b", done.stdout, re.MULTILINE), done.stdout  # a long title takes more lines
