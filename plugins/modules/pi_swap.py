#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_swap
short_description: Swap of a Raspberry Pi, off now and after each boot
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Switches swap off, and disables whatever switches it on at boot - rpi-swap, zram-generator, dphys-swapfile and
    C(/etc/fstab) in their own configuration, and each unit of systemd that is swap, or whose command or script runs
    C(swapon), with the timer that starts it.
  - Stops where C(/etc/rc.local) or a crontab runs C(swapon), itself or in a script, and names file and line; these are
    their owners'.
  - Removes swap files, which would only take space on the card.
options:
  state:
    description:
      - V(off) for no swap at all.
      - V(zram) for only compressed memory, as it is set up; files and partitions are switched off.
      - V(keep) to change nothing.
    type: str
    choices: ['off', zram, keep]
    default: 'off'
attributes:
  check_mode:
    description: Says what would be changed.
    support: full
  diff_mode:
    description: Shows swap areas and configuration before and after.
    support: full
"""

EXAMPLES = r"""
- name: Switch swap off for good
  bramble.kube.pi_swap:
    state: 'off'
"""

RETURN = r"""
switched_off:
  description: Swap areas that were in use.
  returned: always
  type: list
  elements: str
files:
  description: Configuration files that were changed.
  returned: always
  type: list
  elements: str
services:
  description: Units that were disabled or masked.
  returned: always
  type: list
  elements: str
removed:
  description: Swap files that were removed.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import swap


def main() -> None:
    """Do what is left to do."""
    perform(swap)


if __name__ == "__main__":
    main()
