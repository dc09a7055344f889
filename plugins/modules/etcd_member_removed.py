#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_member_removed
short_description: Members of etcd that are gone, or are about to join again
version_added: "0.2.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Removes the members of these machines from etcd. A machine that has lost its data cannot come back as its old
    member, and one that is gone for good still counts towards the majority that etcd needs.
  - Runs on the machine of another member, as root, where kubeadm has set up etcd.
options:
  names:
    description: The names of their nodes.
    type: list
    elements: str
    required: true
  addresses:
    description: The addresses of their nodes, which identify members that have never started.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Says which members would be removed.
    support: full
  diff_mode:
    description: The result names the members.
    support: none
seealso:
  - module: bramble.kube.node_removed
"""

EXAMPLES = r"""
- name: Remove the member of a Pi whose card is gone
  bramble.kube.etcd_member_removed:
    names: [k8s-master3]
  become: true
"""

RETURN = r"""
removed:
  description: The members that were removed, by name, or by address where they have never started.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import etcd_member


def main() -> None:
    """Do what is left to do."""
    perform(etcd_member)


if __name__ == "__main__":
    main()
