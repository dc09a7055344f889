# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Adds and removes a host's keys in the files of this computer's SSH, by the command that Ansible's connection uses."""

from __future__ import annotations

import shlex
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi import known_hosts

_KEYS = {"type": "list", "elements": "str", "default": [], "no_log": False}


class ActionModule(ActionBase):
    """See the documentation of the module of this name."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look the host up, and change the files."""
        super().run(tmp, task_vars)
        _result, options = self.validate_argument_spec({"learn": _KEYS, "forget": _KEYS, "file": {"type": "str"}})
        if not self._connection.has_option("ssh_args"):
            return {"changed": False, "name": "", "files": []}
        try:
            return known_hosts.run(System(), {**options, "ssh": self.command()}, self._task.check_mode)
        except BrambleError as error:
            raise AnsibleActionFail(str(error)) from error

    def command(self) -> list[str]:
        """SSH with the settings of the host's connection, in the order in which Ansible gives them."""
        setting = self._connection.get_option
        words = [setting("ssh_executable"), *shlex.split(setting("ssh_args") or "")]
        for option, name in (("Port", "port"), ("User", "remote_user")):
            if setting(name):
                words += ["-o", f"{option}={setting(name)}"]
        for name in ("ssh_common_args", "ssh_extra_args"):
            words += shlex.split(setting(name) or "")
        return [*words, str(setting("host"))]
