#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_address
short_description: An address for all masters, in a cluster that was created without one
version_added: "0.2.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - On the control plane, gives the API server a certificate for the address, opens etcd to further members, and writes
    the address into the cluster's own configuration and the administrator's kubeconfigs. etcd restarts
    once, and so does kube-proxy, on one node after the other.
  - On a node, switches the kubelet to the address.
  - The address must already be on a machine of the control plane, for example by keepalived.
options:
  address:
    description: The address.
    type: str
    required: true
  users:
    description: Users whose C(~/.kube/config) on the control plane gets the address, if it is for this cluster.
    type: list
    elements: str
    default: []
  config_path:
    description: The configuration that M(bramble.kube.kubeadm_init) has kept. It names the address once everything is
      done.
    type: path
    default: /etc/kubernetes/kubeadm-init.yaml
  timeout:
    description: Seconds to wait for the API server.
    type: int
    default: 400
attributes:
  check_mode:
    description: Says whether anything would be changed.
    support: full
  diff_mode:
    description: Shows nothing; certificates and kubeconfigs are secret.
    support: none
"""

EXAMPLES = r"""
- name: Let the cluster use an address that moves from master to master
  bramble.kube.kubeadm_address:
    address: 192.168.13.5
  become: true
"""

RETURN = r""" # """

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import address


def main() -> None:
    """Do what is left to do."""
    perform(address)


if __name__ == "__main__":
    main()
