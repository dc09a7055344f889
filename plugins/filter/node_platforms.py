# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: node_platforms
short_description: Lists the platforms of nodes
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Reads Node objects, or the architectures that facts know (C(aarch64), C(arm64), C(armv7l)), and names each platform
    once, as M(bramble.kube.image_platforms) wants them.
positional: _input
options:
  _input:
    description: Node objects as the API has them, or names of architectures.
    type: list
    elements: raw
    required: true
seealso:
  - module: bramble.kube.image_platforms
"""

EXAMPLES = r"""
- name: Ask for the platforms of the cluster's nodes
  bramble.kube.image_platforms:
    images: [registry.k8s.io/pause:3.10]
    platforms: "{{ nodes.resources | bramble.kube.node_platforms }}"
  delegate_to: localhost

- name: Ask for the platforms of the Pis of the inventory
  bramble.kube.image_platforms:
    images: [registry.k8s.io/pause:3.10]
    platforms: "{{ groups['bramble'] | map('extract', hostvars, 'pi_architecture') | bramble.kube.node_platforms }}"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: Platforms, each once, in the order in which they first appear.
  type: list
  elements: str
  sample: [linux/arm64, linux/amd64]
"""

from collections.abc import Mapping

from ansible.errors import AnsibleFilterError

from ansible_collections.bramble.kube.plugins.module_utils.images.platform import InvalidPlatform, of_node, parse


def node_platforms(value):
    """See DOCUMENTATION."""
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__"):
        raise AnsibleFilterError("node_platforms: give a list of Node objects or architectures")
    try:
        found = [of_node(item) if isinstance(item, Mapping) else parse(item) for item in value]
    except InvalidPlatform as error:
        raise AnsibleFilterError(f"node_platforms: {error}") from error
    return [str(platform) for platform in dict.fromkeys(found)]


class FilterModule:
    """The filter for Ansible."""

    def filters(self):
        """Names to functions."""
        return {"node_platforms": node_platforms}
