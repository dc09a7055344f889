#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_marks
short_description: Labels and taints of nodes, as the inventory has them
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Gives each node the labels and taints that it should have, and removes those that were set from here earlier and
    are no longer wanted. What others put on a node stays.
  - Runs on the laptop (C(delegate_to=localhost)).
options:
  nodes:
    description: For each node's name its C(labels) (name to value) and C(taints) (each with key, effect, value).
    type: dict
    required: true
  kubeconfig:
    description: The administrator's kubeconfig on the laptop.
    type: path
    required: true
  context:
    description: A context in it, its current one by default.
    type: str
attributes:
  check_mode:
    description: Says what would be changed; where there is no cluster or node yet, nothing is reported.
    support: full
  diff_mode:
    description: Shows labels and taints that are added and removed.
    support: full
"""

EXAMPLES = r"""
- name: Keep Pods that need a fast disk together
  bramble.kube.node_marks:
    kubeconfig: "{{ inventory_dir }}/.kubeconfig"
    nodes:
      k8s-node1:
        labels: {disk: nvme}
        taints: [{key: example.org/slow, effect: PreferNoSchedule}]
      k8s-node2: {}
  delegate_to: localhost
  become: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
"""

RETURN = r"""
nodes:
  description: For each node that was changed, what was added and removed.
  returned: always
  type: dict
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.nodes import labels_taints


def main() -> None:
    """Do what is left to do."""
    perform(labels_taints)


if __name__ == "__main__":
    main()
