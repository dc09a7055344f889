# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: cluster_nodes
short_description: What each host of an inventory is in the cluster
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Returns the name, address, labels and taints of each host's node. Roles, playbooks and modules all take them
    from here, so that they cannot disagree.
  - The name is C(kubeadm_node_name), else C(base_hostname), else the inventory's name for the host, in lower case.
  - The address is C(kubeadm_node_ip), else C(ansible_host) if that is an IP address, else the one at which Ansible
    reached the host (fact C(pi_reached_address)), else the one that it uses to reach others (fact C(pi_address)).
positional: _input, hostvars
options:
  _input:
    description: Names of hosts.
    type: list
    elements: str
    required: true
  hostvars:
    description: The hosts' variables, as in the variable C(hostvars).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show who is who
  ansible.builtin.debug:
    msg: "{{ groups.bramble | bramble.kube.cluster_nodes(hostvars) }}"

- name: Show the names of all nodes
  ansible.builtin.debug:
    msg: "{{ (groups.bramble | bramble.kube.cluster_nodes(hostvars)).values() | map(attribute='name') }}"
"""

RETURN = r"""
_value:
  description:
    - By inventory name, a dictionary with C(hostname), C(name), C(address) (empty where none is known), C(labels),
      C(taints), and C(machine_id), a hash of the machine-id (empty for a host that was not asked).
  type: dict
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.cluster_nodes import cluster_nodes


class FilterModule:
    """Gives Ansible the filter."""

    def filters(self) -> dict[str, object]:
        """Names of the filters and their functions."""
        return {"cluster_nodes": cluster_nodes}
