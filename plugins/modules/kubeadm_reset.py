#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_reset
short_description: A machine as it was before kubeadm
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Takes a machine out of its cluster with C(kubeadm reset), and removes what that leaves behind; chains and tables
    of kube-proxy, the kubelet, flannel and the CNI plugins, their network interfaces, mounts, namespaces and files,
    and the kubeconfigs of users for this cluster.
  - Only what belongs to the cluster is removed. Other rules, interfaces, mounts and files stay, and so does the
    container engine with its images.
  - The cluster's API server is not asked; M(bramble.kube.node_removed) deletes the node there.
  - If a run is interrupted, the next one finishes it. On a machine without leftovers nothing is changed.
  - Runs on the machine, as root.
options:
  users:
    description: Users whose C(~/.kube/config) is removed when it is for this machine's cluster.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Lists what would be removed.
    support: full
  diff_mode:
    description: Shows what is removed, one line each.
    support: full
"""

EXAMPLES = r"""
- name: Take the machine out of its cluster
  bramble.kube.kubeadm_reset:
    users: [pi]
  become: true
"""

RETURN = r"""
removed:
  description: What was found and removed, each as kind and name.
  returned: always
  type: list
  elements: str
  sample: [files of kubeadm, link flannel.1, chains of iptables, nft table ip kube-proxy]
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import reset


def main() -> None:
    """Do what is left to do."""
    perform(reset)


if __name__ == "__main__":
    main()
