# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: pod_network
short_description: What roles have to know about a Pod network
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Returns the namespaces in which a Pod network runs, and the images that every Pi pulls for it.
positional: _input
options:
  _input:
    description: The value of C(kubeadm_cni).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show where the Pod network runs
  ansible.builtin.debug:
    msg: "{{ ('flannel' | bramble.kube.pod_network).namespaces }}"
"""

RETURN = r"""
_value:
  description: Among others C(name), C(namespaces), and C(images), which are names of variables or image references.
  type: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.bramble.kube.plugins.module_utils.common import pod_networks


def pod_network(value):
    """See DOCUMENTATION."""
    try:
        return pod_networks.pod_network(str(value))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """The filter for Ansible."""

    def filters(self):
        """Names to functions."""
        return {"pod_network": pod_network}
