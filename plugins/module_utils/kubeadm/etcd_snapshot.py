# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step for a snapshot of etcd."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop, stopping
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.etcd_tools import EtcdTools, read_pod

OPTIONS = {"dest": {"type": "path", "required": True}}


def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Save etcd, or in check mode only see that there is one."""
    dest = options["dest"]
    if not os.path.isabs(dest):
        raise Stop(f"dest is {dest}; use an absolute path.")
    with stopping("No snapshot was taken"):
        pod = read_pod(system)
        result = {"changed": True, "path": dest, "image": pod.image}
        if not check:
            status = EtcdTools(system, pod).save(dest)
            result.update(revision=status.revision, key_count=status.key_count, size=status.size)
    return result
