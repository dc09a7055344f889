# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: loop_fit
short_description: Checks whether the loop fits on the nodes
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Counts the loop's programs and, for each model of C(loop_models), the live server, the next one beside it, and a
    training. Talks to no host.
positional: _input, models, image, nodes, pods
options:
  _input:
    description: The objects that the role installs.
    type: list
    elements: dict
    required: true
  models:
    description: The models, as in C(loop_models).
    type: list
    elements: dict
    required: true
  image:
    description: The image of all programs.
    type: str
    required: true
  nodes:
    description: Node objects as the API has them.
    type: list
    elements: dict
    required: true
  pods:
    description: All Pod objects of the cluster.
    type: list
    elements: dict
    required: true
seealso:
  - plugin: bramble.kube.fit
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Stop if the loop does not fit
  ansible.builtin.assert:
    that: report.fits
    fail_msg: "{{ report.message }}"
  vars:
    report: "{{ parts | bramble.kube.loop_fit(loop_models, loop_image, nodes.resources, pods.resources) }}"
"""

RETURN = r"""
_value:
  description: The verdict, as the filter P(bramble.kube.fit#filter) returns it.
  type: dict
"""

from ansible_collections.bramble.kube.plugins.module_utils.fit.placement import report
from ansible_collections.bramble.kube.plugins.module_utils.loop.demand import demand, others


def loop_fit(value, models, image, nodes, pods):
    """See DOCUMENTATION."""
    parts = {"the programs": [one for one in value if one], "servers and trainings": demand(models, image)}
    return report(parts, nodes, others(pods), [], "loop")


class FilterModule:
    """The filter for Ansible."""

    def filters(self):
        """Names to functions."""
        return {"loop_fit": loop_fit}
