#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: show
short_description: Shows text as it is, under every callback and result format
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Prints tables and lists of lines as a person reads them. With C(ansible.builtin.debug) and Ansible's own settings,
    a table is one line of JSON.
  - Callbacks that print one JSON document for a program stay undisturbed; the lines are in the result.
options:
  text:
    description: A text, a list of lines, or a mapping of names to what is said about each.
    type: raw
    required: true
  stop:
    description: Ends the run, with this text as the reason. An empty list does not.
    type: bool
    default: false
attributes:
  check_mode:
    description: Shows the same.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  action:
    description: The work is done on the laptop.
    support: full
"""

EXAMPLES = r"""
- name: Show what preflight found
  bramble.kube.show:
    text: "{{ groups | bramble.kube.preflight_checks(hostvars) | bramble.kube.preflight_table }}"
  run_once: true
"""

RETURN = r"""
lines:
  description: What would have been shown.
  returned: when the callback prints one document for a program
  type: list
  elements: str
"""
