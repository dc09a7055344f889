# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renders a ksonnet app from Ansible's own process where it can: starting the module takes longer than rendering."""

from __future__ import annotations

import os
from typing import Any

from ansible.module_utils.basic import FILE_COMMON_ARGUMENTS

from ansible_collections.bramble.kube.plugins.module_utils.ksonnet import options
from ansible_collections.bramble.kube.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """ksonnet_render without its module."""

    SPEC = {**FILE_COMMON_ARGUMENTS, **options.RENDER}

    def work(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Render; owner, group and the like are left to the module that knows them."""
        from ansible_collections.bramble.kube.plugins.module_utils.ksonnet import run

        result = run.run(run.render, params, self._task.check_mode, self._task.diff)
        dest = result.get("dest")
        wanted = {name: params[name] for name in FILE_COMMON_ARGUMENTS if params[name] is not None}
        wanted.pop("unsafe_writes", None)
        if run.octal(wanted.get("mode")) is not None:
            del wanted["mode"]  # done
        if not wanted or not dest or not os.path.exists(dest):
            return result
        arguments = {"path": os.path.abspath(dest), "state": "file", **wanted}
        found = self._execute_module("ansible.builtin.file", module_args=arguments, task_vars=task_vars)
        if found.get("failed"):
            return {**result, "failed": True, "msg": found.get("msg")}
        return {**result, "changed": result["changed"] or bool(found.get("changed"))}
