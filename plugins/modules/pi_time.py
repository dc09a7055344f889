#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_time
short_description: A synchronised clock
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Makes sure that a time service runs, gives it time servers if any are given, and waits until the clock is
    synchronised and shows the right time. A Pi has no clock that runs while it is off, and with a wrong one no
    certificate is valid.
  - Works with chrony, systemd-timesyncd, ntpsec, ntp and openntpd. Servers are set for chrony and systemd-timesyncd.
options:
  servers:
    description: Time servers, by name or address. Empty leaves those that the OS has.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds to wait for a synchronised clock.
    type: int
    default: 120
  reference:
    description:
      - The time of the computer that runs Ansible, in seconds since 1970. 0 means that it is not compared.
      - A server in O(servers) with a different time is refused before it is set, and a clock that is synchronised to
        a different time is an error.
    type: float
    default: 0.0
  tolerance:
    description: Seconds by which O(reference) and the clock may differ. 0 means that they are not compared.
    type: int
    default: 300
attributes:
  check_mode:
    description: Says what would be changed, and does not wait.
    support: full
  diff_mode:
    description: Shows the configuration before and after.
    support: full
"""

EXAMPLES = r"""
- name: Wait for the right time
  bramble.kube.pi_time:
    servers: [192.168.13.1]
    reference: "{{ now().timestamp() }}"
"""

RETURN = r"""
service:
  description: The time service.
  returned: always
  type: str
synchronized:
  description: Whether the clock is synchronised.
  returned: always
  type: bool
waited:
  description: Seconds that the module waited.
  returned: always
  type: float
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import clock


def main() -> None:
    """Do what is left to do."""
    perform(clock)


if __name__ == "__main__":
    main()
