# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Diagnoses a node that is not Ready: reads it there, and judges here, where the checks of the status are."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.bramble.kube.plugins.module_utils.common.pod_networks import DEFAULT
from ansible_collections.bramble.kube.plugins.module_utils.status.diagnosis import why_not_ready
from ansible_collections.bramble.kube.plugins.module_utils.status.model import read_pi


class ActionModule(ActionBase):
    """See the documentation of the module of this name."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read the Pi, and say what is wrong with it."""
        super().run(tmp, task_vars)
        _result, options = self.validate_argument_spec(
            {"problems": {"type": "list", "elements": "str", "default": []}, "node": {"type": "dict", "default": {}}}
        )
        variables = task_vars or {}
        result = self._execute_module("bramble.kube.pi_status", module_args={}, task_vars=variables)
        if "state" not in result:
            return result
        pi = read_pi(variables["inventory_hostname"], variables.get("groups") or {}, variables, result)
        network = str(variables.get("kubeadm_cni") or DEFAULT)
        return {
            "changed": False,
            "lines": why_not_ready(pi, options["node"], options["problems"], network),
        }
