# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Declares a ksonnet app from Ansible's own process where it can, which is quicker than starting the module."""

from __future__ import annotations

from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.ksonnet import options
from ansible_collections.bramble.kube.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """ksonnet_app without its module."""

    SPEC = options.APP

    def work(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Declare the app."""
        from ansible_collections.bramble.kube.plugins.module_utils.ksonnet import run

        return run.run(run.declare, params, self._task.check_mode, self._task.diff)
