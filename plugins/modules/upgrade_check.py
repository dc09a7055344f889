#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: upgrade_check
short_description: Whether a cluster can go to a Kubernetes release, and what is due on which machine
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Compares what the cluster has with what is wanted. A release that cannot be reached in one step is refused, naming
    the next possible one, and so is a step that would leave a machine behind.
  - Names what would keep Pods from leaving a machine, before anything is changed.
  - Runs on the computer that has the kubeconfig. Changes nothing.
options:
  version:
    description: The wanted Kubernetes release.
    type: str
    required: true
  machines:
    description:
      - For each machine's name in the inventory, its C(node) (name in the cluster), C(packages) (as the module
        M(bramble.kube.pi_facts) returns them), and what M(bramble.kube.pi_upgrades) returned as C(os), C(engine) and
        C(reboot). For a further master, also C(control_plane), which M(bramble.kube.kubeadm_upgrade) returned there.
    type: dict
    required: true
  control_plane:
    description: What the module M(bramble.kube.kubeadm_upgrade) returned on the first master.
    type: dict
    required: true
  available:
    description: Releases that are in the package repository of the cluster's next minor version.
    type: list
    elements: str
    default: []
  force:
    description: Whether Pods that no controller would recreate may be lost.
    type: bool
    default: false
  kubeconfig:
    description: The administrator's kubeconfig on this computer.
    type: path
    required: true
attributes:
  check_mode:
    description: Changes nothing anyway.
    support: full
  diff_mode:
    description: Nothing is changed, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Find out what is due
  bramble.kube.upgrade_check:
    version: "1.37.2"
    machines:
      k8s-master:
        node: k8s-master
        packages: "{{ ansible_facts.pi_packages }}"
        os: "{{ news.os }}"
        engine: "{{ news.engine }}"
        reboot: "{{ news.reboot }}"
    control_plane: "{{ upgrade_control_plane }}"
    kubeconfig: "{{ master_kubeconfig }}"
  register: upgrade_due
  delegate_to: localhost
  become: false
"""

RETURN = r"""
current:
  description: The control plane's current release.
  returned: always
  type: str
  sample: 1.36.3
control_plane:
  description: Why the control plane is not at the wanted release; empty when it is.
  returned: always
  type: str
machines:
  description: For each machine on which something is due, the C(reasons) in words, and whether Kubernetes' C(release),
    packages of the C(os) and the container C(engine) are among them.
  returned: always
  type: dict
lines:
  description: What is due, in lines for the user.
  returned: always
  type: list
  elements: str
errors:
  description: What keeps the upgrade from starting, one sentence each.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.nodes import upgrade_plan


def main() -> None:
    """Do what is left to do."""
    perform(upgrade_plan)


if __name__ == "__main__":
    main()
