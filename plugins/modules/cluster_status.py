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
  - If the API server does not answer, that is part of the result and not a failure.
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
    description: Whether to also ask for what an audit judges, such as kubelets' configurations and roles (C(audit)).
    type: bool
    default: false
attributes:
  check_mode:
    description: Asks the same questions.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Ask the API server
  bramble.kube.cluster_status:
    kubeconfig: "{{ inventory_dir }}/.kubeconfig"
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
    - Else C(version), C(nodes), C(pods), C(workloads), C(sets), C(places), C(tokens), C(requests),
      C(proxy_mode) of kube-proxy, and C(audit) with O(audit=true).
    - C(server) is the address that was asked, C(client_certificate) and C(ca) are the kubeconfig's, as PEM text.
  returned: always
  type: dict
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.status import gather_cluster


def main() -> None:
    """Do what is left to do."""
    perform(gather_cluster)


if __name__ == "__main__":
    main()
