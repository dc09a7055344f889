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
  - Runs the checks of C(playbooks/status.yml) on a node that is not Ready, and adds the kubelet's last errors.
  - Reads that node with M(bramble.kube.pi_status), as root. Changes nothing.
options:
  problems:
    description: What the cluster says about the node, as M(bramble.kube.nodes_ready) returns it.
    type: list
    elements: str
    default: []
  node:
    description: The node as M(bramble.kube.nodes_ready) returns it in RV(bramble.kube.nodes_ready#module:nodes).
    type: dict
    default: {}
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
    problems: "{{ ready.problems['k8s-node1'] }}"
    node: "{{ ready.nodes['k8s-node1'] | default({}) }}"
  register: diagnosis
"""

RETURN = r"""
lines:
  description: What the cluster says, the likely causes with what to do about them, and the kubelet's last errors.
  returned: always
  type: list
  elements: str
"""
