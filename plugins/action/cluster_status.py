# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks the cluster from Ansible's own process where it can: starting the module takes longer than its requests."""

from __future__ import annotations

from ansible_collections.bramble.kube.plugins.plugin_utils.in_process import StepAction


class ActionModule(StepAction):
    """cluster_status without its module."""

    STEP = "status.gather_cluster"
