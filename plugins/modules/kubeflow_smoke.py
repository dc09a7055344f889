#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeflow_smoke
short_description: Proofs by real use that Kubeflow's components work
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Makes a namespace of its own, carries out one proof after another in it, and deletes it with all that was made.
  - A proof that fails does not fail the module and does not keep the others from being tried, so that one run shows
    everything; RV(failed_proofs) says which.
extends_documentation_fragment:
  - bramble.kube.api_options
options:
  proofs:
    description:
      - What to prove.
      - V(tfjob) and V(trainjob) train a classifier of handwritten digits with a team of three and store it.
      - V(serve) serves the model of one of these, or else one that it trains itself, and asks it.
      - V(notebook) starts a test user's notebook server, runs a cell, and finds its file after a restart.
      - V(storage) keeps a file on a volume from one Pod to the next; V(metrics) reads the load of all nodes.
    type: list
    elements: str
    choices: [storage, metrics, tfjob, trainjob, serve, notebook]
    required: true
  namespace:
    description: The namespace that is made and deleted.
    type: str
    default: kubeflow-smoke
  image:
    description:
      - Image with Python, scikit-learn and KServe's model server, for training and serving alike.
    type: str
    required: true
  programs:
    description: Names and texts of the programs that run in Pods, C(digits.py) and C(notebook.py).
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
        description: The token of a service that may manage users and servers, made for the time of the proof.
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
    description: Seconds for each single wait, such as for a job or a server, images on their way included.
    type: int
    default: 600
  keep:
    description: Leave the namespace as it is, to look at it. The next run deletes it.
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
    kubeconfig: "{{ inventory_dir }}/kubeconfig"
    proofs: [tfjob, serve]
    image: docker.io/kserve/sklearnserver:v0.21.0
    model_server: {namespace: kubeflow, deployment: model-server}
    programs:
      digits.py: "{{ lookup('ansible.builtin.file', 'smoke/digits.py') }}"
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
      description: Whether it came out as it should.
      type: bool
    seen:
      description: What came out, or why it failed.
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

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.bramble.kube.plugins.module_utils.manifests import auth, yamltext
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Client, Fault
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ClusterError
from ansible_collections.bramble.kube.plugins.module_utils.manifests.options import AUTH_OPTIONS
from ansible_collections.bramble.kube.plugins.module_utils.smoke.namespace import Workplace
from ansible_collections.bramble.kube.plugins.module_utils.smoke.proof import NotProven, table
from ansible_collections.bramble.kube.plugins.module_utils.smoke.run import PROOFS, Plan, carry_out


def names_of(*options: str) -> dict[str, dict]:
    """Options that are names of things on the cluster, all of them needed."""
    return {name: {"type": "str", "required": True, "no_log": False} for name in options}


def main() -> None:
    """Read the options, prove, report."""
    module = AnsibleModule(
        argument_spec=dict(
            AUTH_OPTIONS,
            proofs={"type": "list", "elements": "str", "choices": list(PROOFS), "required": True},
            namespace={"type": "str", "default": "kubeflow-smoke"},
            image={"type": "str", "required": True},
            programs={"type": "dict", "required": True},
            jupyterhub={
                "type": "dict",
                "options": dict(
                    names_of("namespace", "deployment", "url"),
                    token={"type": "str", "required": True, "no_log": True},
                ),
            },
            model_server={"type": "dict", "options": names_of("namespace", "deployment")},
            timeout={"type": "int", "default": 600},
            keep={"type": "bool", "default": False},
        ),
        supports_check_mode=True,
    )
    if not yamltext.HAS_YAML:
        module.fail_json(msg=missing_required_lib("PyYAML"))
    for proof, option in (("notebook", "jupyterhub"), ("serve", "model_server")):
        if proof in module.params["proofs"] and not module.params[option]:
            module.fail_json(msg=f"The proof {proof} needs the option {option}: where it is.")
    if module.check_mode:
        module.exit_json(changed=False, results=[], failed_proofs=[], table=[], msg="Nothing is proven in check mode.")
    try:
        place = Workplace(Client(auth.endpoint(module.params)), module.params["namespace"], module.params["timeout"])
        plan = Plan(
            proofs=module.params["proofs"],
            image=module.params["image"],
            programs=module.params["programs"],
            hub=module.params["jupyterhub"] or {},
            server=module.params["model_server"] or {},
        )
        results = carry_out(place, plan)
        if not module.params["keep"]:
            place.close()
    except (ClusterError, Fault, NotProven) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        # The namespace comes and goes; with keep, it stays.
        changed=module.params["keep"],
        results=[result.as_dict() for result in results],
        failed_proofs=[result.proof for result in results if not result.ok],
        table=table(results),
    )


if __name__ == "__main__":
    main()
