#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_settings
short_description: Time zone, language, timers and firmware settings of a Raspberry Pi
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Sets the time zone and the language, enables or disables systemd timers, and sets values in the firmware's
    C(config.txt).
  - What is not given stays as it is.
options:
  timezone:
    description: Time zone, such as V(Europe/London). Empty leaves it as it is.
    type: str
    default: ''
  locale:
    description: Language and region of messages, such as V(en_GB.UTF-8). Empty leaves it as it is.
    type: str
    default: ''
  timers:
    description: Systemd timers, and whether each is to run. Those that the machine does not have are left out.
    type: dict
    default: {}
  firmware:
    description: Keys of C(config.txt) and their values, for every model. Left out on a machine without that file.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Says what would be changed.
    support: full
  diff_mode:
    description: Shows settings before and after.
    support: full
"""

EXAMPLES = r"""
- name: Local time, and less memory for a screen that is not there
  bramble.kube.pi_settings:
    timezone: Europe/London
    timers: {fstrim.timer: true}
    firmware: {gpu_mem: 16}
"""

RETURN = r"""
reboot_required:
  description: Whether the firmware reads the changes only at the next boot.
  returned: always
  type: bool
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import settings


def main() -> None:
    """Do what is left to do."""
    perform(settings)


if __name__ == "__main__":
    main()
