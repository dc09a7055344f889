# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: loop_demand
short_description: What the loop will run, so that another fit check can count it
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Returns the Deployments of the loop's programs, and others that represent each model's servers and a training.
  - For O(bramble.kube.kubeflow_push#module:beside), so that Kubeflow and the loop are checked together before either is
    pushed.
positional: _input, models, image
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
seealso:
  - plugin: bramble.kube.loop_fit
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Calculate what the loop needs
  ansible.builtin.set_fact:
    loop_beside: "{{ parts | bramble.kube.loop_demand(loop_models, loop_image) }}"
"""

RETURN = r"""
_value:
  description: Deployments in the namespace C(loop).
  type: list
  elements: dict
"""

from ansible_collections.bramble.kube.plugins.module_utils.loop.demand import demand


def loop_demand(value, models, image):
    """See DOCUMENTATION."""
    programs = [one for one in value if one and one.get("kind") == "Deployment"]
    return [
        *({**one, "metadata": {**one["metadata"], "namespace": "loop"}} for one in programs),
        *demand(models, image),
    ]


class FilterModule:
    """The filter for Ansible."""

    def filters(self):
        """Names to functions."""
        return {"loop_demand": loop_demand}
