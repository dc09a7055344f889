#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_diagnosis
short_description: Why a node is not Ready, in a few lines
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Looks on a node that is not Ready at its services, its Pod network, its disk and the kubelet's last errors.
  - Runs on that node, as root. Changes nothing.
options:
  problems:
    description: What the cluster says about the node, as M(bramble.kube.nodes_ready) returns it.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Changes nothing anyway.
  diff_mode:
    description: Nothing is changed, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Find out why
  bramble.kube.node_diagnosis:
    problems: "{{ nodes.problems['k8s-node1'] }}"
  register: diagnosis
"""

RETURN = r"""
lines:
  description: What was found, the likely cause first.
  returned: always
  type: list
  elements: str
"""

import glob
import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign, redact
from ansible_collections.bramble.kube.plugins.module_utils.nodes.readiness import explain, last_errors


def main() -> None:
    """Look and tell."""
    module = AnsibleModule(
        argument_spec={"problems": {"type": "list", "elements": "str", "default": []}},
        supports_check_mode=True,
    )
    services = {}
    for name in ("containerd", "kubelet"):
        _code, state, _error = module.run_command(["systemctl", "is-active", name])
        services[name] = state.strip() or "unknown"
    journal = ["journalctl", "--unit", "kubelet", "--boot", "--no-pager", "--lines", "300", "--output", "cat"]
    _code, output, _error = module.run_command(journal)
    space = os.statvfs("/var/lib")
    lines = explain(
        module.params["problems"],
        services,
        sorted(glob.glob("/etc/cni/net.d/*.conf*")),
        last_errors(redact(output)),
        space.f_bavail * space.f_frsize // 2**20,
    )
    module.exit_json(changed=False, lines=[foreign(line) for line in lines])


if __name__ == "__main__":
    main()
