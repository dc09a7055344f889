# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One line at the bottom of the terminal: what runs, since when, and how long it took last time."""

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: aggregate
short_description: "One line at the bottom of the terminal: what runs, since when, and how long it took last time"
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Works beside the callback that prints the results, and moves every second, so that a long step does not look as if
    it hangs.
  - Shows the number of the play, its name, the task, the hosts that still work on it, the number of the attempt, how
    long
    the task has taken, how long it took in the last run, and how much is left if everything takes as long as it did
    then.
  - The times of the last run with the same playbook, tags, limit and check mode are kept in C(.progress.json) beside
    the inventory. Those of a run that failed or was interrupted are not kept.
  - Shows and keeps nothing where the output is not a terminal, in CI (variable E(CI)), with E(TERM=dumb), with a stdout
    callback other than C(default), and under a program that captures what Ansible prints.
requirements:
  - enabled in C(callbacks_enabled) of C(ansible.cfg), as the collection's own checkout does
"""

import atexit
import os
import sys
import threading
import time
from typing import Any

from ansible import constants, context
from ansible.plugins.callback import CallbackBase

from ansible_collections.bramble.kube.plugins.plugin_utils.progress import BottomLine, Memory, Run
from ansible_collections.bramble.kube.plugins.plugin_utils.shown import nobody_keeps_it


def memory_path(sources: list[str]) -> str:
    """The file beside the first inventory that is a file or folder; "" if none is."""
    for source in sources:
        path = os.path.abspath(os.path.expanduser(source))
        if os.path.exists(path):
            return os.path.join(path if os.path.isdir(path) else os.path.dirname(path), ".progress.json")
    return ""


def kind_of_run(playbook: str, arguments: dict[str, Any]) -> str:
    """What must be the same for two runs to take about as long."""
    parts = [playbook]
    for option in ("tags", "skip_tags"):
        chosen = sorted(str(tag) for tag in arguments.get(option) or () if tag != "all")
        parts += [f"--{option.replace('_', '-')} {','.join(chosen)}"] if chosen else []
    parts += [f"--limit {arguments['subset']}"] if arguments.get("subset") else []
    parts += ["--check"] if arguments.get("check") else []
    return " ".join(parts)


class CallbackModule(CallbackBase):
    """See DOCUMENTATION."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "bramble.kube.progress"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        """Nothing is shown before a playbook starts."""
        super().__init__()
        self.disabled = not nobody_keeps_it() or os.environ.get("TERM", "dumb") == "dumb"
        self._run: Run | None = None
        self._memory: Memory | None = None
        self._bottom = BottomLine(sys.__stdout__.fileno()) if not self.disabled and sys.__stdout__ else None
        self._lock, self._over, self._process = threading.Lock(), threading.Event(), os.getpid()

    def _tick(self) -> None:
        while not self._over.wait(1):
            self._show()

    def _show(self) -> None:
        with self._lock:
            if self._run and self._bottom and not self._over.is_set():
                self._bottom.show(self._run.line(time.monotonic(), self._bottom.width()))

    def _close(self) -> None:
        if os.getpid() != self._process:  # a worker that inherited this
            return
        with self._lock:
            self._over.set()
            if self._bottom:
                self._bottom.close()

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Read the memory, and begin to show."""
        arguments = dict(context.CLIARGS)
        path = memory_path(list(arguments.get("inventory") or constants.DEFAULT_HOST_LIST))
        if path:
            self._memory = Memory(path, kind_of_run(os.path.basename(playbook._file_name), arguments))
        self._run = Run(len(playbook.get_plays()), self._memory.read() if self._memory else [])
        atexit.register(self._close)
        threading.Thread(target=self._tick, name="progress", daemon=True).start()
        self._show()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """The next play."""
        if self._run:
            self._run.begin_play(play.get_name().strip())
            self._show()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """The next task."""
        if self._run:
            self._run.begin_task(task.get_name().strip().rpartition(" : ")[2], time.monotonic())
            self._show()

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """The next handler."""
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """A host works on the task."""
        if self._run:
            self._run.begin_host(host.get_name())

    def v2_runner_retry(self, result: Any) -> None:
        """The task is tried again."""
        if self._run:
            tried = result.result
            self._run.attempt = f", try {tried.get('attempts', 0) + 1} of {tried.get('retries', 0)}"

    def _host_done(self, result: Any) -> None:
        if self._run:
            self._run.end_host(result.host.get_name())

    def v2_runner_on_ok(self, result: Any) -> None:
        """A host is done."""
        self._host_done(result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """A host has nothing to do."""
        self._host_done(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A host has failed."""
        self._host_done(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A host is out of reach."""
        self._host_done(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Give the row back, and keep the times of a run without failures."""
        self._close()
        if self._run and self._memory and not stats.failures and not stats.dark:
            self._run.end_task()
            self._memory.write(self._run.done)
