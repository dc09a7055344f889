#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: loop_people
short_description: People's access to the loop, with a kubeconfig and a password for each
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Gives each person of O(people) a kubeconfig on the laptop, F(NAME.kubeconfig) in O(folder) with mode 0600, whose
    certificate the cluster signs (CSR API). The key is made here and never leaves the laptop.
  - Renews a kubeconfig when a third of its certificate's life is left, and when the cluster or its address has changed.
  - Gives each person a password for the desk. The Secret C(desk-passwords) in the namespace C(loop) holds it for the
    administrator; the Secret C(desk-logins) holds its scrypt hash for the desk.
  - Removes the kubeconfig and the password of anybody who has left the list. A certificate cannot be revoked, so it
    holds only a name; the role P(bramble.kube.loop#role) takes away what that name may do.
  - Runs on the laptop (C(delegate_to=localhost)).
options:
  people:
    description: Who may use the loop.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name to log in with. Small letters, digits and hyphens.
        type: str
        required: true
      groups:
        description: What the person is - C(trainer), C(reviewer), C(operator), C(viewer).
        type: list
        elements: str
        required: true
  folder:
    description: Folder on the laptop for the kubeconfigs.
    type: path
    required: true
  days:
    description: Days for which a certificate is good, 1 to 365. The cluster may sign for a shorter time.
    type: int
    default: 90
  kubeconfig:
    description: The administrator's kubeconfig on the laptop.
    type: path
    required: true
  context:
    description: A context in it, its current one by default.
    type: str
requirements:
  - cryptography
attributes:
  check_mode:
    description: Reports who would get what; where there is no cluster yet, everybody would get everything.
    support: full
  diff_mode:
    description: Names whose kubeconfigs and passwords come and go, never their content.
    support: full
"""

EXAMPLES = r"""
- name: Give a reviewer and a viewer their access
  bramble.kube.loop_people:
    kubeconfig: "{{ inventory_dir }}/.kubeconfig"
    folder: "{{ inventory_dir }}/.people"
    people:
      - {name: ada, groups: [reviewer]}
      - {name: vic, groups: [viewer]}
  delegate_to: localhost
  become: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
"""

RETURN = r"""
kubeconfigs:
  description: For each name C(created), C(renewed) or C(removed).
  returned: always
  type: dict
  sample: {ada: renewed}
passwords:
  description: For each name C(created) or C(removed).
  returned: always
  type: dict
  sample: {vic: created}
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.loop import people


def main() -> None:
    """Do what is left to do."""
    perform(people)


if __name__ == "__main__":
    main()
