#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nodes_ready
short_description: Wait until nodes and a cluster's own Pods are ready, and list those that are not
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Waits until all the nodes named are Ready, and then all Pods of some namespaces, on the machine of the control
    plane.
  - What is not ready in time is listed and does not fail the module, so that the node's own machine can be asked for
    the reason.
options:
  names:
    description: The nodes.
    type: list
    elements: str
    required: true
  namespaces:
    description: Namespaces whose Pods to wait for, too.
    type: list
    elements: str
    default: []
  namespaces_on_nodes:
    description: Of those Pods, wait only for the ones on the nodes named.
    type: bool
    default: false
  node_info:
    description:
      - What each of the nodes must report in C(status.nodeInfo), besides being Ready. After an upgrade or a reboot
        the cluster shows the old state for a while, and then the new one.
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
    description: Checks once and does not wait; where there is no cluster yet, the result says so.
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

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.nodes import readiness


def main() -> None:
    """Do what is left to do."""
    perform(readiness)


if __name__ == "__main__":
    main()
