#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_due
short_description: Which steps a machine still needs
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Asks several modules of this collection at once whether they would change anything, and changes nothing. So a
    finished Pi costs one task instead of ten.
options:
  steps:
    description:
      - Options by module, of C(boot_cmdline), C(config_files), C(kernel_settings), C(kubeadm_address),
        C(kubeadm_certs), C(kubeadm_init), C(pi_address), C(pi_names), C(pi_packages), C(pi_resolver), C(pi_settings),
        C(pi_swap), C(pi_time) and C(pi_wifi).
      - A module that would refuse its options counts as due; run on its own, it then says why.
    type: dict
    required: true
  wifi_password:
    description: The password for C(pi_wifi), separate because it is a secret.
    type: str
    default: ''
attributes:
  check_mode:
    description: Never changes anything.
    support: full
  diff_mode:
    description: Shows nothing; the modules that are due do.
    support: none
"""

EXAMPLES = r"""
- name: Look what is left to do
  bramble.kube.pi_due:
    steps:
      pi_swap: {state: 'off'}
      kernel_settings: {modules: [overlay, br_netfilter], settings: {net.ipv4.ip_forward: 1}}
  register: left

- name: Switch swap off
  bramble.kube.pi_swap:
    state: 'off'
  when: "'pi_swap' in left.due"
"""

RETURN = r"""
due:
  description: The modules that have something to do, in their given order.
  returned: always
  type: list
  elements: str
told:
  description:
    - What later tasks need of the results of modules that have nothing to do, by module. Of C(kubeadm_init) that is
      C(cluster_ca_sha256), C(admin_kubeconfig_sha256) and C(server).
  returned: always
  type: dict
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.pi import pending


def main() -> None:
    """Do what is left to do."""
    perform(pending)


if __name__ == "__main__":
    main()
