#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: apt_source
short_description: A package repository for apt, with a key identified by its fingerprint
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Fetches a repository's signing key, compares its fingerprint with those that are trusted, lets this machine's own
    apt read the repository with it in a separate folder, and only then writes key and source. So what apt refuses, such
    as an outdated signature or an expired key, is reported with its reason and never gets in apt's way.
  - Entries in other files that name the same repository are switched off, because apt refuses to work when two entries
    name one repository and different keys. An entry that names others, too, is refused, with its file's name.
  - The fingerprint is computed from the key itself; gpg is not needed.
options:
  name:
    description: The name of the files, C(/etc/apt/sources.list.d/NAME.sources) and C(/etc/apt/keyrings/NAME.asc).
    type: str
    required: true
  label:
    description: What the repository is called in messages.
    type: str
    required: true
  url:
    description: Its address.
    type: str
    required: true
  suite:
    description: The release of the OS, such as C(trixie), or C(/) in a repository without suites.
    type: str
    required: true
  components:
    description: Parts of the suite, such as C(stable).
    type: list
    elements: str
    default: []
  key_url:
    description: Address of its key, an ASCII-armoured file.
    type: str
    required: true
  key_fingerprints:
    description: Fingerprints of the keys that are trusted. A file with any other key in it is refused.
    type: list
    elements: str
    required: true
  settings:
    description: What the variables for these begin with, such as C(docker_apt), for messages.
    type: str
    required: true
  state:
    description:
      - V(present) makes source and key what they should be.
      - V(renewed) only renews the key of an existing source, and switches the source off, with a warning, when apt
        refuses it for good.
    type: str
    choices: [present, renewed]
    default: present
attributes:
  check_mode:
    description: Still fetches the key and lets apt try it, because that changes nothing.
    support: full
  diff_mode:
    description: Shows the files of key and sources.
    support: full
"""

EXAMPLES = r"""
- name: Add Docker's repository
  bramble.kube.apt_source:
    name: docker
    label: Docker's package repository
    url: https://download.docker.com/linux/debian
    suite: trixie
    components: [stable]
    key_url: https://download.docker.com/linux/debian/gpg
    key_fingerprints: ["9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88"]
    settings: docker_apt
  become: true
"""

RETURN = r""" # """

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import apt_source


def main() -> None:
    """Do what is left to do."""
    perform(apt_source)


if __name__ == "__main__":
    main()
