# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""From one Kubernetes release to the next: which step is legal, what is due on which Pi, and what a cut has left.

Rules: https://kubernetes.io/releases/version-skew-policy/, and cmd/kubeadm/app/phases/upgrade/policy.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.init_rules import Answer
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.static_pods import STATIC_PODS
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.versions import Version, parse_version
from ansible_collections.bramble.kube.plugins.module_utils.nodes.api import Cluster, asking
from ansible_collections.bramble.kube.plugins.module_utils.nodes.drain import CORDONED, Pod, selects

OPTIONS = {
    "version": {"type": "str", "required": True},
    "machines": {"type": "dict", "required": True},
    "control_plane": {"type": "dict", "required": True},
    "available": {"type": "list", "elements": "str", "default": []},
    "force": {"type": "bool", "default": False},
    "kubeconfig": {"type": "path", "required": True},
}
KUBE_SYSTEM = "/api/v1/namespaces/kube-system"
#: Those whose image has the release as its tag.
RELEASED = STATIC_PODS[1:]


@dataclass(frozen=True)
class ControlPlane:
    """What is there of the control plane.

    :ivar version: the release in ConfigMap kubeadm-config; "" for a further master.
    :ivar tags: image tag of each static Pod's manifest; "" for one that is missing or damaged.
    :ivar proxy: image tag of DaemonSet kube-proxy; "" without one, or while the last of several masters is to bring it.
    :ivar unfinished: the release of an upgrade that was begun and not finished; "" without one.
    """

    version: str
    tags: Mapping[str, str]
    proxy: str = ""
    unfinished: str = ""


def control_plane_left(found: ControlPlane, wanted: str) -> str:
    """What is still to be done until the control plane has the wanted release, in words; "" when nothing is."""
    if found.unfinished:
        return f"an upgrade to {found.unfinished} was interrupted"
    if found.version and found.version != wanted:
        return f"the cluster has {found.version}"
    for name in RELEASED:
        if found.tags.get(name) != wanted:
            return f"{name} has {found.tags.get(name) or 'no manifest'}"
    if found.proxy and found.proxy != wanted:
        return f"kube-proxy has {found.proxy}"
    return ""


def newest(available: Iterable[str], minor: tuple[int, int]) -> str:
    """The newest release of a minor version among those that there are; "1.36.x" when none is known."""
    known = [parse_version(text) for text in available]
    fitting = [version for version in known if (version.major, version.minor) == minor and version.final]
    return str(max(fitting)) if fitting else f"{minor[0]}.{minor[1]}.x"


def illegal_step(current: Version, wanted: Version, available: Iterable[str] = ()) -> str:
    """Say why a cluster cannot go from one release to another in one step, and what the next legal one is.

    :param available: releases that are known to be in the package repositories.
    :returns: a sentence, or "" when the step is legal.
    """
    if wanted < current:
        return (
            f"The cluster has Kubernetes {current}, and there is no way back to {wanted}:"
            f" set kubeadm_version to {current} or a later release."
        )
    if (wanted.major, wanted.minor) > (current.major, current.minor + 1):
        step = newest(available, (current.major, current.minor + 1))
        return (
            f"From Kubernetes {current} there is no step to {wanted}, only one minor release at a time:"
            f" set kubeadm_version to {step} first and run this, then go on from there."
        )
    return ""


@dataclass(frozen=True)
class Pi:
    """One Pi.

    :ivar packages: kubeadm, kubelet and kubectl, each with ``version`` (as dpkg has it) and ``held``.
    :ivar kubelet: the release that its node reports; "" when the cluster does not know the node.
    :ivar ready: whether the node is Ready.
    :ivar cordoned: whether an upgrade has cordoned it and not undone that.
    :ivar control_plane: of a further master; None for the first, of which the cluster's own is told, and for nodes.
    """

    host: str
    node: str
    packages: Mapping[str, Mapping[str, Any]]
    kubelet: str
    ready: bool = True
    cordoned: bool = False
    control_plane: ControlPlane | None = None

    @property
    def releases(self) -> dict[str, str]:
        """Release of each package that is installed."""
        return {name: str(entry.get("version", "")).partition("-")[0] for name, entry in self.packages.items()}

    @property
    def begun(self) -> bool:
        """Whether an upgrade of it was begun and not finished."""
        return self.cordoned or set(self.releases.values()) != {self.kubelet}


