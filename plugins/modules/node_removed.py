#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_removed
short_description: A cluster that remembers nothing of some nodes
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Deletes the nodes' objects, and the certificate requests of their kubelets, so that a machine with a new card can
    join under the old name.
  - The Pods of a node that is deleted are recreated on others by their controllers. M(bramble.kube.node_drain) lets
    them leave gently before.
  - Volumes whose data lay on the machine itself, as those of local-path, stay, and their data is gone with the card.
    RV(folders) tells where it was, so that new ones can begin empty.
  - The nodes' machines are not touched; M(bramble.kube.kubeadm_reset) takes the cluster off a machine.
  - Runs on the computer that has the kubeconfig.
options:
  names:
    description: The nodes.
    type: list
    elements: str
    required: true
  addresses:
    description:
      - The addresses of the machines that are to join under these names, by name. A node that is alive at another
        address is somebody else's, and nothing is deleted then.
    type: dict
    default: {}
  machine_ids:
    description:
      - C(pi_machine_id_sha256), which M(bramble.kube.pi_facts) finds, of the machines that are to join under these
        names, by name. The object of a node that is this very machine stays, since the Pods that still run there, the
        Pod network's among them, go by it.
    type: dict
    default: {}
  kubeconfig:
    description: The administrator's kubeconfig on this computer.
    type: path
    required: true
attributes:
  check_mode:
    description: Tells what would be deleted, also before there is a cluster.
    support: full
  diff_mode:
    description: What is deleted is listed as RV(removed).
    support: none
"""

EXAMPLES = r"""
- name: Forget a node whose card died
  bramble.kube.node_removed:
    names: [k8s-node1]
    kubeconfig: "{{ inventory_dir }}/kubeconfig"
  delegate_to: localhost
  become: false
"""

RETURN = r"""
removed:
  description: The nodes that the cluster knew and that were deleted.
  returned: always
  type: list
  elements: str
requests:
  description: The certificate requests that were deleted.
  returned: always
  type: list
  elements: str
folders:
  description:
    - Folders with the data of volumes that no other node has, by the name of the node.
    - Only of nodes of which the cluster knows nothing now.
  returned: always
  type: dict
  contains:
    path:
      description: The folder.
      type: str
    claim:
      description: The volume claim, C(namespace/name).
      type: str
  sample:
    k8s-node1:
      - claim: jupyterhub/hub
        path: /opt/local-path-provisioner/pvc-f1e81faf_jupyterhub_hub
"""

import dataclasses
import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.manifests import retry
from ansible_collections.bramble.kube.plugins.module_utils.manifests.auth import endpoint
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Client, Fault
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError, ClusterError
from ansible_collections.bramble.kube.plugins.module_utils.nodes import node_removal as removal

VOLUMES = "/api/v1/persistentvolumes"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


def _patiently(client: Client, method: str, path: str) -> dict | None:
    """Ask until there is an answer; None when the object is not there."""

    def ask() -> dict | None:
        try:
            return client.request(method, path)[1]
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    return retry.call(ask, retry.PATIENCE, passes=retry.passing(client))


def run(module: AnsibleModule) -> dict:
    """Find what there is, and delete it."""
    names, joining = module.params["names"], module.params["addresses"]
    if module.check_mode and not os.path.exists(module.params["kubeconfig"]):
        return {"changed": False, "removed": [], "requests": [], "folders": {}}
    client = Client(endpoint({"kubeconfig": module.params["kubeconfig"]}))
    known = {name: _patiently(client, "GET", f"/api/v1/nodes/{name}") for name in names}
    for name, node in known.items():
        trouble = removal.someone_else(node, str(joining.get(name, ""))) if node else ""
        if trouble:
            raise Stop(f"{trouble[0].upper()}{trouble[1:]}.")
    machines = module.params["machine_ids"]
    removed = [
        name for name, node in known.items() if node and not removal.same_machine(node, str(machines.get(name, "")))
    ]
    # A node that is gone already counts, too: an earlier run may have come no further.
    blank = [name for name in names if name in removed or not known[name]]
    volumes = (_patiently(client, "GET", VOLUMES) or {}).get("items", []) if blank else []
    folders = {name: [dataclasses.asdict(one) for one in removal.folders_on(volumes, name)] for name in blank}
    requests = removal.requests_of((_patiently(client, "GET", REQUESTS) or {}).get("items", []), names)
    if not module.check_mode:
        # The requests first: as long as the node's object is there, the next run finds what a cut left.
        for name in requests:
            _patiently(client, "DELETE", f"{REQUESTS}/{name}")
        for name in removed:
            _patiently(client, "DELETE", f"/api/v1/nodes/{name}")
    return {
        "changed": bool(removed or requests),
        "removed": removed,
        "requests": requests,
        "folders": {name: found for name, found in folders.items() if found},
    }


def main() -> None:
    """Read the options, act, report."""
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "addresses": {"type": "dict", "default": {}},
            "machine_ids": {"type": "dict", "default": {}},
            "kubeconfig": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except (Stop, ClusterError) as error:
        module.fail_json(msg=str(error))
    except (Fault, ApiError) as error:
        module.fail_json(msg=f"The API server cannot be asked about {', '.join(module.params['names'])}: {error}.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
