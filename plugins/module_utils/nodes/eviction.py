# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Empties a node so that what has two replicas keeps answering, and opens it again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Fault
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError
from ansible_collections.bramble.kube.plugins.module_utils.nodes.api import Cluster, asking
from ansible_collections.bramble.kube.plugins.module_utils.nodes.drain import CORDONED, Groups, Pod

#: Seconds for which an API server that is being restarted is waited for.
API_PATIENCE = 120
STOPPING = "its containers have not stopped yet"
DRAINED, SCHEDULABLE = "drained", "schedulable"
OPTIONS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": [DRAINED, SCHEDULABLE], "default": DRAINED},
    "timeout": {"type": "int", "default": 600},
    "force": {"type": "bool", "default": False},
    "kubeconfig": {"type": "path", "required": True},
}


@dataclass(frozen=True)
class Options:
    """What a user wants of a node.

    :ivar state: DRAINED or SCHEDULABLE.
    :ivar timeout: seconds in which its Pods have to leave.
    :ivar force: whether Pods that nothing makes again may be lost.
    """

    name: str
    state: str = DRAINED
    timeout: int = 600
    force: bool = False


class NotDrained(Stop):
    """Pods have not left in time."""

    longest = 4000  # a reason for each Pod

    def __init__(self, message: str, drain: Drain) -> None:
        super().__init__(message, evicted=drain.evicted, blockers=drain.blockers)


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
        self.blockers = {str(pod): STOPPING for pod in pods if pod.ending}
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
            if pod.namespace not in siblings:
                siblings[pod.namespace] = self.cluster.pods(namespace=pod.namespace)
            family = [p for p in siblings[pod.namespace] if p.owner and pod.owner and p.owner.uid == pod.owner.uid]
            if not self.groups.may_go(pod, family, desired, now):
                ready = sum(1 for p in family if p.ready and not p.ending)
                self.blockers[str(pod)] = f"its controller has {ready} of {desired} Pods ready, and waits for another"
                return
        refused = self.cluster.evict(pod)
        if refused:
            self.blockers[str(pod)] = refused
            return
        self.blockers[str(pod)] = STOPPING
        self.evicted.append(str(pod))
        self.groups.went(pod, now)
        # The others of this controller are looked at again in the next turn.
        siblings.pop(pod.namespace, None)

    def is_silent(self) -> bool:
        """Whether the node's kubelet no longer tells the API server anything, as on a Pi that is off."""
        conditions = ((self.cluster.found(f"/api/v1/nodes/{self.node}") or {}).get("status") or {}).get("conditions")
        return any(one.get("type") == "Ready" and one.get("status") == "Unknown" for one in conditions or [])

    def run(self, timeout: float) -> bool:
        """Let the Pods leave.

        :returns: whether all have left in time, or all have been told to by a node that will not say that they did.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                if self.turn() or (set(self.blockers.values()) == {STOPPING} and self.is_silent()):
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
            f"These Pods on {node} were created by hand, and nothing would recreate them elsewhere: {', '.join(lost)}."
            " Delete them, give them to a Deployment, or set force to delete them."
        )


def act(cluster: Cluster, options: Options, check: bool) -> dict[str, Any]:
    """Bring a node to the wanted state.

    :returns: ``changed``, ``evicted`` and ``blockers``.
    :raises Stop: when the cluster does not know the node, or it was not free of Pods in time (:class:`NotDrained`).
    """
    node = cluster.patiently(lambda: cluster.found(f"/api/v1/nodes/{options.name}"), API_PATIENCE)
    if node is None:
        raise Stop(f"The cluster does not know a node {options.name}.")
    return (_drained if options.state == DRAINED else _schedulable)(cluster, options, node, check)


def _drained(cluster: Cluster, options: Options, node: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Cordon the node and let its Pods leave."""
    drain = Drain(cluster, options.name)
    pods = cluster.patiently(drain.here, API_PATIENCE)
    made_by_hand(pods, options.name, options.force)
    was_open = not (node.get("spec") or {}).get("unschedulable")
    if check:
        for pod in pods:
            refused = cluster.evict(pod, dry_run=True)
            if refused:
                drain.blockers[str(pod)] = refused
        changed = was_open or bool(pods)
        return {"changed": changed, "evicted": [str(pod) for pod in pods], "blockers": drain.blockers}
    if was_open:
        cluster.patiently(lambda: cluster.set_cordon(options.name, True), API_PATIENCE)
    if not drain.run(options.timeout):
        if was_open:
            with contextlib.suppress(Fault, ApiError):
                cluster.patiently(lambda: cluster.set_cordon(options.name, False), 30)
        reasons = "; ".join(f"{pod}: {reason}" for pod, reason in drain.blockers.items())
        again = "It accepts new Pods again" if was_open else "It stays cordoned, as an earlier run had left it"
        raise NotDrained(
            f"{options.name} still had Pods after {options.timeout} seconds. {reasons}. {again}; run this "
            "again once nothing blocks it.",
            drain,
        )
    return {"changed": was_open or bool(drain.evicted), "evicted": drain.evicted, "blockers": {}}


def _schedulable(cluster: Cluster, options: Options, node: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Take this collection's own cordon away."""
    ours = CORDONED in ((node.get("metadata") or {}).get("annotations") or {})
    if ours and not check:
        cluster.patiently(lambda: cluster.set_cordon(options.name, False), API_PATIENCE)
    return {"changed": ours, "evicted": [], "blockers": {}}


def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Drain a node, or open it again."""
    start = time.monotonic()
    wanted = Options(**{name: options[name] for name in ("name", "state", "timeout", "force")})
    with asking(f" about {wanted.name}"):
        result = act(Cluster.of(options), wanted, check)
    return {**result, "seconds": round(time.monotonic() - start, 1)}
