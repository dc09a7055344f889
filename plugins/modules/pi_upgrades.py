#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_upgrades
short_description: Which packages of a machine have newer versions, and whether a reboot is due
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Refreshes the package lists and lets apt say what an upgrade would bring. Installs nothing.
  - Fails if the package sources belong to a release of the OS other than the installed one,
    because an upgrade would then mix the two.
  - With O(mark) it notes in C(/run/reboot-required), before anything is installed, that a reboot will be due. The file
    goes away with the reboot, so it is not forgotten if the run is interrupted in between.
options:
  engine:
    description: Packages of the container engine, listed separately, even when they are held.
    type: list
    elements: str
    default: []
  ignore:
    description: Packages to ignore.
    type: list
    elements: str
    default: []
  mark:
    description: Note that a reboot will be due, if one of the newer packages needs one.
    type: bool
    default: false
attributes:
  check_mode:
    description: Uses the package lists as they are.
    support: full
  diff_mode:
    description: Nothing is installed, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Ask what is new
  bramble.kube.pi_upgrades:
    engine: [docker-ce, docker-ce-cli, containerd.io]
    ignore: [kubeadm, kubelet, kubectl]
  become: true
  register: news
"""

RETURN = r"""
os:
  description: The OS's packages with a newer version, as C(name old -> new). Packages that are held are not among them.
  returned: always
  type: list
  elements: str
engine:
  description: Those of the container engine.
  returned: always
  type: list
  elements: str
reboot:
  description: Whether a reboot is due now.
  returned: always
  type: bool
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.pi import upgrades


def main() -> None:
    """Do what is left to do."""
    perform(upgrades)


if __name__ == "__main__":
    main()