def read_pi(host: str, entry: Mapping[str, Any], item: Mapping[str, Any] | None) -> Pi:
    """Make a :class:`Pi` of what dpkg and the API server say.

    :param entry: the module's option ``machines`` has of it.
    :param item: the Node object, None when there is none.
    """
    packages, further = entry["packages"], entry.get("control_plane")
    status = (item or {}).get("status") or {}
    kubelet = str((status.get("nodeInfo") or {}).get("kubeletVersion") or "").removeprefix("v")
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or [])
    annotations = ((item or {}).get("metadata") or {}).get("annotations") or {}
    wanted = {name: packages[name] for name in ("kubeadm", "kubelet", "kubectl") if name in packages}
    own = ControlPlane("", further["tags"], unfinished=further["unfinished"]) if further else None
    return Pi(host, entry["node"], wanted, kubelet, ready, CORDONED in annotations, own)


def release_due(pi: Pi, wanted: str) -> str:
    """Why a Pi is not at the wanted release yet, in words; "" when it is."""
    for name in ("kubeadm", "kubelet", "kubectl"):
        if pi.releases.get(name) != wanted:
            return f"{name} {pi.releases.get(name) or 'is missing'}"
    if pi.kubelet != wanted:
        return f"its kubelet still runs {pi.kubelet}"
    if pi.cordoned:
        return "an earlier upgrade left it drained"
    return control_plane_left(pi.control_plane, wanted) if pi.control_plane else ""


def news(os: Sequence[str], engine: Sequence[str], reboot: bool) -> list[str]:
    """What else is due on a Pi, in words."""
    told = []
    if os:
        told.append(f"{len(os)} package{'s' if len(os) > 1 else ''} of the OS ({_first(os)})")
    if engine:
        told.append(f"the container engine ({_first(engine)})")
    if reboot:
        told.append("a reboot")
    return told


def _first(texts: Sequence[str], limit: int = 3) -> str:
    return ", ".join(texts[:limit]) + (", …" if len(texts) > limit else "")


def lines(wanted: str, control_plane: str, machines: Mapping[str, Sequence[str]]) -> list[str]:
    """What is due, for the user."""
    if not control_plane and not machines:
        return [f"Nothing is due: every Pi has Kubernetes {wanted} and the newest packages."]
    told = [f"Due until every Pi has Kubernetes {wanted} and the newest packages:"]
    if control_plane:
        told.append(f"control plane: {control_plane}")
    return told + [f"{host}: {'; '.join(reasons)}" for host, reasons in machines.items()]


def left_behind(pis: Iterable[Pi], current: Version, wanted: Version) -> list[str]:
    """Pis that would be too far behind: sentences that name them, and the release to finish first."""
    told = []
    if (wanted.major, wanted.minor) <= (current.major, current.minor):
        return told
    for pi in pis:
        own = pi.control_plane.tags if pi.control_plane else {}
        releases = [release for release in (pi.kubelet, *(own.get(name) for name in RELEASED)) if release]
        oldest = min(releases, key=parse_version, default="")
        if oldest and parse_version(oldest).minor < wanted.minor - 1:
            told.append(
                f"{pi.host} still has Kubernetes {oldest}: set kubeadm_version to {current},"
                " which the control plane has, and run this to finish that step first."
            )
    return told


@dataclass(frozen=True)
class Budget:
    """A PodDisruptionBudget that lets no Pod go, now or ever."""

    namespace: str
    name: str
    selector: Mapping[str, Any] = field(default_factory=dict)

    def matches(self, pod: Pod) -> bool:
        """Whether it guards a Pod."""
        return pod.namespace == self.namespace and selects(self.selector, pod.labels)


def closed_budgets(items: Iterable[Mapping[str, Any]]) -> list[Budget]:
    """The PodDisruptionBudgets that would refuse an eviction even while all Pods are healthy."""
    closed = []
    for item in items:
        status = item.get("status") or {}
        expected = status.get("expectedPods") or 0
        if expected and not status.get("disruptionsAllowed") and (status.get("desiredHealthy") or 0) >= expected:
            metadata = item["metadata"]
            selector = (item.get("spec") or {}).get("selector") or {}
            closed.append(Budget(metadata["namespace"], metadata["name"], selector))
    return closed


