# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: host_addresses
short_description: Names and addresses by which hosts know each other
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Finds for each host the address for the cluster's traffic (C(kubeadm_node_ip)), else the one that Ansible reaches
    (C(ansible_host)), else the one that the host itself uses (fact C(pi_address)).
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
- name: Tell who is who
  ansible.builtin.debug:
    msg: "{{ groups.bramble | bramble.kube.host_addresses(hostvars) }}"
"""

RETURN = r"""
_value:
  description: Address by hostname; empty where none is known.
  type: dict
"""

from ansible_collections.bramble.kube.plugins.module_utils.pi.addresses import host_addresses


class FilterModule:
    """Gives Ansible the filter."""

    def filters(self) -> dict[str, object]:
        """Names of the filters and their functions."""
        return {"host_addresses": host_addresses}
