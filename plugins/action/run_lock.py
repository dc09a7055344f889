# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes a lock on a machine for as long as this run of ansible-playbook lives: see plugin_utils/lock_keeper.py."""

from __future__ import annotations

import os
from typing import Any

from ansible import constants, context
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.bramble.kube.plugins.module_utils.common.run_lock import Run
from ansible_collections.bramble.kube.plugins.plugin_utils.lock_keeper import NO_CONNECTION, Keeper, Slate

#: A connection of its own, which `ssh -O stop` (Ansible's way to reset one) does not end, and which notices within 15
#: seconds that nobody answers any more. ssh takes the first value that is given for an option.
OWN_CONNECTION = "-o ControlPath=none -o ServerAliveInterval=5 -o ServerAliveCountMax=3 "


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
        host = self._task.delegate_to or (task_vars or {}).get("inventory_hostname")
        slate = Slate.of(constants.DEFAULT_LOCAL_TMP, host, arguments["path"])
        run = self.this_run()
        try:
            trouble = slate.wait() if slate.read()[0] else self.take(slate, arguments["path"], run)
        except AnsibleConnectionFailure:
            if arguments["if_unreachable"] == "fail":
                raise
            told = f"{host} does not answer, so this run goes on without the cluster's lock."
            return {"changed": False, "holder": "", "warnings": [told]}
        if trouble:
            return {"changed": False, "failed": True, "msg": trouble, "holder": ""}
        return {"changed": False, "holder": run.note}

    def this_run(self) -> Run:
        """The ansible-playbook that this task belongs to: the parent of its worker."""
        names = [os.path.basename(name) for name in context.CLIARGS.get("args") or ()]
        return Run.here(os.getppid(), " ".join(names) or "a playbook")

    def take(self, slate: Slate, path: str, run: Run) -> str:
        """Start a keeper and wait for what becomes of it.

        :returns: "" when this run has the lock, otherwise why not.
        :raises AnsibleConnectionFailure: when the machine does not answer.
        """
        if self._low_level_execute_command("command -v flock")["rc"]:
            return "There is no program flock on the machine; on Debian it is in the package util-linux."
        if slate.begin():
            Keeper(lambda script: self.execute_alone(script, slate), path, run, slate).start()
        return slate.wait()

    def execute_alone(self, script: str, slate: Slate) -> tuple[int, str]:
        """Run a script by a connection of its own, in a process that outlives this task."""
        Display().verbosity = 0  # what it would show goes through a queue that ends with the run
        own = {"reconnection_retries": 0, "verbosity": 0}
        if self._connection.has_option("ssh_args"):
            arguments = self._connection.get_option("ssh_args") or ""
            if not arguments.startswith(OWN_CONNECTION):
                own["ssh_args"] = OWN_CONNECTION + arguments
            if slate.address:  # a run that gives the machine another one goes on there
                own["host"] = slate.address
            for name, value in own.items():
                self._connection.set_option(name, value)
        try:
            answer = self._low_level_execute_command(script)
        except Exception as error:  # pylint: disable=broad-except # a keeper that ends is worse than any of them
            return NO_CONNECTION, str(error)
        return answer["rc"], answer["stdout"] or answer["stderr"]
