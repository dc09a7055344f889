#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_serving
short_description: Serving certificates of kubelets, approved for known nodes alone
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Approves the kubelets' requests for serving certificates (C(serverTLSBootstrap)), each only if it comes from a node
    of O(nodes) and asks for nothing but that node's own names and addresses. All others are left undecided, and told.
  - Waits until each kubelet shows a certificate by the cluster's CA.
  - Runs on the laptop (C(delegate_to=localhost)).
options:
  nodes:
    description: For each node's name, its other names and its addresses. The kubelet is asked at the first address.
    type: dict
    required: true
  timeout:
    description: Seconds to wait until every kubelet has its certificate.
    type: int
    default: 90
  kubeconfig:
    description: The administrator's kubeconfig on the laptop.
    type: path
    required: true
  context:
    description: A context in it, its current one by default.
    type: str
attributes:
  check_mode:
    description: Tells what would be approved, and does not wait.
    support: full
  diff_mode:
    description: Shows the requests that were approved.
    support: full
"""

EXAMPLES = r"""
- name: Approve the serving certificates of our Pis
  bramble.kube.kubelet_serving:
    kubeconfig: "{{ inventory_dir }}/kubeconfig"
    nodes:
      k8s-master: [192.168.13.7]
      k8s-node1: [192.168.13.8]
  delegate_to: localhost
  become: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
"""

RETURN = r"""
approved:
  description: For each node, the names of its requests that were approved.
  returned: always
  type: dict
refused:
  description: Requests that were not approved, each with the reason.
  returned: always
  type: dict
"""

import ipaddress
import socket
import ssl
import time
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.manifests import auth, retry, yamltext
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Client, Fault
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError, ClusterError, Unreachable
from ansible_collections.bramble.kube.plugins.module_utils.nodes import serving_certificates as serving

REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
KUBELET_PORT = 10250


def shows_certificate(address: str, ca: str, timeout: float = 5) -> bool:
    """Whether the kubelet at an address shows a certificate for it by this CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca)
    try:
        plain = socket.create_connection((address, KUBELET_PORT), timeout)
        with plain, context.wrap_socket(plain, server_hostname=address):
            return True
    except OSError:
        return False


def approve_pending(client: Client, nodes: dict, check: bool, approved: dict, refused: dict) -> None:
    """Look at all pending requests once."""
    for request in retry.get(client, REQUESTS).get("items") or []:
        if not serving.is_pending(request):
            continue
        verdict = serving.judge(request, nodes)
        if verdict.objection:
            refused[verdict.request] = verdict.objection
            continue
        if not check:
            now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            path = f"{REQUESTS}/{verdict.request}/approval"
            client.request("PUT", path, body=serving.approval(request, now))
        approved.setdefault(verdict.node, []).append(verdict.request)


def run(module: AnsibleModule) -> dict:
    """Approve until all have their certificate."""
    nodes = {name: [str(a) for a in addresses] for name, addresses in module.params["nodes"].items()}
    for name, addresses in nodes.items():
        try:
            ipaddress.ip_address((addresses or [""])[0])
        except ValueError:
            raise Stop(f"nodes: {name} has no address; its first entry is to be the node's address.") from None
    endpoint = auth.endpoint(module.params)
    if not endpoint.ca_data:
        raise Stop("The kubeconfig holds no CA (certificate-authority-data), by which kubelets could be checked.")
    client = Client(endpoint)
    approved: dict[str, list[str]] = {}
    refused: dict[str, str] = {}
    deadline = time.monotonic() + module.params["timeout"]
    while True:
        approve_pending(client, nodes, module.check_mode, approved, refused)
        waiting = [name for name, addresses in nodes.items() if not shows_certificate(addresses[0], endpoint.ca_data)]
        if not waiting or module.check_mode:
            break
        if time.monotonic() >= deadline:
            objections = "; ".join(f"{name}: {text}" for name, text in refused.items())
            raise Stop(
                f"The kubelet of {waiting[0]} shows no certificate by the cluster's CA, and there is no request of its"
                f" that may be approved{' (' + objections + ')' if objections else ''}: see that serverTLSBootstrap is"
                " in its /var/lib/kubelet/config.yaml, and restart it."
            )
        time.sleep(1)
    client.close()
    after = "".join(f"{name}: {', '.join(requests)} approved\n" for name, requests in approved.items())
    result = {"changed": bool(approved), "approved": approved, "refused": refused}
    return {**result, "diff": {"before": "", "after": after}}


def main() -> None:
    """Read the options, act, report."""
    module = AnsibleModule(
        argument_spec={
            "nodes": {"type": "dict", "required": True},
            "timeout": {"type": "int", "default": 90},
            "kubeconfig": {"type": "path", "required": True},
            "context": {"type": "str"},
        },
        supports_check_mode=True,
    )
    for present, library in ((yamltext.HAS_YAML, "PyYAML"), (serving.HAS_CRYPTOGRAPHY, "cryptography")):
        if not present:
            module.fail_json(msg=missing_required_lib(library))
    try:
        result = run(module)
    except Unreachable as error:
        if not module.check_mode:
            module.fail_json(msg=str(error))
        result = {"changed": False, "approved": {}, "refused": {}, "msg": "There is no cluster yet."}
    except (Stop, ClusterError, Fault) as error:
        module.fail_json(msg=str(error))
    except ApiError as error:
        module.fail_json(msg=f"The API server refused: {error.message}")
    for name, objection in result["refused"].items():
        module.warn(f"The certificate request {name} was not approved: {objection}.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
