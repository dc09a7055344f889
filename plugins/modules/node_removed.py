#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_removed
short_description: Nodes deleted from a cluster
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Deletes the nodes' objects, and the certificate requests of their kubelets, so that a machine with a new card can
    join under the old name.
  - The Pods of a node that is deleted are recreated on others by their controllers. M(bramble.kube.node_drain) moves
    them gently beforehand.
  - Volumes whose data was on the machine itself, such as those of local-path, stay, but their data is lost with the
    card. RV(folders) says where it was, so that new ones can start empty.
  - The nodes' machines are not touched; M(bramble.kube.kubeadm_reset) removes the cluster from a machine.
  - Runs on the computer that has the kubeconfig.
options:
  names:
    description: The nodes.
    type: list
    elements: str
    required: true
  addresses:
    description:
      - The addresses of the machines that are to join under these names, by name. If a node of one of these names is
        alive at another address, it belongs to another machine, and nothing is deleted.
    type: dict
    default: {}
  machine_ids:
    description:
      - C(pi_machine_id_sha256), which M(bramble.kube.pi_facts) finds, of the machines that are to join under these
        names, by name. The object of a node that is this very machine stays, since the Pods that still run there,
        including the Pod network's, depend on it.
    type: dict
    default: {}
  kubeconfig:
    description: The administrator's kubeconfig on this computer.
    type: path
    required: true
attributes:
  check_mode:
    description: Says what would be deleted, even before there is a cluster.
    support: full
  diff_mode:
    description: What is deleted is listed as RV(removed).
    support: none
"""

EXAMPLES = r"""
- name: Forget a node whose card died
  bramble.kube.node_removed:
    names: [k8s-node1]
    kubeconfig: "{{ inventory_dir }}/.kubeconfig"
  delegate_to: localhost
  become: false
"""

RETURN = r"""
removed:
  description: The nodes that the cluster knew and that were deleted.
  returned: always
  type: list
  elements: str
requests:
  description: The certificate requests that were deleted.
  returned: always
  type: list
  elements: str
folders:
  description:
    - Folders with the data of volumes that no other node has, by node name.
    - Only for nodes that the cluster no longer knows.
  returned: always
  type: dict
  contains:
    path:
      description: The folder.
      type: str
    claim:
      description: The volume claim, C(namespace/name).
      type: str
  sample:
    k8s-node1:
      - claim: jupyterhub/hub
        path: /opt/local-path-provisioner/pvc-f1e81faf_jupyterhub_hub
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.nodes import node_removal


def main() -> None:
    """Do what is left to do."""
    perform(node_removal)


if __name__ == "__main__":
    main()
