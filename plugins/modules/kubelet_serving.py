#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_serving
short_description: Serving certificates of kubelets, approved for known nodes only
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Approves the kubelets' requests for serving certificates (C(serverTLSBootstrap)), each only if it comes from a node
    of O(nodes) and asks for nothing but that node's own names and addresses. All others are left undecided, and
    reported.
  - Waits until each kubelet shows a certificate signed by the cluster's CA.
  - Runs on the laptop (C(delegate_to=localhost)).
options:
  nodes:
    description: For each node's name, its other names and its addresses. The kubelet is asked at the first address.
    type: dict
    required: true
  timeout:
    description: Seconds to wait until every kubelet has its certificate.
    type: int
    default: 90
  kubeconfig:
    description: The administrator's kubeconfig on the laptop.
    type: path
    required: true
  context:
    description: A context in it, its current one by default.
    type: str
attributes:
  check_mode:
    description: Says what would be approved, and does not wait.
    support: full
  diff_mode:
    description: Shows the requests that were approved.
    support: full
"""

EXAMPLES = r"""
- name: Approve the serving certificates of our Pis
  bramble.kube.kubelet_serving:
    kubeconfig: "{{ inventory_dir }}/.kubeconfig"
    nodes:
      k8s-master: [192.168.13.7]
      k8s-node1: [192.168.13.8]
  delegate_to: localhost
  become: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
"""

RETURN = r"""
approved:
  description: For each node, the names of its requests that were approved.
  returned: always
  type: dict
refused:
  description: Requests that were not approved, each with the reason.
  returned: always
  type: dict
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.nodes import serving_certificates


def main() -> None:
    """Do what is left to do."""
    perform(serving_certificates)


if __name__ == "__main__":
    main()
