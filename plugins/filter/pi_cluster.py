# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: pi_cluster
short_description: Makes up the nodes of a planned cluster of Pis
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Lets P(bramble.kube.fit#filter) answer for a cluster that does not exist yet. The first Pi is the control plane.
  - Of the nominal memory, 6 percent go to firmware and kernel, and 100 MiB to the kubelet's eviction threshold. The
    pods
    of a fresh cluster with flannel request what kubeadm and flannel set.
positional: _input
options:
  _input:
    description: Nominal memory of each Pi, in MiB (V(4096) for 4 GB).
    type: int
    required: true
  count:
    description: Number of Pis.
    type: int
    default: 3
  architecture:
    description: Their architecture.
    type: str
    default: arm64
  schedulable:
    description: Whether the control plane takes other pods too, as that of a single Pi always does.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Ask whether a catalogue would fit on three Pis with 4 GB
  ansible.builtin.debug:
    msg: "{{ (rendered | bramble.kube.fit(nodes=plan.nodes, pods=plan.pods)).table }}"
  vars:
    plan: "{{ 4096 | bramble.kube.pi_cluster }}"
"""

RETURN = r"""
_value:
  description: C(nodes) and C(pods) as the API would have them.
  type: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.bramble.kube.plugins.module_utils.fit.supply import pi_cluster as make


def pi_cluster(value, count=3, architecture="arm64", schedulable=False):
    """See DOCUMENTATION."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 512:
        raise AnsibleFilterError(f"pi_cluster: memory is {value!r}; write MiB, at least 512, like 4096 for 4 GB")
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise AnsibleFilterError(f"pi_cluster: count is {count!r}; it must be at least 1")
    return make(value, count, architecture, schedulable)


class FilterModule:
    """The filter for Ansible."""

    def filters(self):
        """Names to functions."""
        return {"pi_cluster": pi_cluster}
