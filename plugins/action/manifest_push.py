# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pushes manifests from Ansible's own process where it can: starting the module takes longer than most pushes."""

from __future__ import annotations

from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.manifests import options
from ansible_collections.bramble.kube.plugins.plugin_utils.in_process import InProcessAction
from ansible_collections.bramble.kube.plugins.plugin_utils.shown import show


class ActionModule(InProcessAction):
    """manifest_push without its module."""

    SPEC = options.ARGUMENT_SPEC
    CONSTRAINTS = {"required_one_of": options.REQUIRED_ONE_OF}

    def work(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Push."""
        from ansible_collections.bramble.kube.plugins.module_utils.manifests import run

        tell = None if self._task.no_log else show
        failed, result = run.run(params, self._task.check_mode, self._task.diff, tell)
        return {**result, "failed": failed}
