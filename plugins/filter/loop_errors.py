# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: loop_errors
short_description: Says what is wrong with loop_models and people
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Finds groups that do not exist, reviewers who are not in the group reviewer, duplicate names, missing code,
    thresholds that no score can reach, and rules under which nobody could ever decide. Talks to no host.
positional: _input, people
options:
  _input:
    description: The models, as in C(loop_models).
    type: raw
    required: true
  people:
    description: Who may use the loop, as in the variable C(people).
    type: raw
    required: true
  folder:
    description: The folder on this computer from which relative paths of models' code start.
    type: str
    default: ""
  notify:
    description: Where people are notified, as in the variable C(loop_notify).
    type: raw
    default: []
seealso:
  - plugin: bramble.kube.loop_gate
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Stop if nobody could decide
  ansible.builtin.assert:
    that: errors | length == 0
    fail_msg: "{{ errors | join('\n') }}"
  vars:
    errors: "{{ loop_models | bramble.kube.loop_errors(people, folder=inventory_dir) }}"
"""

RETURN = r"""
_value:
  description: One sentence for each error. Where it is, what it is, and what would be right.
  type: list
  elements: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.loop.notify import errors as notify_errors
from ansible_collections.bramble.kube.plugins.module_utils.loop.settings import errors


def loop_errors(value, people, folder="", notify=()):
    """See DOCUMENTATION."""
    return [*errors(value, people, folder), *notify_errors(notify or [])]


class FilterModule:
    """The filter for Ansible."""

    def filters(self):
        """Names to functions."""
        return {"loop_errors": loop_errors}
