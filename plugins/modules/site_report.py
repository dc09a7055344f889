#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: site_report
short_description: Shows at the end of site.yml what the run did, and how the cluster is used
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Says which Pis are Ready, what can be opened and where, how passwords are shown, where the kubeconfig is, how this
    computer gets kubectl, how to look later, and how long the run took.
  - After a run with tags, it says that only these parts ran, and names no kubeconfig that does not exist.
  - Reads from each host the registered results C(preflight_facts) and C(ready_nodes).
options:
  kubeconfig:
    description: The laptop's kubeconfig of this cluster.
    type: path
    default: ""
  addresses:
    description: What can be opened, by name.
    type: dict
    default: {}
  installed:
    description:
      - Components that this run has installed. When C(jupyterhub) is one of them, its passwords follow the box, once,
        on the screen of a person alone; they go into no log, no pipe and no result.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Shows the same.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  action:
    description: The work is done on the laptop.
    support: full
"""

EXAMPLES = r"""
- name: Show what this run did
  bramble.kube.site_report:
    kubeconfig: "{{ inventory_dir }}/.kubeconfig"
    addresses: "{{ kubeflow_pushed.addresses | default({}) }}"
"""

RETURN = r""" # """
