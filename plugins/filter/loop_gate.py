# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: loop_gate
short_description: The Gate that follows from loop_models and people
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Returns the content of the object C(gate) in the namespace C(loop), by which the API server decides what may happen
    to a release.
positional: _input, people
options:
  _input:
    description: The models, as in C(loop_models).
    type: list
    elements: dict
    required: true
  people:
    description: Who may use the loop, as in the variable C(people).
    type: list
    elements: dict
    required: true
seealso:
  - plugin: bramble.kube.loop_errors
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the rules for the example
  ansible.builtin.debug:
    msg: "{{ [{'name': 'digits'}] | bramble.kube.loop_gate([{'name': 'ada', 'groups': ['reviewer']}]) }}"
"""

RETURN = r"""
_value:
  description: The Gate's spec, with every default filled in.
  type: dict
"""

from ansible_collections.bramble.kube.plugins.module_utils.loop.settings import gate


def loop_gate(value, people):
    """See DOCUMENTATION."""
    return gate(value, people)


class FilterModule:
    """The filter for Ansible."""

    def filters(self):
        """Names to functions."""
        return {"loop_gate": loop_gate}
