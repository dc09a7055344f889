#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_drain
short_description: A node, drained gently and uncordoned
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Cordons a node and evicts its Pods, honouring PodDisruptionBudgets.
  - A controller's next Pod is evicted only when its other Pods are ready, so a workload with two replicas keeps
    answering even without a PodDisruptionBudget, and even with both replicas on this node.
  - Pods of DaemonSets, static Pods and completed Pods stay.
  - When time runs out, it fails with the Pods that have not left and the reason for each, and uncordons the node,
    unless an earlier run had cordoned it.
  - On a node whose kubelet no longer answers, as on a Pi that is off, Pods that were told to leave are not waited for.
  - A node that somebody else has cordoned stays cordoned.
  - Runs on the computer that has the kubeconfig.
options:
  name:
    description: The node.
    type: str
    required: true
  state:
    description:
      - V(drained) cordons the node and waits until the Pods have left.
      - V(schedulable) removes that cordon.
    type: str
    choices: [drained, schedulable]
    default: drained
  timeout:
    description: Seconds that the Pods may take to leave.
    type: int
    default: 600
  force:
    description: Also evict Pods that no controller would recreate. Without it, such a Pod is an error before any Pod
      is evicted.
    type: bool
    default: false
  kubeconfig:
    description: The administrator's kubeconfig on this computer.
    type: path
    required: true
attributes:
  check_mode:
    description: Says which Pods would leave, and asks the API server which of them it would not evict now.
    support: full
  diff_mode:
    description: The Pods that leave are listed; there is no file to compare.
    support: none
"""

EXAMPLES = r"""
- name: Send the Pods of a node elsewhere
  bramble.kube.node_drain:
    name: k8s-node1
    kubeconfig: "{{ master_kubeconfig }}"
  delegate_to: localhost
  become: false

- name: Let Pods come back
  bramble.kube.node_drain:
    name: k8s-node1
    state: schedulable
    kubeconfig: "{{ master_kubeconfig }}"
  delegate_to: localhost
  become: false
"""

RETURN = r"""
evicted:
  description: The Pods that left, as C(namespace/name).
  returned: always
  type: list
  elements: str
blockers:
  description: For each Pod that has not left, or would not be evicted in check mode, the reason.
  returned: always
  type: dict
seconds:
  description: How long it took.
  returned: always
  type: float
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.nodes import eviction


def main() -> None:
    """Do what is left to do."""
    perform(eviction)


if __name__ == "__main__":
    main()
