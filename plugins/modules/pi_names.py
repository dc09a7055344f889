#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_names
short_description: The name of a machine, and those of the others
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Sets the hostname, now and for the next boot, and enters all hosts into C(/etc/hosts).
  - Other lines in C(/etc/hosts) stay, but lose the names of these hosts, so that no stale address wins.
  - Where cloud-init is installed, it is configured to leave both alone from now on.
options:
  hostname:
    description: The machine's name.
    type: str
    required: true
  addresses:
    description: Address of each host by its name. An empty address leaves the host's entry as it is.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Says what would be changed.
    support: full
  diff_mode:
    description: Shows the files before and after.
    support: full
"""

EXAMPLES = r"""
- name: Name the Pi
  bramble.kube.pi_names:
    hostname: k8s-node1
    addresses:
      k8s-master: 192.168.13.7
      k8s-node1: 192.168.13.8
"""

RETURN = r"""
hostname_before:
  description: The machine's former name.
  returned: always
  type: str
files:
  description: The files that were changed.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import names


def main() -> None:
    """Do what is left to do."""
    perform(names)


if __name__ == "__main__":
    main()
