# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holds a lock on a machine for as long as this run of ansible-playbook lives.

A task's own SSH session ends with the task, and ControlPersist keeps the connection below it open for minutes after the
run: neither lives as long as the run does. So a keeper process on the laptop, in a session of its own, keeps one SSH
session with `flock` under it, and ends it at the moment when ansible-playbook ends, however that happens. The machine's
kernel frees the lock when flock's process dies.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from typing import Any

from ansible import context
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.bramble.kube.plugins.module_utils.common.run_lock import (
    HELD,
    REFUSED,
    Run,
    ask_script,
    hold_script,
    read_note,
    refusal,
)

#: Seconds until the lock must be there or refused.
PATIENCE = 60


def wait_for_end(process: int) -> None:
    """Return when a process that is no child of this one has ended; a zombie has."""
    if hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):
            number = os.pidfd_open(process)
            select.select([number], [], [])
        return
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.kill(process, 0)
            time.sleep(0.5)


class ActionModule(ActionBase):
    """Takes the lock, unless this run has it already."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Take the lock or refuse to go on."""
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(
            {
                "path": {"type": "path", "default": "/run/bramble.kube.lock"},
                "if_unreachable": {"type": "str", "choices": ["fail", "go_on"], "default": "fail"},
            }
        )
        if self._task.check_mode:
            return {"changed": False, "holder": ""}
        path, run = arguments["path"], self.this_run()
        try:
            trouble = "" if self.mine(path, run, 0) else self.take(path, run)
        except AnsibleConnectionFailure:
            if arguments["if_unreachable"] == "fail":
                raise
            host = self._task.delegate_to or (task_vars or {}).get("inventory_hostname")
            told = (
                f"{host} does not answer, so nobody can be kept out, and this run goes on without the cluster's lock."
            )
            return {"changed": False, "holder": "", "warnings": [told]}
        if trouble:
            return {"changed": False, "failed": True, "msg": trouble, "holder": ""}
        return {"changed": False, "holder": run.note}

    def this_run(self) -> Run:
        """The ansible-playbook that this task belongs to: the parent of its worker."""
        names = [os.path.basename(name) for name in context.CLIARGS.get("args") or ()]
        return Run.here(os.getppid(), " ".join(names) or "a playbook")

    def mine(self, path: str, run: Run, seconds: float) -> bool:
        """Whether this run has the lock, or gets it within some seconds."""
        return self._low_level_execute_command(ask_script(path, run, seconds), sudoable=False)["rc"] == 0

    def take(self, path: str, run: Run) -> str:
        """Start a keeper and wait for what becomes of it.

        :returns: "" when this run has the lock, otherwise why not.
        """
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.setsid()
            if os.fork() == 0:
                os.close(reading)
                self.keep(path, run, writing)
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writing)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.mine(path, run, 1):
                os.close(reading)
                return ""
            if select.select([reading], [], [], 0)[0]:
                return os.read(reading, 65536).decode() or "The process that keeps the lock has ended."
        return f"The lock {path} was neither taken nor refused within {PATIENCE} seconds."

    def keep(self, path: str, run: Run, writing: int) -> None:
        """Hold the lock until the run ends; take it again after a reboot of the machine. Does not return."""

        def end_with_run() -> None:
            wait_for_end(run.process)
            os.killpg(0, signal.SIGKILL)  # this process and its SSH

        threading.Thread(target=end_with_run, daemon=True).start()
        held = False
        try:
            while True:
                try:
                    answer = self._low_level_execute_command(hold_script(path, run))
                    code, output, trouble = answer["rc"], answer["stdout"], answer["stderr"]
                except AnsibleError as error:  # no connection
                    code, output, trouble = 255, "", str(error)
                held = held or HELD in output.split()
                if not held:
                    note = read_note(output)
                    told = refusal(note) if code == REFUSED else f"The lock {path} cannot be taken: {trouble or output}"
                    os.write(writing, told.encode())
                    break
                time.sleep(1)  # the machine reboots, or the connection was lost: take it again
        finally:
            os._exit(0)
