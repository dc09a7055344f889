#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_packages
short_description: Debian packages, installed and up to date
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Installs packages and upgrades all packages, on a machine on which other programs install packages too, and
    whose power may have been cut while dpkg was working.
  - Waits for whatever is installing now, such as the unattended upgrade after a boot, and finishes interrupted
    dpkg work. An upgrade never touches held packages; changed configuration files are kept.
  - Reads dpkg's own files, and starts apt only when there is something to do.
options:
  names:
    description:
      - Packages that must be installed, in any version, or in one written as for apt - V(name=1.2-*).
      - If another package would have to be removed for them, nothing is installed and the module fails with its name.
    type: list
    elements: str
    default: []
  newest:
    description: Bring O(names) to the newest available version, even if they are already installed.
    type: bool
    default: false
  hold:
    description:
      - Hold O(names), so that no upgrade moves them, even after a power cut between installing and holding them.
      - O(names) that are already held are still installed in the wanted version, and held again.
    type: bool
    default: false
  upgrade:
    description: Bring all packages up to date, if that was last done more than O(upgrade_valid) seconds ago.
    type: bool
    default: false
  upgrade_valid:
    description: Seconds for which an upgrade counts as recent.
    type: int
    default: 86400
  lock_timeout:
    description: Seconds to wait for another program that installs packages.
    type: int
    default: 300
  ignore_dates:
    description: Accept package lists with dates in the future or past, for a machine whose clock is wrong.
    type: bool
    default: false
  archive:
    description:
      - Address of Debian's archive, for a release that its mirrors have dropped. The package sources are changed to
        it when a mirror says so. Empty never changes them.
    type: str
    default: ''
attributes:
  check_mode:
    description: Says what would be installed, as far as the present package lists show it.
    support: full
  diff_mode:
    description: Shows the packages whose version changes.
    support: full
"""

EXAMPLES = r"""
- name: Bring packages up to date and install what Kubernetes needs
  bramble.kube.pi_packages:
    names: [conntrack, ethtool]
    upgrade: true
"""

RETURN = r"""
changes:
  description: What happened to each package.
  returned: always
  type: list
  elements: str
resumed:
  description: Packages at which dpkg was interrupted and that were finished.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import packages


def main() -> None:
    """Do what is left to do."""
    perform(packages)


if __name__ == "__main__":
    main()
