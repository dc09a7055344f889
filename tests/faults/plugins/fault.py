# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a command when a chosen task begins on a chosen host: a power cut, a broken network, whatever a test wants."""

from __future__ import annotations

import functools
import importlib
import os
import re
import signal
import subprocess
from pathlib import Path

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: fault
type: aggregate
short_description: Runs a command when a chosen task begins on a host
description:
  - Writes the names of the tasks that begin on host FAULT_HOST (any host, if unset), one in a line, into FAULT_TASKS.
  - Runs the shell command FAULT_COMMAND once, FAULT_DELAY seconds (0 by default) after task number FAULT_NUMBER begins
    there, or the first one whose name the pattern FAULT_NAME matches. Without a delay, the task waits for the command.
  - With FAULT_BEFORE, a function of plugins/plugin_utils as in "sealed.rotate", the command runs when that is called,
    and then the computer that runs Ansible loses its power, too - ansible-playbook is killed at once.
"""


def _cut_before(module: str, function: str) -> None:
    """Let a function never be called; the processes that do the work are forked off this one and inherit that."""
    room = importlib.import_module(f"ansible_collections.bramble.kube.plugins.plugin_utils.{module}")

    @functools.wraps(getattr(room, function))
    def cut(*_arguments, **_more):
        subprocess.run(["sh", "-c", os.environ["FAULT_COMMAND"]], check=True, stdout=subprocess.DEVNULL)
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(room, function, cut)


class CallbackModule(CallbackBase):
    """Counts tasks that begin on the host."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "fault"

    def __init__(self) -> None:
        super().__init__()
        self.count = -1
        self.done = False
        self._tasks = Path(os.environ["FAULT_TASKS"])
        self._tasks.write_text("")
        if os.environ.get("FAULT_BEFORE"):
            _cut_before(*os.environ["FAULT_BEFORE"].split("."))

    def _is_the_one(self, name: str) -> bool:
        pattern = os.environ.get("FAULT_NAME")
        if pattern:
            return re.search(pattern, name) is not None
        return self.count == int(os.environ.get("FAULT_NUMBER", "-1"))

    def v2_runner_on_start(self, host, task) -> None:
        """Begin of a task on a host; skipped ones begin, too."""
        if host.get_name() != os.environ.get("FAULT_HOST", host.get_name()):
            return
        self.count += 1
        with self._tasks.open("a", encoding="utf-8") as file:
            file.write(f"{task.get_name()}\n")
        if self.done or not self._is_the_one(task.get_name()):
            return
        self.done = True
        delay, command = float(os.environ.get("FAULT_DELAY", "0")), os.environ["FAULT_COMMAND"]
        if delay:
            subprocess.Popen(
                ["sh", "-c", f"sleep {delay}; {command}"], start_new_session=True, stdout=subprocess.DEVNULL
            )
        else:
            subprocess.run(["sh", "-c", command], check=True, stdout=subprocess.DEVNULL)
