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
    description: Evict Pods, too, that no controller would make anew. Without it they are refused before any Pod goes.
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

import contextlib
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Fault
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError, ClusterError
from ansible_collections.bramble.kube.plugins.module_utils.nodes.api import Cluster
from ansible_collections.bramble.kube.plugins.module_utils.nodes.drain import CORDONED, Groups, Pod

#: Seconds for which an API server that is being restarted is waited for.
API_PATIENCE = 120


class Drain:
    """One node and the Pods on it."""

    def __init__(self, cluster: Cluster, node: str) -> None:
        self.cluster, self.node = cluster, node
        self.groups = Groups()
        self.evicted: list[str] = []
        self.blockers: dict[str, str] = {}

    def here(self) -> list[Pod]:
        """The Pods that have to leave and have not."""
        return [pod for pod in self.cluster.pods(node=self.node) if pod.evictable]

    def turn(self) -> bool:
        """Look once, and ask those Pods to leave whose turn it is.

        :returns: whether all have left.
        """
        pods = self.here()
        self.blockers = {str(pod): "its containers have not stopped yet" for pod in pods if pod.ending}
        siblings: dict[str, list[Pod]] = {}
        for pod in pods:
            if not pod.ending:
                self.consider(pod, siblings)
        return not pods

    def consider(self, pod: Pod, siblings: dict[str, list[Pod]]) -> None:
        """Evict a Pod if its controller's others are ready.

        :param siblings: Pods by namespace, as far as this turn has read them.
        """
        now = time.monotonic()
        desired = self.cluster.desired(pod)
        if desired is not None:
            everywhere = siblings.setdefault(pod.namespace, self.cluster.pods(namespace=pod.namespace))
            family = [p for p in everywhere if p.owner and pod.owner and p.owner.uid == pod.owner.uid]
            if not self.groups.may_go(pod, family, desired, now):
                ready = sum(1 for p in family if p.ready and not p.ending)
                self.blockers[str(pod)] = f"its controller has {ready} of {desired} Pods ready, and waits for another"
                return
        refused = self.cluster.evict(pod)
        if refused:
            self.blockers[str(pod)] = refused
            return
        self.blockers[str(pod)] = "its containers have not stopped yet"
        self.evicted.append(str(pod))
        self.groups.went(pod, now)
        # The others of this controller are looked at again in the next turn.
        siblings.pop(pod.namespace, None)

    def run(self, timeout: float) -> bool:
        """Let the Pods leave.

        :returns: whether all have left in time.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                if self.turn():
                    return True
            except Fault as error:
                self.blockers = {"the API server": str(error)}
            if time.monotonic() >= deadline:
                return False
            time.sleep(1)


def made_by_hand(pods: list[Pod], node: str, force: bool) -> None:
    """Refuse Pods that would be lost.

    :raises Stop: with their names.
    """
    lost = [str(pod) for pod in pods if pod.owner is None and not pod.ending]
    if lost and not force:
        raise Stop(
            f"These Pods on {node} were made by hand, and nothing would make them anew elsewhere: {', '.join(lost)}."
            " Delete them, give them to a Deployment, or set force to lose them."
        )


def drained(module: AnsibleModule, cluster: Cluster, item: dict) -> dict:
    """Cordon the node and let its Pods leave."""
    node, timeout = module.params["name"], module.params["timeout"]
    drain = Drain(cluster, node)
    pods = cluster.patiently(drain.here, API_PATIENCE)
    made_by_hand(pods, node, module.params["force"])
    was_open = not (item.get("spec") or {}).get("unschedulable")
    if module.check_mode:
        for pod in pods:
            refused = cluster.evict(pod, dry_run=True)
            if refused:
                drain.blockers[str(pod)] = refused
        changed = was_open or bool(pods)
        return {"changed": changed, "evicted": [str(pod) for pod in pods], "blockers": drain.blockers}
    if was_open:
        cluster.patiently(lambda: cluster.set_cordon(node, True), API_PATIENCE)
    if not drain.run(timeout):
        if was_open:
            with contextlib.suppress(Fault, ApiError):
                cluster.patiently(lambda: cluster.set_cordon(node, False), 30)
        told = "; ".join(f"{pod}: {reason}" for pod, reason in drain.blockers.items())
        again = "New Pods may come to it again" if was_open else "It stays cordoned, as an earlier run had left it"
        module.fail_json(
            msg=f"{node} was not free of Pods within {timeout} seconds. {told}. {again}; when what blocks is gone, run"
            " this again.",
            evicted=drain.evicted,
            blockers=drain.blockers,
        )
    return {"changed": was_open or bool(drain.evicted), "evicted": drain.evicted, "blockers": {}}


def schedulable(module: AnsibleModule, cluster: Cluster, item: dict) -> dict:
    """Take this collection's own cordon away."""
    ours = CORDONED in ((item.get("metadata") or {}).get("annotations") or {})
    if ours and not module.check_mode:
        cluster.patiently(lambda: cluster.set_cordon(module.params["name"], False), API_PATIENCE)
    return {"changed": ours, "evicted": [], "blockers": {}}


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
    node = module.params["name"]
    try:
        cluster = Cluster(module.params["kubeconfig"])
        item = cluster.patiently(lambda: cluster.found(f"/api/v1/nodes/{node}"), API_PATIENCE)
        if item is None:
            raise Stop(f"The cluster does not know a node {node}.")
        result = (drained if module.params["state"] == "drained" else schedulable)(module, cluster, item)
    except (Stop, ClusterError) as error:
        module.fail_json(msg=str(error))
    except (Fault, ApiError) as error:
        module.fail_json(msg=f"The API server cannot be asked about {node}: {error}.")
    module.exit_json(**result, seconds=round(time.monotonic() - start, 1))


if __name__ == "__main__":
    main()
