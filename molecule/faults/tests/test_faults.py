# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All faults and thirty power cuts are survived. tests/faults/run tells what happens, and remembers each try."""

from __future__ import annotations

import subprocess
import sys

from lab_cluster import ROOT, environment


def test_every_fault_and_thirty_power_cuts_are_survived() -> None:
    command = [sys.executable, str(ROOT / "tests/faults/run"), "--faults", "--cuts", "30"]
    assert subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode == 0
