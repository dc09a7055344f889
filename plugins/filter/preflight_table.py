# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight_table
short_description: Writes preflight's findings as one plain-text table for all hosts
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Hosts with the same finding share a line.
  - The sentences of all findings that are not simply ok follow below the table.
positional: _input
options:
  _input:
    description: What the filter C(bramble.kube.preflight_checks) returned.
    type: list
    elements: dict
    required: true
  must_change:
    description: Whether to list below the table, too, what the owner has to fix.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Print what preflight found
  ansible.builtin.debug:
    msg: "{{ groups | bramble.kube.preflight_checks(hostvars) | bramble.kube.preflight_table }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The table.
  type: str
"""

from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.preflight.table import preflight_table


class FilterModule:
    """The filter's table, as Ansible wants it."""

    def filters(self) -> dict[str, Any]:
        """Filter names and what they call."""
        return {"preflight_table": preflight_table}
