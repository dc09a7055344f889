# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cuts the power of a virtual Pi at the beginning of a task, and writes down how many tasks there were."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: power_cut
type: aggregate
short_description: Cuts the power of a virtual Pi at the beginning of a task
description:
  - Kills the container POWER_CUT_CONTAINER when task number POWER_CUT_TASK begins, and starts it again.
  - Writes the tasks' names, one in a line, into POWER_CUT_TASKS.
"""


class CallbackModule(CallbackBase):
    """Counts tasks that run on the Pi."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "power_cut"

    def __init__(self) -> None:
        super().__init__()
        self.count = -1
        Path(os.environ["POWER_CUT_TASKS"]).write_text("")

    def v2_runner_on_start(self, host, task) -> None:
        """Begin of a task on the Pi; skipped ones begin, too."""
        self.count += 1
        with open(os.environ["POWER_CUT_TASKS"], "a", encoding="utf-8") as file:
            file.write(f"{task.get_name()}\n")
        if self.count == int(os.environ.get("POWER_CUT_TASK", "-1")):
            container = os.environ["POWER_CUT_CONTAINER"]
            subprocess.run(["docker", "kill", "-s", "KILL", container], check=True, stdout=subprocess.DEVNULL)
            subprocess.run(["docker", "start", container], check=True, stdout=subprocess.DEVNULL)
