# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a module, and returns what stops it as a result like any other."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

#: What is kept of a failure: its words, and not by what Ansible would know it for one.
WORDS = ("msg", "module_stderr", "module_stdout")
#: What the connection says of a machine that it has reached, whose sudo does not ask in Ansible's own words.
UNANSWERED = "waiting for privilege escalation prompt"


class ActionModule(ActionBase):
    """See the documentation of the module of this name."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module."""
        super().run(tmp, task_vars)
        _result, options = self.validate_argument_spec(
            {
                "module": {"type": "str", "required": True},
                "arguments": {"type": "dict", "default": {}},
                "if_failed": {"type": "str", "choices": ["go_on", "fail"], "default": "go_on"},
            }
        )
        go_on = options["if_failed"] == "go_on"
        try:
            result = self._execute_module(options["module"], module_args=options["arguments"], task_vars=task_vars)
        except AnsibleError as error:
            reached = not isinstance(error, AnsibleConnectionFailure) or UNANSWERED in str(error)
            if reached and not go_on:
                raise
            return {"changed": False, "reached": reached, "done": False, "msg": str(error)}
        if result.get("failed") and not go_on and not result.get("unreachable"):
            return result
        if result.get("failed") or result.get("unreachable"):
            words = {name: result[name] for name in WORDS if result.get(name)}
            return {"changed": False, "reached": not result.get("unreachable"), "done": False, **words}
        return {**result, "reached": True, "done": True}
