# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeps the tokens that the module kubeadm_token returns out of every log, without hiding its error messages."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import redact


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    if isinstance(value, dict):
        return {key: _redacted(item) for key, item in value.items()}
    return value


class ActionModule(ActionBase):
    """Runs the module with a silent connection, and marks a result with a token in it as not to be logged."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module.

        The task's own ``no_log: true`` would do the same for success, but would also hide why the module failed.
        """
        super().run(tmp, task_vars)
        # At -vvv the SSH connection prints what a module returned, unless its own play context says not to.
        context = self._connection._play_context
        loud, context.no_log = context.no_log, True
        try:
            result = self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)
        finally:
            context.no_log = loud
        if result.get("token") and not result.get("failed"):
            return {**result, "_ansible_no_log": True}
        return _redacted(result)
