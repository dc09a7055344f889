# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What Kubernetes objects ask of a cluster: how many pods, with which requests, where they may run.

Requests count as the scheduler counts them (KEP-753 for sidecars, KEP-2837 for pod-level requests): the larger of what
all containers want together and what the initialization wants at its peak, plus the runtime's overhead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError
from ansible_collections.bramble.kube.plugins.module_utils.fit.quantity import InvalidQuantity, amount

# Kinds whose pod templates somebody else's objects start, later and perhaps never.
_DESCRIBING = {
    "ClusterServingRuntime",
    "ClusterTrainingRuntime",
    "ClusterWorkflowTemplate",
    "ConfigMap",
    "CustomResourceDefinition",
    "PodTemplate",
    "ServingRuntime",
    "TrainingRuntime",
    "WorkflowTemplate",
}
# KServe's inferenceservice-config gives these to a predictor that asks for nothing.
_KSERVE_DEFAULT = {"cpu": 1000, "memory": 2 * 1024**3}


class InvalidObject(BrambleError, ValueError):
    """An object's resources cannot be read; the message is one sentence that names the object."""


@dataclass(frozen=True)
class Demand:
    """Pods of one kind that an object starts.

    :ivar owner: ``Deployment kubeflow/training-operator``.
    :ivar count: number of pods; of those of a DaemonSet, one for each node that takes it.
    :ivar per_node: whether it is a DaemonSet's.
    :ivar requests: resource → amount of one pod (``cpu`` in thousandths of a core, ``memory`` in bytes).
    :ivar spec: the pod's spec, for what says where it may run.
    """

    owner: str
    count: int
    per_node: bool
    requests: Mapping[str, int]
    spec: Mapping[str, object] = field(repr=False)

    def images(self) -> list[str]:
        """Images of its containers."""
        found = []
        for key in ("initContainers", "containers"):
            found += [
                str(container.get("image")) for container in mappings(self.spec.get(key)) if container.get("image")
            ]
        return found


def demands(objects: Iterable[object], namespace: str = "default") -> list[Demand]:
    """Pods that these objects start, in their order.

    :param objects: Kubernetes objects of any kind; custom resources count by the pod templates in them.
    :param namespace: where objects without one will be.
    :raises InvalidObject: a quantity or number of replicas cannot be read.
    """
    flat = list(flatten(objects))
    least = _least_replicas(flat, namespace)
    found: list[Demand] = []
    for item in flat:
        owner = owner_of(item, namespace)
        try:
            found += _demands_of(item, owner, least.get(owner, 0))
        except InvalidQuantity as error:
            raise InvalidObject(f"{owner} has a wrong resource or number: {error}") from None
    return found


def flatten(objects: Iterable[object]) -> Iterator[Mapping[str, object]]:
    """Objects, with those inside of ``List`` kinds in place of the list."""
    for item in objects:
        if not isinstance(item, Mapping):
            continue
        if str(item.get("kind") or "").endswith("List") and isinstance(item.get("items"), list):
            yield from flatten(item["items"])  # type: ignore[arg-type]
        else:
            yield item


def owner_of(item: Mapping[str, object], namespace: str) -> str:
    """``Deployment kubeflow/training-operator``."""
    metadata = mapping(item.get("metadata"))
    return f"{item.get('kind')} {metadata.get('namespace') or namespace}/{metadata.get('name') or '?'}"


def pod_requests(spec: Mapping[str, object]) -> dict[str, int]:
    """What the scheduler reserves for a pod.

    :param spec: a pod's spec.
    :raises InvalidQuantity: a quantity cannot be read.
    """
    running: dict[str, int] = {}
    peak: dict[str, int] = {}
    sidecars: dict[str, int] = {}
    for container in mappings(spec.get("containers")):
        running = _plus(running, _container_requests(container))
    for container in mappings(spec.get("initContainers")):
        wanted = _container_requests(container)
        if container.get("restartPolicy") == "Always":
            sidecars = _plus(sidecars, wanted)
            peak = _most(peak, sidecars)
        else:
            peak = _most(peak, _plus(sidecars, wanted))
    total = _most(_plus(running, sidecars), peak)
    total.update(_container_requests(spec))
    overhead = {name: amount(name, value) for name, value in mapping(spec.get("overhead")).items()}
    return {name: value for name, value in _plus(total, overhead).items() if value}


