#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: known_host
short_description: The host keys that this computer's SSH knows of a host
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Adds and removes keys of the task's host in the files of known hosts of the computer that runs Ansible. The host
    itself is not asked.
  - Looks the host up as SSH does with the connection's settings - C(HostName), C(Port), C(HostKeyAlias),
    C(UserKnownHostsFile) and C(HashKnownHosts) of its configuration hold, and hashed names are found.
  - Does nothing for a host that is not reached by SSH.
options:
  learn:
    description: Public keys to add, each as "type key".
    type: list
    elements: str
    default: []
  forget:
    description: Public keys to remove. Lines with a pattern stay, and so do other names of a line.
    type: list
    elements: str
    default: []
  file:
    description: Another file than those that SSH reads for this host.
    type: str
attributes:
  check_mode:
    support: full
    description: Says what would be changed.
  diff_mode:
    support: none
    description: The names of the changed files are returned.
notes:
  - With several hosts in one file, use C(throttle=1).
requirements:
  - C(ssh) and C(ssh-keygen), on the computer that runs Ansible
"""

EXAMPLES = r"""
- name: Know a new key before it is shown
  bramble.kube.known_host:
    learn: "{{ keys.public_keys }}"
  throttle: 1
"""

RETURN = r"""
name:
  description: The name by which SSH looks the host's key up; empty for a host that is not reached by SSH.
  returned: always
  type: str
files:
  description: The files that were changed.
  returned: always
  type: list
  elements: str
"""
