# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Which Pods have to leave a node, and in what order, so that what has two replicas keeps answering.

`kubectl drain` evicts all Pods at once, which takes both replicas of a Deployment without a PodDisruptionBudget.
Here a controller's next Pod goes when its other Pods are ready.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Annotation of a node that was cordoned by this collection, so that nobody else's cordon is undone.
CORDONED = "bramble.kube/cordoned"
#: Controllers whose number of Pods is known, with their API's path; others are not waited for.
COUNTED = {
    "ReplicaSet": "/apis/apps/v1/namespaces/{}/replicasets/{}",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets/{}",
    "ReplicationController": "/api/v1/namespaces/{}/replicationcontrollers/{}",
}
#: Seconds for which a Pod's place is waited for: one that is being started (on a Pi, its image may have to be pulled),
#: and one that has no place or fails.
PATIENCE, NO_PATIENCE = 300, 10
#: Seconds from a Pod being ready until every node sends it its share: the nodes' kube-proxies hear of it one by one.
SETTLING = 3
_HOPELESS = ("CrashLoopBackOff", "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError")


@dataclass(frozen=True)
class Owner:
    """The controller of a Pod."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True)
class Pod:
    """One Pod, as far as leaving a node goes.

    :ivar owner: its controller; None for a Pod that somebody made by hand.
    :ivar static: whether it is a static Pod's image in the API (mirror Pod).
    :ivar ending: whether it is being deleted.
    :ivar hopeless: whether it will not become ready by waiting: no place for it, or its container fails.
    """

    namespace: str
    name: str
    uid: str
    node: str
    owner: Owner | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    phase: str = "Running"
    ready: bool = True
    ending: bool = False
    static: bool = False
    hopeless: bool = False

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def evictable(self) -> bool:
        """Whether it has to leave: neither a DaemonSet's, nor a static one, nor one that has done its work."""
        daemon = self.owner is not None and self.owner.kind == "DaemonSet"
        return not (daemon or self.static or self.phase in ("Succeeded", "Failed"))


def read_pod(item: Mapping[str, Any]) -> Pod:
    """Make a :class:`Pod` of an object of the API."""
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    owner = next((o for o in metadata.get("ownerReferences") or [] if o.get("controller")), None)
    conditions = {c.get("type"): c for c in status.get("conditions") or []}
    waiting = [
        (entry.get("state") or {}).get("waiting", {}).get("reason")
        for entry in (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or [])
    ]
    unplaced = conditions.get("PodScheduled", {}).get("reason") == "Unschedulable"
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        node=spec.get("nodeName") or "",
        owner=Owner(owner["kind"], owner["name"], owner["uid"]) if owner else None,
        labels=metadata.get("labels") or {},
        phase=status.get("phase") or "",
        ready=conditions.get("Ready", {}).get("status") == "True",
        ending=bool(metadata.get("deletionTimestamp")),
        static="kubernetes.io/config.mirror" in (metadata.get("annotations") or {}),
        hopeless=unplaced or any(reason in _HOPELESS for reason in waiting),
    )


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector matches labels; an empty one matches all (policy/v1)."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions") or []:
        key, operator, values = rule.get("key"), rule.get("operator"), rule.get("values") or []
        fits = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not fits.get(operator, False):
            return False
    return True


@dataclass
class Groups:
    """Remembers of each controller since when it has been waiting for a Pod to become ready, and since when it has not.

    Only a controller of which a Pod has left is in ``whole``.
    """

    since: dict[str, float] = field(default_factory=dict)
    whole: dict[str, float] = field(default_factory=dict)

    def may_go(self, pod: Pod, siblings: Iterable[Pod], desired: int, now: float) -> bool:
        """Whether a Pod may be evicted now without its controller's other Pods being missed.

        :param siblings: all Pods of the same controller, this one among them.
        :param desired: how many Pods the controller should have.
        :param now: seconds of a monotonic clock.
        """
        siblings = [p for p in siblings if not p.ending]
        key = pod.owner.uid if pod.owner else pod.uid
        if not pod.ready:  # it answers nobody, so nobody misses it
            return True
        if sum(1 for p in siblings if p.ready) >= desired:
            waited = self.since.pop(key, None) is not None
            if waited:
                self.whole[key] = now
            return now - self.whole.get(key, now - SETTLING) >= SETTLING
        self.whole.pop(key, None)
        started = self.since.setdefault(key, now)
        patience = NO_PATIENCE if any(p.hopeless for p in siblings) else PATIENCE
        return now - started >= patience

    def went(self, pod: Pod, now: float) -> None:
        """Take note of an eviction: its controller is waited for from now on."""
        if pod.owner:
            self.since[pod.owner.uid] = now


def refusal(body: Mapping[str, Any]) -> str:
    """What the API server's refusal of an eviction (429) says about the PodDisruptionBudget in the way."""
    causes = (body.get("details") or {}).get("causes") or []
    for cause in causes:
        if cause.get("reason") == "DisruptionBudget":
            return str(cause.get("message") or "").strip().rstrip(".")
    return str(body.get("message") or "a PodDisruptionBudget forbids it").strip().rstrip(".")
