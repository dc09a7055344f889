# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fit
short_description: Checks whether Kubernetes objects fit on nodes
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Sums up what objects request (replicas, initialization, sidecars, DaemonSets on each node, custom resources by the
    pod templates in them), and works out whether the scheduler would find a node for each pod.
  - Taints, node selectors and required node affinity count. Affinity between pods, topology spread, quotas and
    LimitRanges do not.
  - Pods that earlier versions of the same objects started count as gone, so a second run has the same answer.
positional: _input
options:
  _input:
    description: Objects by component, or a plain list of objects.
    type: raw
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
    default: []
  images:
    description:
      - What M(bramble.kube.image_platforms) returned as RV(bramble.kube.image_platforms#module:images), to find pods
        that may land on a node for which an image is not built.
    type: list
    elements: dict
    default: []
  namespace:
    description: Where objects without a namespace will be.
    type: str
    default: default
seealso:
  - module: bramble.kube.image_platforms
"""

EXAMPLES = r"""
- name: Refuse what does not fit, with the table
  ansible.builtin.assert:
    that: report.fits
    fail_msg: "{{ report.message }}"
  vars:
    components: {trainer: "{{ rendered }}"}
    report: "{{ components | bramble.kube.fit(nodes.resources, pods=pods.resources, images=asked.images) }}"
"""

RETURN = r"""
_value:
  description: The verdict and what it rests on.
  type: dict
  contains:
    fits:
      description: Whether every pod finds a node, and every image runs where its pods may land.
      type: bool
    tight:
      description: Whether that needs the scheduler to pack pods better than it usually does.
      type: bool
    components:
      description: For each component C(name), C(pods), C(cpu) (thousandths of a core), C(memory) (bytes), C(unplaced)
        (number of pods), C(wrong_images), C(fits).
      type: list
      elements: dict
    nodes:
      description: For each node C(name), C(platform), and for C(cpu) and C(memory) what is C(allocatable), C(free),
        C(planned) and C(left).
      type: list
      elements: dict
    unplaced:
      description: Each pod without a node, with C(component), C(object), C(requests) and C(reasons) by node.
      type: list
      elements: dict
    wrong_images:
      description: Images on nodes for which they are not built, with C(component), C(object), C(image), C(platforms),
        C(nodes).
      type: list
      elements: dict
    leave_out:
      description: Components without any one of which the rest fits.
      type: list
      elements: str
    message:
      description: The verdict in words.
      type: str
    table:
      description: Lines of a table.
      type: list
      elements: str
"""

from collections.abc import Mapping

from ansible.errors import AnsibleFilterError

from ansible_collections.bramble.kube.plugins.module_utils.fit.demand import InvalidObject
from ansible_collections.bramble.kube.plugins.module_utils.fit.placement import report


def fit(value, nodes, pods=None, images=None, namespace="default"):
    """See DOCUMENTATION."""
    components = value if isinstance(value, Mapping) else {"objects": value}
    for name, objects in components.items():
        if isinstance(objects, (str, bytes)) or not hasattr(objects, "__iter__"):
            raise AnsibleFilterError(f"fit: component {name} must be a list of Kubernetes objects")
    try:
        return report(
            {name: list(objects) for name, objects in components.items()}, nodes, pods or [], images or [], namespace
        )
    except InvalidObject as error:
        raise AnsibleFilterError(f"fit: {error}") from error


class FilterModule:
    """The filter for Ansible."""

    def filters(self):
        """Names to functions."""
        return {"fit": fit}
