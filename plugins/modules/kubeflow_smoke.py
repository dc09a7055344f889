#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeflow_smoke
short_description: Proof by real use that Kubeflow's components work
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Creates a namespace of its own, carries out one proof after another in it, and deletes it with everything in it.
  - A proof that fails does not fail the module and does not keep the others from being tried, so that one run shows
    everything; RV(failed_proofs) says which.
extends_documentation_fragment:
  - bramble.kube.api_options
options:
  proofs:
    description:
      - What to prove.
      - V(tfjob) and V(trainjob) train a classifier of handwritten digits with a team of three and store it.
      - V(serve) serves the model of one of these, or otherwise one that it trains itself, and queries it.
      - V(notebook) starts a test user's notebook server, runs a cell, and finds its file after a restart.
      - V(storage) keeps a file on a volume from one Pod to the next; V(metrics) reads the load of all nodes.
    type: list
    elements: str
    choices: [storage, metrics, tfjob, trainjob, serve, notebook]
    required: true
  namespace:
    description: The namespace that is created and deleted.
    type: str
    default: kubeflow-smoke
  image:
    description:
      - Image with Python, scikit-learn and KServe's model server, for both training and serving.
    type: str
    required: true
  programs:
    description:
      - Names and texts of the programs that run in Pods.
      - C(digits.py) with C(http_call.py), which it imports, and C(notebook.py).
    type: dict
    required: true
  jupyterhub:
    description: Where JupyterHub is. Needed for the proof V(notebook).
    type: dict
    suboptions:
      namespace:
        description: Its namespace.
        type: str
        required: true
      deployment:
        description: The hub's Deployment, whose image has what the proof needs.
        type: str
        required: true
      url:
        description: Address of its proxy inside the cluster.
        type: str
        required: true
      token:
        description: The token of a service that may manage users and servers, created for the duration of the proof.
        type: str
        required: true
  model_server:
    description:
      - The Deployment of the model server, of which a copy serves the trained model. Needed for the proof V(serve).
    type: dict
    suboptions:
      namespace:
        description: Its namespace.
        type: str
        required: true
      deployment:
        description: Its name. The first container's port must have the name C(http).
        type: str
        required: true
  timeout:
    description: Seconds for each single wait, such as for a job or a server, including image pulls.
    type: int
    default: 600
  keep:
    description: Keep the namespace, so that you can look at it. The next run deletes it.
    type: bool
    default: false
attributes:
  check_mode:
    description: Proves nothing, because nothing can be proven without using it.
    support: full
  diff_mode:
    description: Nothing stays, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Prove the training operator, and that its model can be served
  bramble.kube.kubeflow_smoke:
    kubeconfig: "{{ inventory_dir }}/.kubeconfig"
    proofs: [tfjob, serve]
    image: docker.io/kserve/sklearnserver:v0.21.0
    model_server: {namespace: kubeflow, deployment: model-server}
    programs:
      digits.py: "{{ lookup('ansible.builtin.file', 'smoke/digits.py') }}"
      http_call.py: "{{ lookup('ansible.builtin.file', 'http_call.py') }}"
  delegate_to: localhost
  become: false
  run_once: true
"""

RETURN = r"""
results:
  description: What each proof has shown.
  returned: always
  type: list
  elements: dict
  contains:
    proof:
      description: Its name.
      type: str
    what:
      description: What was done.
      type: str
    ok:
      description: Whether the proof succeeded.
      type: bool
    seen:
      description: What was observed, or why it failed.
      type: str
    seconds:
      description: How long it took.
      type: float
failed_proofs:
  description: The names of those that failed.
  returned: always
  type: list
  elements: str
table:
  description: The results as lines of a table.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.smoke import run


def main() -> None:
    """Do what is left to do."""
    perform(run)


if __name__ == "__main__":
    main()
