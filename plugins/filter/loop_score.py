# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: loop_score
short_description: Shows the ML Test Score of releases as a table
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - For each model, lists the live release and those that wait for a decision, with all 28 tests, their points, the
    lowest of the four sums, and what the next half point takes. Talks to no host.
positional: _input, model
options:
  _input:
    description: The Releases of the cluster.
    type: list
    elements: dict
    required: true
  model:
    description: Only the releases of this model; empty for all.
    type: str
    default: ""
seealso:
  - plugin: bramble.kube.loop_rollback
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the score
  ansible.builtin.debug:
    msg: "{{ releases | bramble.kube.loop_score }}"
"""

RETURN = r"""
_value:
  description: Lines of text; none when no release is live or waits.
  type: list
  elements: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.loop.releases import scores


def loop_score(value, model=""):
    """See DOCUMENTATION."""
    return scores(value, model)


class FilterModule:
    """The filter for Ansible."""

    def filters(self):
        """Names to functions."""
        return {"loop_score": loop_score}
