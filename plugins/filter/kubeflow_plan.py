# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kubeflow_plan
short_description: Lists what has to be rendered for components of Kubeflow's catalogue
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Checks a catalogue and a choice from it, puts what others need first, and lists what has to be built or fetched
    before M(bramble.kube.kubeflow_push) can push.
positional: _input
options:
  _input:
    description: The chosen components, as O(bramble.kube.kubeflow_push#module:components).
    type: list
    elements: raw
    required: true
  catalogue:
    description: The catalogue.
    type: list
    elements: dict
    required: true
  extra:
    description: Further entries; one of the same name replaces the catalogue's own.
    type: list
    elements: dict
    default: []
  provided:
    description: Components that the cluster already has from elsewhere.
    type: list
    elements: str
    default: []
  base:
    description: Address in place of GitHub's for sources that name a repository.
    type: str
    default: https://github.com
  cache:
    description: Folder for what was rendered.
    type: str
    default: ""
  heritage:
    description: What to do with components from earlier days, as O(bramble.kube.kubeflow_push#module:heritage).
    type: str
    choices: [successors, as_is]
    default: successors
  ksonnet_params:
    description: Parameters of components that are rendered with ksonnet, by component.
    type: dict
    default: {}
  proven:
    description: Whether components come in the versions that this collection's tests run, where those are different.
    type: bool
    default: false
seealso:
  - module: bramble.kube.kubeflow_push
"""

EXAMPLES = r"""
- name: Show in which order components would be installed
  ansible.builtin.debug:
    msg: "{{ (['trainer'] | bramble.kube.kubeflow_plan(kubeflow_catalogue)).present }}"
"""

RETURN = r"""
_value:
  description:
    - C(present) and C(absent), names in order; C(needed), which components need each; C(kustomize), C(ksonnet),
      C(urls), what to
      build or fetch; C(paths), C(templates) and C(files), where each component's manifests are; C(kept),
      names of those whose file of an earlier run is there and as the checksum beside it says.
  type: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.catalogue import CatalogueError, load
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.choice import choose
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.legacy import settled, with_params
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.plan import plan


def kubeflow_plan(
    value,
    catalogue,
    extra=None,
    provided=None,
    base="https://github.com",
    cache="",
    heritage="successors",
    ksonnet_params=None,
    proven=False,
):
    """See DOCUMENTATION."""
    try:
        known = with_params(settled(load(catalogue, extra or [], proven=proven), heritage), ksonnet_params or {})
        return plan(choose(known, value, provided or []), base, cache)
    except (CatalogueError, ValueError) as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter for Ansible."""

    def filters(self):
        """Names to functions."""
        return {"kubeflow_plan": kubeflow_plan}
