#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_join
short_description: A machine's membership in a cluster
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Joins a machine to a cluster with C(kubeadm join), unless it is in that cluster already.
  - An interrupted join is repeated, and so is one that lacks a file without which the kubelet cannot start. A machine
    that belongs to another cluster is refused, with that cluster's address.
  - Runs on the machine that joins, as root.
options:
  config:
    description: The configuration for C(kubeadm join --config), as text. It holds a token and is never shown.
    type: str
    required: true
  endpoint:
    description: The API server's address, C(host:port).
    type: str
    required: true
  ca_cert_hashes:
    description:
      - The hashes of the cluster's CAs, which identify the right cluster. Empty only in check mode, before there is
        a cluster.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    description: Says what would be done, even where kubeadm is not installed yet.
    support: full
  diff_mode:
    description: What kubeadm writes is new as a whole, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Join
  bramble.kube.kubeadm_join:
    config: "{{ lookup('ansible.builtin.template', 'kubeadm-join.yaml.j2') }}"
    endpoint: "{{ token.endpoint }}"
    ca_cert_hashes: "{{ token.ca_cert_hashes }}"
"""

RETURN = r"""
did:
  description: What was done, C(nothing), C(join) or C(tidy) (leftovers of a join that was interrupted at its end).
  returned: always
  type: str
why:
  description: The reason for it.
  returned: always
  type: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import join


def main() -> None:
    """Do what is left to do."""
    perform(join)


if __name__ == "__main__":
    main()
