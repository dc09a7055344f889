# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A benchmark, or a round of faults, that does not know a name says so at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["tests/bench/push/run", "--contenders", "kubectl-ssa"], "kubectl-ssa is not known; known are floor, ping,"),
        (["tests/bench/ksonnet/run", "--evaluators", "jsonet"], "jsonet is not known; known are "),
        (["tests/faults/run", "--faults", "no such"], "invalid choice: 'no such'"),
        (["tests/mutation/run", "--seed", "1", "--at", "a.py:1"], "a.py:1 is none of this seed's places"),
        (["tools/bench", "push", "pusch"], "there is no pusch; there are base"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_it_is_refused_before_anything_is_built(command: list[str], sentence: str) -> None:
    start = [] if command[0].startswith("tools") else [sys.executable]
    done = subprocess.run(
        [*start, *command],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2 and sentence in done.stderr, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
