#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_status
short_description: What the API server says about the cluster, in short
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Asks the API server for nodes, Pods, workloads, bootstrap tokens (without their secrets) and certificate requests,
    and for the last line that each crashing container wrote.
  - An API server that does not answer is no failure of this module but part of its answer.
  - Changes nothing. Runs on the laptop (C(delegate_to=localhost)).
options:
  kubeconfig:
    description: The administrator's kubeconfig on the laptop.
    type: path
    required: true
  context:
    description: A context in it, its current one by default.
    type: str
  audit:
    description: Whether to ask, too, for what an audit judges, such as kubelets' configurations and roles (C(audit)).
    type: bool
    default: false
attributes:
  check_mode:
    description: Asks the same.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Ask the API server
  bramble.kube.cluster_status:
    kubeconfig: "{{ inventory_dir }}/kubeconfig"
  delegate_to: localhost
  become: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  register: status_cluster
"""

RETURN = r"""
cluster:
  description:
    - C(reachable), and if it is not, C(outcome) (one of no_kubeconfig, untrusted, unauthorized, forbidden, silent,
      failed) and what was C(said).
    - Else C(version), C(nodes), C(pods), C(workloads), C(tokens), C(requests), and C(audit) with O(audit=true).
    - C(server) is the address that was asked, C(client_certificate) and C(ca) are the kubeconfig's, as PEM text.
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign_values
from ansible_collections.bramble.kube.plugins.module_utils.manifests import auth, yamltext
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Client
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ClusterError, Unreachable
from ansible_collections.bramble.kube.plugins.module_utils.status import gather_cluster as cluster

#: Seconds without a sign of life; a Pi under load may think for a while.
REQUEST_TIMEOUT = 15


def main() -> None:
    """Ask and return."""
    module = AnsibleModule(
        argument_spec={
            "kubeconfig": {"type": "path", "required": True},
            "context": {"type": "str"},
            "audit": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if not yamltext.HAS_YAML:
        module.fail_json(msg=missing_required_lib("PyYAML"))
    known = {}
    try:
        endpoint = auth.endpoint(module.params)
        known = {"server": endpoint.server, "ca": endpoint.ca_data, "client_certificate": endpoint.cert_data}
        client = Client(endpoint, REQUEST_TIMEOUT)
        answer = cluster.ask(client, module.params["audit"])
        client.close()
    except Unreachable as error:
        answer = {"reachable": False, "outcome": "no_kubeconfig", "said": str(error).rstrip(".")}
    except ClusterError as error:
        answer = {"reachable": False, "outcome": "untrusted", "said": str(error).rstrip(".")}
    module.exit_json(changed=False, cluster={**known, **foreign_values(answer)})


if __name__ == "__main__":
    main()
