# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: cloned
short_description: Which parts of a host's identity another host shares
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Finds out whether a host has the machine-id or the SSH host keys of another one, as copies of one card do. Of
    several hosts that share them, one that belongs to a cluster keeps them, otherwise the first one.
positional: _input, hostvars, host
options:
  _input:
    description: Names of hosts.
    type: list
    elements: str
    required: true
  hostvars:
    description: The hosts' variables, with the facts of M(bramble.kube.pi_facts).
    type: dict
    required: true
  host:
    description: The host to check.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Tell whether this host is a copy
  ansible.builtin.debug:
    msg: "{{ groups.bramble | bramble.kube.cloned(hostvars, inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: The shared parts, of V(machine_id) and V(host_keys); empty if there are none.
  type: list
  elements: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.pi.clones import cloned


class FilterModule:
    """Gives Ansible the filter."""

    def filters(self) -> dict[str, object]:
        """Names of the filters and their functions."""
        return {"cloned": cloned}
