#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kernel_settings
short_description: Kernel modules and settings, now and after each boot
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Loads kernel modules and sets kernel settings (sysctl), and makes both persistent for the next boot.
  - A module that is built into the kernel counts as present.
options:
  name:
    description: The name of the files in C(/etc/modules-load.d) and C(/etc/sysctl.d), without their suffix.
    type: str
    default: 90-bramble-kube
  modules:
    description: Kernel modules to have.
    type: list
    elements: str
    default: []
  settings:
    description: Kernel settings and their values, such as C(net.ipv4.ip_forward) and V(1).
    type: dict
    default: {}
  optional_settings:
    description: Kernel settings that are skipped on a kernel that does not have them.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Says what would be changed.
    support: full
  diff_mode:
    description: Shows files and settings before and after.
    support: full
"""

EXAMPLES = r"""
- name: Let pods reach each other
  bramble.kube.kernel_settings:
    modules: [overlay, br_netfilter]
    settings:
      net.ipv4.ip_forward: 1
      net.bridge.bridge-nf-call-iptables: 1
"""

RETURN = r"""
loaded:
  description: Kernel modules that were loaded.
  returned: always
  type: list
  elements: str
set:
  description: Kernel settings that had another value.
  returned: always
  type: list
  elements: str
reboot_required:
  description: Whether a kernel update has replaced the running kernel's modules, so that they come with the next boot.
  returned: always
  type: bool
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import kernel


def main() -> None:
    """Do what is left to do."""
    perform(kernel)


if __name__ == "__main__":
    main()
