#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubectl
short_description: Downloads kubectl for this computer, and verifies its checksum
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Downloads the kubectl of a Kubernetes release for the system and processor of the machine on which the module runs,
    and installs it only if it has the SHA-256 checksum that the release publishes.
options:
  version:
    description: The release, such as V(1.37.2).
    type: str
    required: true
  folder:
    description: The folder to install it in; it is created if it does not exist.
    type: path
    default: ~/.local/bin
  source:
    description: The server of Kubernetes' releases, or a mirror of it.
    type: str
    default: https://dl.k8s.io
attributes:
  check_mode:
    description: Reads the checksum, and says whether something would be fetched.
    support: full
  diff_mode:
    description: It is a program.
    support: none
"""

EXAMPLES = r"""
- name: Fetch kubectl for this computer
  bramble.kube.kubectl:
    version: 1.37.2
  delegate_to: localhost
"""

RETURN = r"""
path:
  description: Where it is.
  returned: always
  type: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import kubectl


def main() -> None:
    """Do what is left to do."""
    perform(kubectl)


if __name__ == "__main__":
    main()
