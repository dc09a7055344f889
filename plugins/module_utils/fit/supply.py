# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What a cluster's nodes have free for further pods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..common.pod_networks import DEFAULT, NETWORKS
from ..images import platform as platforms
from ..images.platform import Platform
from .demand import InvalidObject, flatten, mapping, mappings, owner_of, pod_requests
from .quantity import InvalidQuantity, amount

# The kubelet's default number of pods on a node.
_PODS_DEFAULT = 110


@dataclass(frozen=True)
class Supply:
    """One node.

    :ivar allocatable: resource → amount that pods may request.
    :ivar used: resource → amount that running pods requested, with their number as ``pods``.
    """

    name: str
    platform: Platform | None
    allocatable: Mapping[str, int]
    used: Mapping[str, int]
    labels: Mapping[str, object] = field(default_factory=dict, repr=False)
    taints: tuple[Mapping[str, object], ...] = ()

    def free(self) -> dict[str, int]:
        """What is left."""
        return {name: value - self.used.get(name, 0) for name, value in self.allocatable.items()}


def supplies(
    nodes: Iterable[object], pods: Iterable[object] = (), planned: Iterable[object] = (), namespace: str = "default"
) -> list[Supply]:
    """What each node offers.

    :param nodes: Node objects as the API has them.
    :param pods: all Pod objects of the cluster.
    :param planned: objects about to be pushed; pods that earlier versions of them started are to be replaced, and what
        they use counts as free.
    :param namespace: where planned objects without one will be.
    :raises InvalidObject: a node or pod cannot be read.
    """
    wanted = list(flatten(planned))
    used: dict[str, dict[str, int]] = {}
    for pod in flatten(pods):
        node = mapping(pod.get("spec")).get("nodeName")
        finished = mapping(pod.get("status")).get("phase") in ("Succeeded", "Failed")
        if not node or finished or any(_started_by(pod, item, namespace) for item in wanted):
            continue
        try:
            requests = pod_requests(mapping(pod.get("spec")))
        except InvalidQuantity as error:
            raise InvalidObject(f"{owner_of(pod, namespace)} has a wrong resource: {error}") from None
        table = used.setdefault(str(node), {"pods": 0})
        table["pods"] += 1
        for name, value in requests.items():
            table[name] = table.get(name, 0) + value
    return [_supply(node, used) for node in flatten(nodes)]


def _supply(node: Mapping[str, object], used: Mapping[str, Mapping[str, int]]) -> Supply:
    metadata, spec, status = mapping(node.get("metadata")), mapping(node.get("spec")), mapping(node.get("status"))
    name = str(metadata.get("name") or "")
    stated = mapping(status.get("allocatable"))
    if not name or not stated:
        raise InvalidObject(f"node {name or '?'} has no status.allocatable; pass Node objects as the API has them")
    try:
        allocatable = {resource: amount(resource, value) for resource, value in stated.items()}
    except InvalidQuantity as error:
        raise InvalidObject(f"node {name} has a wrong amount in status.allocatable: {error}") from None
    allocatable.setdefault("pods", _PODS_DEFAULT)
    taints = list(mappings(spec.get("taints")))
    if spec.get("unschedulable") and not any(
        taint.get("key") == "node.kubernetes.io/unschedulable" for taint in taints
    ):
        taints.append({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
    try:
        platform: Platform | None = platforms.of_node(node)
    except platforms.InvalidPlatform:
        platform = None
    labels = {"kubernetes.io/hostname": name, **mapping(metadata.get("labels"))}
    return Supply(name, platform, allocatable, used.get(name, {}), labels, tuple(taints))


def _started_by(pod: Mapping[str, object], item: Mapping[str, object], namespace: str) -> bool:
    """Whether an object like this started the pod, as far as the pod tells."""
    metadata, wanted = mapping(pod.get("metadata")), mapping(item.get("metadata"))
    if (metadata.get("namespace") or namespace) != (wanted.get("namespace") or namespace):
        return False
    kind, name = item.get("kind"), wanted.get("name")
    if kind == "Pod":
        return metadata.get("name") == name
    owners = mappings(metadata.get("ownerReferences"))
    if any(owner.get("kind") == kind and owner.get("name") == name for owner in owners):
        return True
    labels = mapping(metadata.get("labels"))
    if kind == "Deployment":
        # A Deployment owns its pods through a ReplicaSet with its name, a dash and a hash.
        between = f"{name}-{labels.get('pod-template-hash')}"
        return any(owner.get("kind") == "ReplicaSet" and owner.get("name") == between for owner in owners)
    if kind == "CronJob":
        return any(owner.get("kind") == "Job" and str(owner.get("name")).rpartition("-")[0] == name for owner in owners)
    if kind in ("JobSet", "TrainJob"):
        return labels.get("jobset.sigs.k8s.io/jobset-name") == name
    if kind == "InferenceService":
        return labels.get("serving.kserve.io/inferenceservice") == name
    return False


# What the pods of a fresh cluster request: kubeadm's static pods and CoreDNS, the Pod network's DaemonSet.
_CONTROL_PLANE = (
    ("kube-apiserver", {"cpu": "250m"}),
    ("kube-controller-manager", {"cpu": "200m"}),
    ("kube-scheduler", {"cpu": "100m"}),
    ("etcd", {"cpu": "100m", "memory": "100Mi"}),
    ("coredns-1", {"cpu": "100m", "memory": "70Mi"}),
    ("coredns-2", {"cpu": "100m", "memory": "70Mi"}),
)
_NETWORK = NETWORKS[DEFAULT]
_EVERY_NODE = (("kube-proxy", {}), (_NETWORK.container, dict(_NETWORK.requests)))
# The firmware and the kernel keep some of a Pi's memory; the kubelet keeps its default eviction threshold.
_KERNEL_SHARE = 0.06
_EVICTION_MB = 100


def pi_cluster(
    memory_mb: int, count: int = 3, architecture: str = "arm64", schedulable: bool = False
) -> dict[str, list]:
    """A cluster that is only planned: Pis of one size, the first of them the control plane.

    :param memory_mb: memory as sold, in MiB: 4096 for a Pi with 4 GB.
    :param count: number of Pis.
    :param schedulable: whether the control plane takes other pods too, as a lone Pi's always does.
    :returns: ``nodes`` and ``pods`` as the API would have them.
    """
    nodes, pods = [], []
    usable = int(memory_mb * (1 - _KERNEL_SHARE)) - _EVICTION_MB
    for number in range(count):
        name = "k8s-master" if number == 0 else f"k8s-node{number}"
        taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
        nodes.append(
            {
                "kind": "Node",
                "metadata": {"name": name, "labels": {"kubernetes.io/arch": architecture, "kubernetes.io/os": "linux"}},
                "spec": {"taints": [taint] if number == 0 and count > 1 and not schedulable else []},
                "status": {
                    "allocatable": {"cpu": "4", "memory": f"{usable}Mi", "pods": str(_PODS_DEFAULT)},
                    "nodeInfo": {"operatingSystem": "linux", "architecture": architecture},
                },
            }
        )
        for pod, requests in (*(_CONTROL_PLANE if number == 0 else ()), *_EVERY_NODE):
            spec = {"nodeName": name, "containers": [{"name": pod, "resources": {"requests": requests}}]}
            metadata = {"name": f"{pod}-{name}", "namespace": "kube-system"}
            pods.append({"kind": "Pod", "metadata": metadata, "spec": spec})
    return {"nodes": nodes, "pods": pods}
