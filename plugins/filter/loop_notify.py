# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: loop_notify
short_description: The targets of loop_notify as the cluster gets them
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Gives each target the name under which a release records that the target was notified. Talks to no host.
options:
  _input:
    description: The targets, as in C(loop_notify).
    type: list
    elements: dict
    required: true
seealso:
  - plugin: bramble.kube.loop_errors
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the names
  ansible.builtin.debug:
    msg: "{{ loop_notify | bramble.kube.loop_notify | map(attribute='name') }}"
"""

RETURN = r"""
_value:
  description: The targets, each with C(name).
  type: list
  elements: dict
"""

from ansible_collections.bramble.kube.plugins.module_utils.loop.notify import targets


def loop_notify(value):
    """See DOCUMENTATION."""
    return targets(value)


class FilterModule:
    """The filter for Ansible."""

    def filters(self):
        """Names to functions."""
        return {"loop_notify": loop_notify}
