#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nodes_ready
short_description: Wait until nodes are Ready, and tell about those that are not
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Waits until all the nodes named are Ready, on the machine of the control plane.
  - A node that is not Ready in time is no failure of this module but listed, so that its own machine can be asked for the reason.
options:
  names:
    description: The nodes.
    type: list
    elements: str
    required: true
  timeout:
    description: Seconds to wait for all of them together.
    type: int
    default: 300
  kubeconfig:
    description: The administrator's kubeconfig on this machine.
    type: path
    default: /etc/kubernetes/admin.conf
attributes:
  check_mode:
    description: Looks once and does not wait; where there is no cluster yet, the result says so.
    support: full
  diff_mode:
    support: none
"""

EXAMPLES = r"""
- name: Wait for all nodes
  bramble.kube.nodes_ready:
    names: [k8s-master, k8s-node1, k8s-node2]
  register: nodes
"""

RETURN = r"""
not_ready:
  description: The nodes that are not Ready.
  returned: always
  type: list
  elements: str
problems:
  description: For each node that is not Ready, what the cluster says about it.
  returned: always
  type: dict
seconds:
  description: How long it took.
  returned: always
  type: float
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.cluster.nodes import node_states


def main() -> None:
    """Ask until all are Ready or the time is over."""
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "timeout": {"type": "int", "default": 300},
            "kubeconfig": {"type": "path", "default": "/etc/kubernetes/admin.conf"},
        },
        supports_check_mode=True,
    )
    names, kubeconfig = module.params["names"], module.params["kubeconfig"]
    start = time.monotonic()
    if module.check_mode and not os.path.exists(kubeconfig):
        module.exit_json(
            changed=False,
            not_ready=[],
            problems={},
            seconds=0.0,
            msg="There is no cluster yet; it would be waited for.",
        )
    deadline = start + (0 if module.check_mode else module.params["timeout"])
    command = ["kubectl", "--kubeconfig", kubeconfig, "--request-timeout", "15s", "get", "nodes", "--output", "json"]
    while True:
        code, output, error = module.run_command(command)
        states = node_states(output, names) if code == 0 else []
        waiting = [state for state in states if not state.ready]
        if (states and not waiting) or time.monotonic() >= deadline:
            break
        time.sleep(1)
    if not states:
        module.fail_json(
            msg=f"The API server cannot be asked about the nodes: {error.strip().splitlines()[-1:] or ['no answer']}."
        )
    module.exit_json(
        changed=False,
        not_ready=[state.name for state in waiting],
        problems={state.name: list(state.problems) for state in waiting},
        seconds=round(time.monotonic() - start, 1),
    )


if __name__ == "__main__":
    main()
