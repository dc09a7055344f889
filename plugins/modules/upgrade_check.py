#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: upgrade_check
short_description: Whether a cluster can go to a Kubernetes release, and what is due on which machine
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Compares what the cluster has with what is wanted. A release that cannot be reached in one step is refused with the
    next legal one named, and so is a step that would leave a machine behind.
  - Names what would keep Pods from leaving a machine, before anything is changed.
  - Runs on the computer that has the kubeconfig. Changes nothing.
options:
  version:
    description: The wanted Kubernetes release.
    type: str
    required: true
  machines:
    description:
      - Machine's name in the inventory to its C(node) (name in the cluster), C(packages) (as the module
        M(bramble.kube.pi_facts) returns them), and what M(bramble.kube.pi_upgrades) returned as C(os), C(engine) and
        C(reboot).
    type: dict
    required: true
  control_plane:
    description: What the module M(bramble.kube.kubeadm_upgrade) returned on the master.
    type: dict
    required: true
  available:
    description: Releases that are in the package repository of the cluster's next minor version.
    type: list
    elements: str
    default: []
  force:
    description: Whether Pods that no controller would recreate may be lost.
    type: bool
    default: false
  kubeconfig:
    description: The administrator's kubeconfig on this computer.
    type: path
    required: true
attributes:
  check_mode:
    description: Changes nothing anyway.
    support: full
  diff_mode:
    description: Nothing is changed, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Find out what is due
  bramble.kube.upgrade_check:
    version: "1.37.2"
    machines:
      k8s-master:
        node: k8s-master
        packages: "{{ ansible_facts.pi_packages }}"
        os: "{{ news.os }}"
        engine: "{{ news.engine }}"
        reboot: "{{ news.reboot }}"
    control_plane: "{{ upgrade_control_plane }}"
    kubeconfig: "{{ master_kubeconfig }}"
  register: upgrade_due
  delegate_to: localhost
  become: false
"""

RETURN = r"""
current:
  description: The control plane's release before.
  returned: always
  type: str
  sample: 1.36.3
control_plane:
  description: Why the control plane is not at the wanted release; empty when it is.
  returned: always
  type: str
machines:
  description: For each machine on which something is due, the C(reasons) in words, and whether Kubernetes' C(release),
    packages of the C(os) and the container C(engine) are among them.
  returned: always
  type: dict
lines:
  description: What is due, in lines for the user.
  returned: always
  type: list
  elements: str
errors:
  description: What keeps the upgrade from being begun, one sentence each.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.init_rules import Answer
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.versions import parse_version
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Fault
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError, ClusterError
from ansible_collections.bramble.kube.plugins.module_utils.nodes import upgrade_plan as rules
from ansible_collections.bramble.kube.plugins.module_utils.nodes.api import Cluster

KUBE_SYSTEM = "/api/v1/namespaces/kube-system"


def read_control_plane(cluster: Cluster, mended: dict) -> rules.ControlPlane:
    """What the API server and the master's disk say about the control plane."""
    config = cluster.found(KUBE_SYSTEM + "/configmaps/kubeadm-config") or {}
    text = (config.get("data") or {}).get("ClusterConfiguration", "")
    proxy = cluster.found("/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy")
    image = proxy["spec"]["template"]["spec"]["containers"][0]["image"] if proxy else ""
    tag = image.rpartition(":")[2].removeprefix("v")
    return rules.ControlPlane(Answer(text, (), True).version, mended["tags"], tag, mended["unfinished"])


def judge(module: AnsibleModule, cluster: Cluster) -> dict:
    """Find out what is due and what is in the way."""
    parameters = module.params
    found = read_control_plane(cluster, parameters["control_plane"])
    if not found.version:
        module.fail_json(msg="The cluster has no ConfigMap kubeadm-config: kubeadm has not made it, or not to the end.")
    current, wanted = parse_version(found.version), parse_version(parameters["version"])
    errors = []
    if found.unfinished and found.unfinished != str(wanted):
        errors.append(
            f"An upgrade to Kubernetes {found.unfinished} was cut short on the master:"
            f" set kubeadm_version to {found.unfinished} and run this to finish it first."
        )
    step = rules.illegal_step(current, wanted, parameters["available"])
    if step:
        errors.append(step)
    nodes = {item["metadata"]["name"]: item for item in cluster.items("/api/v1/nodes")}
    pis = [
        rules.read_pi(host, entry["node"], entry["packages"], nodes.get(entry["node"]))
        for host, entry in parameters["machines"].items()
    ]
    for pi in pis:
        if pi.node not in nodes:
            errors.append(f"{pi.host} is no node of this cluster: run site.yml with Kubernetes {current} first.")
    errors += rules.left_behind(pis, current, wanted) if not errors else []
    due = {}
    for pi in pis:
        release = rules.release_due(pi, str(wanted))
        reasons = ([release] if release else []) + rules.news(
            **{key: parameters["machines"][pi.host][key] for key in ("os", "engine", "reboot")}
        )
        if reasons:
            other = parameters["machines"][pi.host]
            due[pi.host] = {
                "reasons": reasons,
                "release": bool(release),
                "os": bool(other["os"]),
                "engine": bool(other["engine"]),
            }
    if not errors:
        # What is begun has to be finished, so only a Pi on which nothing was begun has to be Ready.
        errors += [
            f"{pi.host} is not Ready, and an upgrade does not fix it: 'ansible-playbook site.yml' tells why."
            for pi in pis
            if not pi.ready and not pi.begun
        ]
        budgets = rules.closed_budgets(cluster.items("/apis/policy/v1/poddisruptionbudgets"))
        leaving = [pi.node for pi in pis if pi.host in due]
        errors += rules.foreseen_blockers(cluster.pods(), leaving, budgets, parameters["force"])
    left = rules.control_plane_left(found, str(wanted))
    return {
        "current": found.version,
        "control_plane": left,
        "machines": due,
        "lines": rules.lines(str(wanted), left, {host: entry["reasons"] for host, entry in due.items()}),
        "errors": errors,
    }


def main() -> None:
    """Read the options, look, report."""
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "required": True},
            "machines": {"type": "dict", "required": True},
            "control_plane": {"type": "dict", "required": True},
            "available": {"type": "list", "elements": "str", "default": []},
            "force": {"type": "bool", "default": False},
            "kubeconfig": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        result = judge(module, Cluster(module.params["kubeconfig"]))
    except (ClusterError, ValueError) as error:
        module.fail_json(msg=str(error))
    except (Fault, ApiError) as error:
        module.fail_json(msg=f"The API server cannot be asked: {error}.")
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
