#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_address
short_description: A fixed address of a machine, tried before it is kept
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Gives a network interface a fixed IPv4 address, through whatever manages it - NetworkManager, netplan or dhcpcd.
    Where cloud-init is installed, it is configured to leave the network alone.
  - The change is made by a job of its own three seconds after the module has answered, and is undone unless
    O(state=confirmed) confirms it within O(timeout) seconds, over a connection that was made after the change. So a
    wrong address locks nobody out. After a power cut it is undone, too.
  - An address that another machine on the network has is refused.
options:
  address:
    description: The address with the length of its network, such as V(192.168.13.7/24). Empty changes nothing.
    type: str
    default: ''
  gateway:
    description: The router's address. Empty for the one that is in use.
    type: str
    default: ''
  nameservers:
    description: Name servers. Empty for those that are in use.
    type: list
    elements: str
    default: []
  interface:
    description: The network interface. Empty for the one of the default route.
    type: str
    default: ''
  timeout:
    description: Seconds after which an unconfirmed address is given up.
    type: int
    default: 90
  state:
    description:
      - V(tried) starts the trial, if the address is not as it should be.
      - V(confirmed) keeps what is being tried.
    type: str
    choices: [tried, confirmed]
    default: tried
attributes:
  check_mode:
    description: Says what would be changed.
    support: full
  diff_mode:
    description: Shows the address and the files before and after.
    support: full
"""

EXAMPLES = r"""
- name: Try an address
  bramble.kube.pi_address:
    address: 192.168.13.7/24
  register: trial

- name: Reach the Pi there
  ansible.builtin.wait_for_connection:
    delay: 6
    timeout: 60
  vars:
    ansible_host: 192.168.13.7
  when: trial.trial

- name: Keep it
  bramble.kube.pi_address:
    state: confirmed
  vars:
    ansible_host: 192.168.13.7
  when: trial.trial
"""

RETURN = r"""
trial:
  description: Whether a trial was started and waits for its confirmation.
  returned: with O(state=tried)
  type: bool
moved:
  description: Whether the machine did not have the address before.
  returned: with O(state=tried)
  type: bool
host_keys:
  description: The public halves of the SSH host keys, which identify the machine at its new address.
  returned: with O(state=tried) and an address
  type: list
  elements: str
manager:
  description: What manages the interface.
  returned: with O(state=tried)
  type: str
interface:
  description: The network interface.
  returned: with O(state=tried)
  type: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import address


def main() -> None:
    """Do what is left to do."""
    perform(address)


if __name__ == "__main__":
    main()
