#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_identity
short_description: New SSH host keys and machine-id for a machine whose card was copied
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Gives a machine whose card was copied from another's SSH host keys and a machine-id of its own.
  - Host keys come in two steps, so that the laptop knows the new ones before the machine shows them - V(staged) creates
    them and returns their public halves, V(active) puts them into use. Open connections stay open.
options:
  host_keys:
    description: V(staged) creates new SSH host keys beside the old ones. V(active) replaces the old ones with them.
    type: str
    choices: [staged, active]
  machine_id:
    description: Create a new machine-id, which takes effect after a reboot.
    type: bool
    default: false
attributes:
  check_mode:
    description: Says what would be changed. Keys that are not created cannot be returned.
    support: full
  diff_mode:
    description: There is nothing to show - identities are confidential.
    support: none
"""

EXAMPLES = r"""
- name: Make new host keys
  bramble.kube.pi_identity:
    host_keys: staged
  register: keys

- name: Know them before they are shown
  bramble.kube.known_host:
    learn: "{{ keys.public_keys }}"
  throttle: 1

- name: Show them
  bramble.kube.pi_identity:
    host_keys: active
"""

RETURN = r"""
public_keys:
  description: The new host keys' public halves, each as "type key".
  returned: always
  type: list
  elements: str
old_public_keys:
  description: The public halves of the host keys in use.
  returned: always
  type: list
  elements: str
reboot_required:
  description: Whether a new machine-id takes effect after a reboot.
  returned: always
  type: bool
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import identity


def main() -> None:
    """Do what is left to do."""
    perform(identity)


if __name__ == "__main__":
    main()
