#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_drain
short_description: Pods off a node, gently, and back on it
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Keeps new Pods off a node and asks those on it to leave, honouring PodDisruptionBudgets.
  - A controller's next Pod is asked only when its other Pods are ready, so that what has two replicas keeps answering
    even without a PodDisruptionBudget, and even with both replicas on this node.
  - Pods of DaemonSets, static Pods and Pods that have done their work stay.
  - When the time is over, it fails with the Pods that have not left and the reason for each, and lets new Pods come to
    the node again, unless an earlier run had cordoned it.
  - A node that somebody else has cordoned stays cordoned.
  - Runs on the computer that has the kubeconfig.
options:
  name:
    description: The node.
    type: str
    required: true
  state:
    description:
      - V(drained) cordons the node and waits until the Pods have left.
      - V(schedulable) takes that cordon away.
    type: str
    choices: [drained, schedulable]
    default: drained
  timeout:
    description: Seconds that the Pods may take to leave.
    type: int
    default: 600
  force:
    description: Evict Pods, too, that no controller would recreate. Without it they are refused before any Pod goes.
    type: bool
    default: false
  kubeconfig:
    description: The administrator's kubeconfig on this computer.
    type: path
    required: true
attributes:
  check_mode:
    description: Tells which Pods would leave, and asks the API server which of them it would not let go now.
    support: full
  diff_mode:
    description: The Pods that leave are listed; there is no file to compare.
    support: none
"""

EXAMPLES = r"""
- name: Send the Pods of a node elsewhere
  bramble.kube.node_drain:
    name: k8s-node1
    kubeconfig: "{{ master_kubeconfig }}"
  delegate_to: localhost
  become: false

- name: Let Pods come back
  bramble.kube.node_drain:
    name: k8s-node1
    state: schedulable
    kubeconfig: "{{ master_kubeconfig }}"
  delegate_to: localhost
  become: false
"""

RETURN = r"""
evicted:
  description: The Pods that left, as C(namespace/name).
  returned: always
  type: list
  elements: str
blockers:
  description: For each Pod that has not left, or would not be let go in check mode, the reason.
  returned: always
  type: dict
seconds:
  description: How long it took.
  returned: always
  type: float
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Fault
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError, ClusterError
from ansible_collections.bramble.kube.plugins.module_utils.nodes.api import Cluster
from ansible_collections.bramble.kube.plugins.module_utils.nodes.eviction import NotDrained, Options, run


def main() -> None:
    """Read the options, act, report."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["drained", "schedulable"], "default": "drained"},
            "timeout": {"type": "int", "default": 600},
            "force": {"type": "bool", "default": False},
            "kubeconfig": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    start = time.monotonic()
    options = Options(**{name: module.params[name] for name in ("name", "state", "timeout", "force")})
    try:
        result = run(Cluster(module.params["kubeconfig"]), options, module.check_mode)
    except NotDrained as error:
        module.fail_json(msg=str(error), evicted=error.evicted, blockers=error.blockers)
    except (Stop, ClusterError) as error:
        module.fail_json(msg=str(error))
    except (Fault, ApiError) as error:
        module.fail_json(msg=f"The API server cannot be asked about {options.name}: {error}.")
    module.exit_json(**result, seconds=round(time.monotonic() - start, 1))


if __name__ == "__main__":
    main()
