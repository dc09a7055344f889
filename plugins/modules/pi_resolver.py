#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_resolver
short_description: The name servers that a machine uses
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Sets exactly the given name servers, through whatever writes C(/etc/resolv.conf) - systemd-resolved,
    NetworkManager, dhcpcd, or nothing - and waits until they are in use.
options:
  nameservers:
    description: Addresses of name servers, three at most. Empty changes nothing.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Says what would be changed.
    support: full
  diff_mode:
    description: Shows the file before and after.
    support: full
"""

EXAMPLES = r"""
- name: Ask the router
  bramble.kube.pi_resolver:
    nameservers: [192.168.13.1]
"""

RETURN = r"""
file:
  description: The file in which the name servers are.
  returned: always
  type: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import resolver


def main() -> None:
    """Do what is left to do."""
    perform(resolver)


if __name__ == "__main__":
    main()
