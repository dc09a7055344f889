# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Whether pods find room: what the scheduler would do, tried out on paper.

First as the scheduler spreads pods (NodeResourcesFit with LeastAllocated); if some are left over, packed as tightly as
possible, which tells a cluster that is too small from one that only needs luck. Taints, node selectors, required node
affinity count; affinity between pods and topology spread do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.bramble.kube.plugins.module_utils.fit.demand import Demand, demands, mapping, mappings
from ansible_collections.bramble.kube.plugins.module_utils.fit.quantity import show
from ansible_collections.bramble.kube.plugins.module_utils.fit.supply import Supply, supplies
from ansible_collections.bramble.kube.plugins.module_utils.images.platform import Platform, best_match, parse

# Taints that every DaemonSet's pods tolerate (kubernetes.io/docs, DaemonSet).
_DAEMON_TOLERATES = {
    f"node.kubernetes.io/{name}"
    for name in ("not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
}


@dataclass(frozen=True)
class Unplaced:
    """A pod for which no node has room, and why each has not."""

    demand: Demand
    component: str
    reasons: tuple[str, ...]


@dataclass
class Placement:
    """The outcome of one trial."""

    planned: dict[str, dict[str, int]]
    unplaced: list[Unplaced] = field(default_factory=list)
    pods: dict[str, int] = field(default_factory=dict)
    requested: dict[str, dict[str, int]] = field(default_factory=dict)


def report(
    components: Mapping[str, Sequence[object]],
    nodes: Iterable[object],
    pods: Iterable[object] = (),
    images: Iterable[Mapping[str, object]] = (),
    namespace: str = "default",
) -> dict[str, object]:
    """Whether components fit on nodes, with a table.

    :param components: name → Kubernetes objects.
    :param nodes: Node objects as the API has them.
    :param pods: all Pod objects of the cluster.
    :param images: ``images`` of what :mod:`image_platforms` returned, to find pods that may land on a node for which an
        image is not built.
    :param namespace: where objects without one will be.
    :returns: ``fits``, ``tight`` (fits only if the scheduler happens to pack well), ``components``, ``nodes``,
        ``unplaced``, ``wrong_images`` (images on nodes for which they are not built), ``leave_out`` (components without
        any one of which the rest fits), ``message``, ``table``.
    :raises InvalidObject: an object cannot be read.
    """
    wanted = {name: demands(objects, namespace) for name, objects in components.items()}
    every = [item for objects in components.values() for item in objects]
    supply = supplies(nodes, pods, every, namespace)
    wrong = mismatches(wanted, supply, images)
    chosen, tight = _try_both(wanted, supply)
    rows = [_component_row(name, chosen, wrong) for name in components]
    node_rows = [_node_row(node, chosen) for node in supply]
    leave_out: list[str] = []
    if (chosen.unplaced or wrong) and len(wanted) > 1:
        for name in wanted:
            rest = {other: wants for other, wants in wanted.items() if other != name}
            images_fit = all(row["component"] == name for row in wrong)
            if images_fit and not _try_both(rest, supply)[0].unplaced:
                leave_out.append(name)
    unplaced = [
        {
            "component": pod.component,
            "object": pod.demand.owner,
            "requests": dict(pod.demand.requests),
            "reasons": list(pod.reasons),
        }
        for pod in chosen.unplaced
    ]
    return {
        "fits": not chosen.unplaced and not wrong,
        "tight": tight and not chosen.unplaced,
        "components": rows,
        "nodes": node_rows,
        "unplaced": unplaced,
        "wrong_images": wrong,
        "leave_out": leave_out,
        "message": _message(chosen, wrong, tight, leave_out),
        "table": _table(rows, node_rows),
    }


def _try_both(wanted: Mapping[str, Sequence[Demand]], supply: Sequence[Supply]) -> tuple[Placement, bool]:
    spread = place(wanted, supply, pack=False)
    if not spread.unplaced:
        return spread, False
    packed = place(wanted, supply, pack=True)
    return (packed, True) if len(packed.unplaced) < len(spread.unplaced) else (spread, False)


def place(
    wanted: Mapping[str, Sequence[Demand]],
    supply: Sequence[Supply],
    pack: bool,
) -> Placement:
    """Try to place pods.

    :param pack: the largest first, each where the least is left over; else in order, each where the most is.
    """
    free = {node.name: node.free() for node in supply}
    result = Placement({node.name: {} for node in supply})
    single: list[tuple[str, Demand]] = []
    for component, wants in wanted.items():
        result.pods.setdefault(component, 0)
        result.requested.setdefault(component, {})
        for demand in wants:
            if demand.per_node:
                for node in supply:
                    if _barrier(demand, node) is None:
                        _put_daemon(component, demand, node, free, result)
            else:
                single += [(component, demand)] * demand.count
    if pack:
        single.sort(key=lambda pair: -_share(pair[1], supply))
    for component, demand in single:
        open_nodes = [node for node in supply if _barrier(demand, node) is None]
        roomy = [node for node in open_nodes if not _lacking(demand, free[node.name])]
        _count(result, component, demand)
        if roomy:
            choose = min if pack else max
            # Ties go to the first node, as a stable choice.
            best = choose(roomy, key=lambda node: _room(node, free[node.name], demand))
            _take(free[best.name], result.planned[best.name], demand)
        else:
            reasons = tuple(f"{node.name}: {_why(demand, node, free[node.name])}" for node in supply)
            result.unplaced.append(Unplaced(demand, component, reasons or ("there are no nodes",)))
    return result


def _put_daemon(
    component: str, demand: Demand, node: Supply, free: Mapping[str, dict[str, int]], result: Placement
) -> None:
    _count(result, component, demand)
    lacking = _lacking(demand, free[node.name])
    if lacking:
        reason = f"{node.name}: {_why(demand, node, free[node.name])}"
        result.unplaced.append(Unplaced(demand, component, (reason,)))
    else:
        _take(free[node.name], result.planned[node.name], demand)


def _count(result: Placement, component: str, demand: Demand) -> None:
    result.pods[component] += 1
    total = result.requested[component]
    for name, value in demand.requests.items():
        total[name] = total.get(name, 0) + value


def _take(free: dict[str, int], planned: dict[str, int], demand: Demand) -> None:
    for name, value in (*demand.requests.items(), ("pods", 1)):
        free[name] = free.get(name, 0) - value
        planned[name] = planned.get(name, 0) + value


def _lacking(demand: Demand, free: Mapping[str, int]) -> list[str]:
    return [name for name, value in (*demand.requests.items(), ("pods", 1)) if free.get(name, 0) < value]


def _room(node: Supply, free: Mapping[str, int], demand: Demand) -> float:
    """Share of CPU and memory that would be left, the mean of both (LeastAllocated's score)."""
    shares = [
        (free.get(name, 0) - demand.requests.get(name, 0)) / node.allocatable[name]
        for name in ("cpu", "memory")
        if node.allocatable.get(name)
    ]
    return sum(shares) / len(shares) if shares else 0.0


def _share(demand: Demand, supply: Sequence[Supply]) -> float:
    """The largest share of the largest node that a pod takes."""
    shares = [0.0]
    for name, value in demand.requests.items():
        most = max((node.allocatable.get(name, 0) for node in supply), default=0)
        shares.append(value / most if most else float("inf"))
    return max(shares)


def _why(demand: Demand, node: Supply, free: Mapping[str, int]) -> str:
    barrier = _barrier(demand, node)
    if barrier:
        return barrier
    parts = []
    for name in _lacking(demand, free):
        if name == "pods":
            parts.append(f"takes no more than {node.allocatable['pods']} pods")
        elif name not in node.allocatable:
            parts.append(f"has no {name}")
        else:
            has, wants = show(name, max(free.get(name, 0), 0)), show(name, demand.requests[name])
            parts.append(f"has {has} {name} left of {show(name, node.allocatable[name])}, needs {wants}")
    return ", ".join(parts)


def _barrier(demand: Demand, node: Supply) -> str | None:
    """Why a pod may not run on a node at all, or None."""
    spec = demand.spec
    if spec.get("nodeName") and spec["nodeName"] != node.name:
        return f"is not {spec['nodeName']}, which the pod names"
    tolerations = mappings(spec.get("tolerations"))
    for taint in node.taints:
        key = str(taint.get("key"))
        if taint.get("effect") not in ("NoSchedule", "NoExecute") or (demand.per_node and key in _DAEMON_TOLERATES):
            continue
        if not any(_tolerates(toleration, taint) for toleration in tolerations):
            return f"has the taint {key}, which the pod does not tolerate"
    for label, value in mapping(spec.get("nodeSelector")).items():
        if _label(node, label) != str(value):
            return f"lacks the label {label}={value}"
    required = mapping(
        mapping(mapping(spec.get("affinity")).get("nodeAffinity")).get("requiredDuringSchedulingIgnoredDuringExecution")
    )
    terms = mappings(required.get("nodeSelectorTerms"))
    if required and not any(_term(term, node) for term in terms):
        return "does not meet the pod's node affinity"
    return None


def mismatches(
    wanted: Mapping[str, Sequence[Demand]], supply: Sequence[Supply], images: Iterable[Mapping[str, object]]
) -> list[dict[str, object]]:
    """Pods that may land where one of their images does not run: the scheduler knows nothing of images.

    :param images: ``images`` of what :mod:`image_platforms` returned.
    """
    offers: dict[str, list[Platform]] = {}
    for row in images:
        platforms = row.get("platforms")
        if isinstance(platforms, list) and platforms:
            offers[str(row.get("image"))] = [parse(str(text)) for text in platforms]
    found: dict[tuple[str, str, str], list[str]] = {}
    for component, wants in wanted.items():
        for demand in wants:
            if not demand.per_node and not demand.count:
                continue
            for node in supply:
                if node.platform is None or _barrier(demand, node):
                    continue
                for image in demand.images():
                    if image in offers and not best_match(node.platform, offers[image]):
                        found.setdefault((component, demand.owner, image), []).append(node.name)
    return [
        {
            "component": component,
            "object": owner,
            "image": image,
            "platforms": [str(offered) for offered in offers[image]],
            "nodes": nodes,
        }
        for (component, owner, image), nodes in found.items()
    ]


def _tolerates(toleration: Mapping[str, object], taint: Mapping[str, object]) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if not toleration.get("key"):
        return toleration.get("operator") == "Exists"
    if toleration["key"] != taint.get("key"):
        return False
    return toleration.get("operator") == "Exists" or str(toleration.get("value") or "") == str(taint.get("value") or "")


def _label(node: Supply, name: object) -> str | None:
    value = node.labels.get(str(name))
    return None if value is None else str(value)


def _term(term: Mapping[str, object], node: Supply) -> bool:
    """A node selector term: all of it must hold; an empty one never does."""
    expressions, fields = mappings(term.get("matchExpressions")), mappings(term.get("matchFields"))
    if not expressions and not fields:
        return False
    return all(_matches(row, _label(node, row.get("key"))) for row in expressions) and all(
        _matches(row, node.name if row.get("key") == "metadata.name" else None) for row in fields
    )


def _matches(row: Mapping[str, object], value: str | None) -> bool:
    operator = row.get("operator")
    listed = row.get("values")
    values = [str(item) for item in listed] if isinstance(listed, list) else []
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    if operator == "NotIn":
        return value not in values
    if operator == "In":
        return value in values
    if operator in ("Gt", "Lt") and value is not None and len(values) == 1:
        try:
            difference = int(value) - int(values[0])
        except ValueError:
            return False
        return difference > 0 if operator == "Gt" else difference < 0
    return False


def _component_row(name: str, chosen: Placement, wrong: Sequence[Mapping[str, object]]) -> dict[str, object]:
    images = list(dict.fromkeys(str(row["image"]) for row in wrong if row["component"] == name))
    missing = sum(1 for pod in chosen.unplaced if pod.component == name)
    requested = chosen.requested[name]
    return {
        "name": name,
        "pods": chosen.pods[name],
        "cpu": requested.get("cpu", 0),
        "memory": requested.get("memory", 0),
        "unplaced": missing,
        "wrong_images": images,
        "fits": not missing and not images,
    }


def _node_row(node: Supply, chosen: Placement) -> dict[str, object]:
    free, planned = node.free(), chosen.planned[node.name]
    row: dict[str, object] = {"name": node.name, "platform": str(node.platform) if node.platform else ""}
    for resource in ("cpu", "memory"):
        row[resource] = {
            "allocatable": node.allocatable.get(resource, 0),
            "free": free.get(resource, 0),
            "planned": planned.get(resource, 0),
            "left": free.get(resource, 0) - planned.get(resource, 0),
        }
    return row


def _message(chosen: Placement, wrong: Sequence[Mapping[str, object]], tight: bool, leave_out: Sequence[str]) -> str:
    parts = []
    if wrong:
        first = wrong[0]
        parts.append(
            f"{first['object']} ({first['component']}) may run on {', '.join(first['nodes'])}, for which its image "  # type: ignore[arg-type]
            f"{first['image']} is not built{_and_more(len(wrong) - 1)}."
        )
    if chosen.unplaced:
        pod = chosen.unplaced[0]
        parts.append(
            f"No node has room for a pod of {pod.demand.owner} ({pod.component}){_and_more(len(chosen.unplaced) - 1)}: "
            f"{'; '.join(pod.reasons)}."
        )
    if not parts:
        if tight:
            return "Everything fits, but only if the scheduler happens to pack the pods well."
        return "Everything fits."
    if leave_out:
        parts.append(f"Without {' or '.join(leave_out)} the rest fits.")
    choices = ["Leave a component out"]
    choices += ["replace the image"] if wrong else []
    choices += ["lower its requests", "add a Pi"] if chosen.unplaced else []
    parts.append(f"{', '.join(choices)}, or force it.")
    return " ".join(parts)


def _and_more(others: int) -> str:
    return f" (and for {others} more)" if others else ""


def _table(components: Sequence[Mapping[str, object]], nodes: Sequence[Mapping[str, object]]) -> list[str]:
    first = [["component", "pods", "CPU", "memory", "fits"]]
    for row in components:
        reasons = [f"{row['unplaced']} of {row['pods']} pods find no room"] if row["unplaced"] else []
        reasons += [f"{image} is not for these nodes" for image in row["wrong_images"]]  # type: ignore[attr-defined]
        verdict = "yes" if row["fits"] else f"no: {', '.join(reasons)}"
        numbers = [show("cpu", int(str(row["cpu"]))), show("memory", int(str(row["memory"])))]
        first.append([str(row["name"]), str(row["pods"]), *numbers, verdict])
    second = [["node", "CPU free", "wanted", "memory free", "wanted", "platform"]]
    for row in nodes:
        cells = [str(row["name"])]
        for resource in ("cpu", "memory"):
            numbers = mapping(row[resource])
            cells += [show(resource, int(str(numbers["free"]))), show(resource, int(str(numbers["planned"])))]
        second.append([*cells, str(row["platform"])])
    return [*_aligned(first), "", *_aligned(second)]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
