#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: attempt
short_description: Runs a module and reports its failure, or a host that does not answer, as a result instead of an
  error
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Returns what the module returns. When the host does not answer or the module fails, the task still succeeds, so that
    a later one can say once, in its own words, what is wrong. C(ignore_unreachable) and C(rescue) print the error in
    red
    before that, for every host.
options:
  module:
    description: The module's full name.
    type: str
    required: true
  arguments:
    description: The module's arguments.
    type: dict
    default: {}
  if_failed:
    description: What to do when the module fails on a host that answers, V(fail) as every task does, or V(go_on).
    type: str
    choices: [go_on, fail]
    default: go_on
attributes:
  check_mode:
    description: As the module's.
    support: full
  diff_mode:
    description: As the module's.
    support: full
  action:
    description: Runs the module on the host.
    support: full
"""

EXAMPLES = r"""
- name: Read every Pi, also those that are switched off
  bramble.kube.attempt:
    module: bramble.kube.pi_facts
  become: true
  register: tried

- name: Name those that do not answer
  bramble.kube.show:
    text: "{{ inventory_hostname }} does not answer."
  when: not tried.reached
"""

RETURN = r"""
reached:
  description: Whether the host answered.
  returned: always
  type: bool
done:
  description: Whether the module succeeded.
  returned: always
  type: bool
msg:
  description: Why it did not succeed.
  returned: when it did not succeed
  type: str
"""
