#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nodes_ready
short_description: Wait until nodes and the Pods that a cluster lives by are ready, and tell about those that are not
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Waits until all the nodes named are Ready, and then all Pods of some namespaces, on the machine of the control
    plane.
  - What is not ready in time is no failure of this module but listed, so that the node's own machine can be asked for
    the reason.
options:
  names:
    description: The nodes.
    type: list
    elements: str
    required: true
  namespaces:
    description: Namespaces whose Pods are waited for, too.
    type: list
    elements: str
    default: []
  namespaces_on_nodes:
    description: Of those Pods, wait for the ones on the nodes named alone.
    type: bool
    default: false
  node_info:
    description:
      - What each of the nodes has to report in C(status.nodeInfo), besides being Ready. After an upgrade or a reboot
        the cluster believes the old state for a while, and then tells the new.
    type: dict
    default: {}
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
    description: Nothing is changed, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Wait for all nodes
  bramble.kube.nodes_ready:
    names: [k8s-master, k8s-node1, k8s-node2]
    namespaces: [kube-system]
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
nodes:
  description: For each node that is not Ready and that the cluster knows, its addresses, versions and conditions.
  returned: always
  type: dict
pods:
  description: For each Pod that is not Ready, as C(namespace/name), what it waits for.
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

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign, foreign_values
from ansible_collections.bramble.kube.plugins.module_utils.nodes.readiness import node_states, pod_troubles


def main() -> None:
    """Ask until all are ready or the time is over."""
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "namespaces": {"type": "list", "elements": "str", "default": []},
            "namespaces_on_nodes": {"type": "bool", "default": False},
            "node_info": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 300},
            "kubeconfig": {"type": "path", "default": "/etc/kubernetes/admin.conf"},
        },
        supports_check_mode=True,
    )
    names, namespaces, kubeconfig = (module.params[key] for key in ("names", "namespaces", "kubeconfig"))
    start = time.monotonic()
    if module.check_mode and not os.path.exists(kubeconfig):
        message = "There is no cluster yet; it would be waited for."
        module.exit_json(changed=False, not_ready=[], problems={}, nodes={}, pods={}, seconds=0.0, msg=message)
    deadline = start + (0 if module.check_mode else module.params["timeout"])
    command = [
        "kubectl",
        "--kubeconfig",
        kubeconfig,
        "--request-timeout",
        "15s",
        "get",
        "nodes,pods",
        "-A",
        "-o",
        "json",
    ]
    on = names if module.params["namespaces_on_nodes"] else None
    states, pods = [], {}
    while True:
        code, output, error = module.run_command(command)
        if code == 0:
            states, pods = node_states(output, names, module.params["node_info"]), pod_troubles(output, namespaces, on)
        waiting = [state for state in states if not state.ready]
        if (states and not waiting and not pods) or time.monotonic() >= deadline:
            break
        time.sleep(1)
    if not states:
        reason = (error.strip().splitlines() or ["no answer"])[-1]
        module.fail_json(msg=f"The API server cannot be asked about the nodes: {foreign(reason)}.")
    module.exit_json(
        changed=False,
        not_ready=[state.name for state in waiting],
        problems=foreign_values({state.name: list(state.problems) for state in waiting}),
        nodes=foreign_values({state.name: dict(state.data) for state in waiting if state.known}),
        pods=foreign_values(pods),
        seconds=round(time.monotonic() - start, 1),
    )


if __name__ == "__main__":
    main()
