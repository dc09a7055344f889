#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_wifi
short_description: Wi-Fi of a Raspberry Pi
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Adds a Wi-Fi network to whatever manages the Pi's network - NetworkManager, netplan, or dhcpcd with
    wpa_supplicant - and keeps the radio awake.
  - The password itself is not stored, only the key derived from it for this network, readable by root alone.
options:
  country:
    description: Code of the country whose rules the radio follows, such as V(GB). Needed with O(ssid).
    type: str
    default: ''
  ssid:
    description: The network's name. Empty leaves the networks as they are.
    type: str
    default: ''
  password:
    description: The network's password, 8 to 63 characters.
    type: str
    default: ''
  power_save:
    description: Whether the radio may sleep. A sleeping one loses packets, and nodes become NotReady.
    type: bool
    default: false
  interface:
    description: The radio's network interface.
    type: str
    default: wlan0
attributes:
  check_mode:
    description: Says what would be changed.
    support: full
  diff_mode:
    description: Shows files before and after; of those with a key, only the names.
    support: full
"""

EXAMPLES = r"""
- name: Connect to the Wi-Fi
  bramble.kube.pi_wifi:
    country: GB
    ssid: bramble
    password: "{{ vault_wifi_password }}"
"""

RETURN = r"""
manager:
  description: What manages the network.
  returned: always
  type: str
files:
  description: The files that were changed.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import wifi


def main() -> None:
    """Do what is left to do."""
    perform(wifi)


if __name__ == "__main__":
    main()