def foreseen_blockers(pods: Iterable[Pod], nodes: Iterable[str], budgets: Iterable[Budget], force: bool) -> list[str]:
    """What would keep Pods from leaving the nodes, known before anything is changed: one sentence for each cause."""
    nodes, budgets, told = set(nodes), list(budgets), []
    for pod in pods:
        if pod.node not in nodes or not pod.evictable:
            continue
        if pod.owner is None and not force:
            told.append(
                f"Pod {pod} on {pod.node} was created by hand, so nothing would recreate it elsewhere:"
                " delete it, give it to a Deployment, or set upgrade_drain_force to true to delete it."
            )
        for budget in budgets:
            if budget.matches(pod):
                told.append(
                    f"PodDisruptionBudget {budget.namespace}/{budget.name} never lets Pod {pod} leave {pod.node}:"
                    " give its workload one more replica, or relax the budget (maxUnavailable: 1)."
                )
    return told


def read_control_plane(cluster: Cluster, repaired: Mapping[str, Any]) -> ControlPlane:
    """What the API server and the first master's disk say about the control plane."""
    config = cluster.found(KUBE_SYSTEM + "/configmaps/kubeadm-config") or {}
    text = (config.get("data") or {}).get("ClusterConfiguration", "")
    proxy = cluster.found("/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy")
    image = proxy["spec"]["template"]["spec"]["containers"][0]["image"] if proxy else ""
    tag = image.rpartition(":")[2].removeprefix("v")
    return ControlPlane(Answer(text, (), True).version, repaired["tags"], tag, repaired["unfinished"])


def act(cluster: Cluster, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Find out what is due and what is in the way."""
    found = read_control_plane(cluster, parameters["control_plane"])
    if not found.version:
        raise Stop("The cluster has no ConfigMap kubeadm-config: kubeadm did not create it, or did not finish.")
    try:
        current, wanted = parse_version(found.version), parse_version(parameters["version"])
    except ValueError as error:
        raise Stop(str(error)) from None
    errors = []
    nodes = {item["metadata"]["name"]: item for item in cluster.items("/api/v1/nodes")}
    pis = [read_pi(host, entry, nodes.get(entry["node"])) for host, entry in parameters["machines"].items()]
    begun = {"the master": found, **{pi.host: pi.control_plane for pi in pis if pi.control_plane}}
    for host, part in begun.items():
        if part.unfinished not in ("", str(wanted)):
            errors.append(
                f"An upgrade to Kubernetes {part.unfinished} was interrupted on {host}:"
                f" set kubeadm_version to {part.unfinished} and run this to finish it first."
            )
    step = illegal_step(current, wanted, parameters["available"])
    if step:
        errors.append(step)
    for pi in pis:
        if pi.node not in nodes:
            errors.append(f"{pi.host} is not a node of this cluster: run site.yml with Kubernetes {current} first.")
    errors += left_behind(pis, current, wanted) if not errors else []
    due = {}
    for pi in pis:
        release = release_due(pi, str(wanted))
        reasons = ([release] if release else []) + news(
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
            f"{pi.host} is not Ready, and an upgrade does not fix that: 'ansible-playbook site.yml' says why."
            for pi in pis
            if not pi.ready and not pi.begun
        ]
        budgets = closed_budgets(cluster.items("/apis/policy/v1/poddisruptionbudgets"))
        leaving = [pi.node for pi in pis if pi.host in due]
        errors += foreseen_blockers(cluster.pods(), leaving, budgets, parameters["force"])
    if any(pi.control_plane and control_plane_left(pi.control_plane, str(wanted)) for pi in pis):
        found = replace(found, proxy="")
    left = control_plane_left(found, str(wanted))
    return {
        "changed": False,
        "current": found.version,
        "control_plane": left,
        "machines": due,
        "lines": lines(str(wanted), left, {host: entry["reasons"] for host, entry in due.items()}),
        "errors": errors,
    }


def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Look, and change nothing."""
    with asking():
        return act(Cluster.of(options), options)
