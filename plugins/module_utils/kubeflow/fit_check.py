# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Whether the chosen components fit: requests against what the nodes have free, images against their architectures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..fit.demand import mapping, mappings
from ..fit.placement import report
from ..images.pinning import unpinned
from .catalogue import Component
from .prepare import Prepared

#: What the tables call that which comes to the cluster beside the components.
BESIDE = "the loop"


@dataclass
class Fit:
    """The verdict.

    :ivar message: what does not fit and what can be done, with the tables; "" when all fits.
    :ivar warnings: what could not be found out.
    """

    fits: bool
    message: str = ""
    table: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def judge(
    components: Sequence[Prepared],
    nodes: Iterable[Mapping[str, Any]],
    pods: Iterable[Mapping[str, Any]],
    asked: Mapping,
    beside: Sequence[Mapping[str, Any]] = (),
) -> Fit:
    """Put both questions together.

    :param nodes: Node objects as the API has them.
    :param pods: all Pods of the cluster.
    :param asked: what images.ask.ask returned for the components' objects and the nodes' platforms.
    :param beside: objects that will be there, too; they stand for all Pods of their namespaces.
    """
    nodes = list(nodes)
    objects = {component.name: component.objects() for component in components}
    if beside:
        objects[BESIDE] = list(beside)
        theirs = {mapping(one.get("metadata")).get("namespace") for one in beside}
        pods = [pod for pod in pods if mapping(pod.get("metadata")).get("namespace") not in theirs]
    found = report(objects, nodes, pods, asked["images"])
    lines: list[str] = []
    if not found["fits"]:
        lines.append(str(found["message"]))
    warnings = _images_elsewhere(components, nodes, asked, found["wrong_images"])
    warnings += [
        f"It is not known whether {row['image']} runs on these nodes: {row['error']}."
        for row in asked["images"]
        if row["image"] in asked["unanswered"]
    ]
    if found["tight"]:
        warnings.append("Everything fits, but only if the scheduler happens to pack the pods well.")
    if not lines:
        return Fit(True, table=found["table"], warnings=warnings)
    lines += ["", *found["table"], "", *_choices(components, asked, found)]
    return Fit(False, "\n".join(lines), found["table"], warnings)


def _open_platforms(nodes: Iterable[Mapping[str, Any]]) -> set[str]:
    """Platforms of the nodes that take any pod."""
    found = set()
    for node in nodes:
        taints = mappings(mapping(node.get("spec")).get("taints"))
        if not any(taint.get("effect") in ("NoSchedule", "NoExecute") for taint in taints):
            info = mapping(mapping(node.get("status")).get("nodeInfo"))
            found.add(f"{info.get('operatingSystem', 'linux')}/{info.get('architecture')}")
    return found


def _images_elsewhere(
    components: Iterable[Prepared], nodes: list, asked: Mapping, wrong: Iterable[Mapping]
) -> list[str]:
    """A sentence for each image that no pod of the manifests has: programs start it later, and perhaps never."""
    known = {row["image"] for row in wrong}
    running = set()
    for component in components:
        for workload in component.objects():
            spec = mapping(mapping(mapping(workload.get("spec")).get("template")).get("spec"))
            for section in ("containers", "initContainers"):
                running |= {container.get("image") for container in mappings(spec.get(section))}
    open_platforms = _open_platforms(nodes)
    sentences = []
    for row in asked["images"]:
        lacking = [platform for platform in row["missing"] if platform in open_platforms]
        if lacking and row["image"] not in known | running:
            users = f" (used by {row['used_by'][0]})" if row["used_by"] else ""
            sentences.append(
                f"{row['image']}{users} is not built for {', '.join(lacking)}; what uses it will fail to start."
            )
    return sentences


def _choices(components: Iterable[Prepared], asked: Mapping, found: Mapping) -> list[str]:
    lines = ["What you can do:"]
    components_out = [name for name in found["leave_out"] if name != BESIDE]
    if any(row["name"] == BESIDE for row in found["components"]):
        lines.append("- take a model out of loop_models;")
    if components_out:
        lines.append(f"- leave out {' or '.join(components_out)}: take it out of kubeflow_components;")
    else:
        lines.append("- leave a component out: take it out of kubeflow_components;")
    if asked["missing"]:
        lines.append("- replace an image with one that runs here, in kubeflow_images, for example:")
        known = known_replacements(component.component for component in components)
        for image in map(unpinned, asked["missing"]):
            by, source = known.get(image, ("<an image that runs here>", ""))
            lines.append(f'    "{image}": "{by}"' + (f"  # {source}" if source else ""))
    if found["unplaced"]:
        lines.append("- ask for less, in kubeflow_overrides; or add a Pi;")
    lines.append("- or push it anyway, with kubeflow_force: true.")
    return lines


def known_replacements(components: Iterable[Component]) -> dict[str, tuple[str, str]]:
    """Image → what the catalogue knows in its place, and who says so."""
    return {entry.image: (entry.by, entry.source) for component in components for entry in component.replacements}