def mapping(value: object) -> Mapping[str, object]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: object) -> list[Mapping[str, object]]:
    """The mappings among a list's items."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _container_requests(container: Mapping[str, object]) -> dict[str, int]:
    """Requests; what is only limited is requested in full, as the API server sets it."""
    resources = mapping(container.get("resources"))
    both = {**mapping(resources.get("limits")), **mapping(resources.get("requests"))}
    return {name: amount(name, value) for name, value in both.items()}


def _plus(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def _most(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in {**one, **other}}


def _whole(value: object, otherwise: int) -> int:
    if value is None:
        return otherwise
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidQuantity(f"{value!r} is not a number of pods")
    return value


def _least_replicas(objects: list[Mapping[str, object]], namespace: str) -> dict[str, int]:
    """What HorizontalPodAutoscalers raise the number of replicas to at once."""
    found: dict[str, int] = {}
    for item in objects:
        if item.get("kind") == "HorizontalPodAutoscaler":
            spec = mapping(item.get("spec"))
            target = mapping(spec.get("scaleTargetRef"))
            where = mapping(item.get("metadata")).get("namespace") or namespace
            try:
                found[f"{target.get('kind')} {where}/{target.get('name')}"] = _whole(spec.get("minReplicas"), 1)
            except InvalidQuantity as error:
                raise InvalidObject(f"{owner_of(item, namespace)} has a wrong resource or number: {error}") from None
    return found


def _demands_of(item: Mapping[str, object], owner: str, least: int) -> Iterator[Demand]:
    kind, spec = str(item.get("kind") or ""), mapping(item.get("spec"))
    if kind in _DESCRIBING:
        return
    if kind == "Pod":
        if mapping(item.get("status")).get("phase") not in ("Succeeded", "Failed"):
            yield Demand(owner, 1, False, pod_requests(spec), spec)
        return
    if kind == "DaemonSet":
        pod = mapping(mapping(spec.get("template")).get("spec"))
        yield Demand(owner, 0, True, pod_requests(pod), pod)
        return
    if kind == "InferenceService":
        yield from _inference_service(spec, owner)
        return
    if kind in ("Deployment", "ReplicaSet", "StatefulSet", "ReplicationController"):
        replicas = _whole(spec.get("replicas"), 1)
        # An autoscaler leaves what was scaled to zero alone.
        replicas = max(replicas, least) if replicas else 0
        pod = mapping(mapping(spec.get("template")).get("spec"))
        yield Demand(owner, replicas, False, pod_requests(pod), pod)
        return
    for count, pod in _pods_within(item, 1):
        yield Demand(owner, count, False, pod_requests(pod), pod)


def _pods_within(value: object, count: int) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Pod specs at any depth, with how often the numbers on the way multiply them.

    ``replicas`` (TFJob's replica specs, JobSet's replicated jobs) and ``parallelism`` (Job) say how often.
    """
    if isinstance(value, list):
        for inner in value:
            yield from _pods_within(inner, count)
    elif isinstance(value, Mapping):
        if any(isinstance(container.get("name"), str) for container in mappings(value.get("containers"))):
            yield count, value
            return
        factor = 1
        if "template" in value:
            factor = _whole(value.get("replicas"), 1)
            parallelism = _whole(value.get("parallelism"), 1)
            factor *= min(parallelism, _whole(value.get("completions"), parallelism))
        for inner in value.values():
            yield from _pods_within(inner, count * factor)


def _inference_service(spec: Mapping[str, object], owner: str) -> Iterator[Demand]:
    """KServe makes pods of a form of its own: a component, in it a server named by its framework."""
    for name in ("predictor", "transformer", "explainer"):
        component = mapping(spec.get(name))
        if not component:
            continue
        containers = mappings(component.get("containers"))
        containers += [inner for inner in component.values() if isinstance(inner, Mapping) and "resources" in inner]
        requests = pod_requests({**component, "containers": containers})
        count = _whole(component.get("minReplicas"), 1)
        yield Demand(f"{owner} ({name})", count, False, {**_KSERVE_DEFAULT, **requests}, component)
