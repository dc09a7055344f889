# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a component asks of a cluster by its entry alone, and on how small Pis it therefore runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.bramble.kube.plugins.module_utils.fit.demand import demands
from ansible_collections.bramble.kube.plugins.module_utils.fit.placement import report
from ansible_collections.bramble.kube.plugins.module_utils.fit.quantity import amount, show
from ansible_collections.bramble.kube.plugins.module_utils.fit.supply import pi_cluster
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.catalogue import Component, Workload, load
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.choice import choose
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.legacy import SUCCESSORS, settled

# Memory of a Pi as sold, in GB, and the models that have it.
PIS = {1: "Pi 4/5", 2: "Pi 4/5", 4: "Pi 4/5", 8: "Pi 4/5", 16: "Pi 5"}
MOST = 4  # Pis to try with
# kubeadm's own check (NumCPU and Mem in cmd/kubeadm/app/constants): a control plane wants 1700 MB.
CONTROL_PLANE_GB = 2
# What etcd and the API server take beyond what they reserve; it matters where other pods are beside them.
CONTROL_PLANE_MORE = "512Mi"
PROVED = {"runs": "runs", "rendered": "not run, manifests only", "untested": "no"}


def objects(component: Component, small: bool) -> list[dict[str, Any]]:
    """Objects that ask for as much as the component's own, made from its entry.

    :param small: whether the tuning for small nodes counts.
    """
    tuned = {(entry.kind, entry.name): entry for entry in component.small} if small else {}
    made = []
    for workload in component.workloads:
        pods, requests = workload.pods, {"cpu": workload.cpu, "memory": workload.memory}
        entry = tuned.get((workload.kind, workload.name))
        if entry is not None:
            pods = pods if entry.replicas is None else entry.replicas
            requests.update({name: amount(name, value) for name, value in entry.requests.items()})
        made.append(_object(component, workload, pods, requests))
    return made


def _object(component: Component, workload: Workload, pods: int, requests: Mapping[str, int]) -> dict[str, Any]:
    written = {"cpu": f"{requests['cpu']}m", "memory": str(requests["memory"])}
    spec = {"containers": [{"name": "all", "resources": {"requests": written}}]}
    return {
        "apiVersion": "apps/v1",
        "kind": workload.kind,
        "metadata": {"name": workload.name, "namespace": component.namespace},
        "spec": {"replicas": pods, "template": {"spec": spec}},
    }


def asked(component: Component, small: bool) -> tuple[int, int, int]:
    """Pods, CPU (thousandths of a core) and memory (bytes) of a component, on one node."""
    pods = cpu = memory = 0
    for demand in demands(objects(component, small)):
        count = 1 if demand.per_node else demand.count
        pods += count
        cpu += count * demand.requests.get("cpu", 0)
        memory += count * demand.requests.get("memory", 0)
    return pods, cpu, memory


def runs_on(
    catalogue: Mapping[str, Component], names: Sequence[str], memory_gb: int, small: bool, count: int = 3
) -> bool:
    """Whether these components, with all that they need, fit on so many Pis of one size."""
    if count == 1 and memory_gb < CONTROL_PLANE_GB:
        return False
    cluster = pi_cluster(memory_gb * 1024, count)
    name = cluster["nodes"][0]["metadata"]["name"]
    containers = [{"name": "more", "resources": {"requests": {"memory": CONTROL_PLANE_MORE}}}]
    cluster["pods"].append({"kind": "Pod", "spec": {"nodeName": name, "containers": containers}})
    wanted = {item.component.name: objects(item.component, small) for item in choose(catalogue, list(names))}
    return bool(report(wanted, cluster["nodes"], cluster["pods"])["fits"])


def whole_catalogue(roles: Path) -> str:
    """The table of the catalogue, of what role kubeflow installs by default, and of everything.

    :param roles: the collection's folder of roles.
    """
    entries = load(yaml.safe_load((roles / "kubeflow/vars/main/catalogue.yml").read_text())["kubeflow_catalogue"])
    catalogue = settled(entries, SUCCESSORS)  # which is the default, and the way in which all can be together
    defaults = yaml.safe_load((roles / "kubeflow/defaults/main.yml").read_text())
    return "\n".join(table(catalogue, {"the default": defaults["kubeflow_components"], "all of them": list(catalogue)}))


def pins(roles: Path) -> str:
    """The table of versions: for Pis, as the tests have it, and what differs where those are two."""
    lines = ["| component | for Pis | in our tests | what is new in the one for Pis |", "|---|---|---|---|"]
    for entry in yaml.safe_load((roles / "kubeflow/vars/main/catalogue.yml").read_text())["kubeflow_catalogue"]:
        tag, lab = entry["source"].get("tag"), entry.get("lab")
        if not tag:
            continue
        tested = lab["source"]["tag"] if lab else "the same"
        seen = "" if entry["proof"] == "runs" else ", manifests only"
        cells = (f"`{entry['name']}`", tag, tested + seen, "; ".join(lab["differs"]) if lab else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def table(catalogue: Mapping[str, Component], sets: Mapping[str, Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown: components, and sets of them, by memory the least number of Pis that run them.

    :param sets: title → components.
    """
    sizes = "".join(f" {model} {size} GB |" for size, model in PIS.items())
    lines = [
        f"| component | pods | CPU | memory | volumes |{sizes} in our tests |",
        "|---|---|---|---|---|" + "---|" * len(PIS) + "---|",
    ]
    for component in catalogue.values():
        storage = show("memory", component.needs.storage) if component.needs.storage else ""
        cells = [f"`{component.name}`", *_numbers([component]), storage, *_verdicts(catalogue, [component.name])]
        lines.append("| " + " | ".join([*cells, PROVED[component.proof]]) + " |")
    for title, names in sets.items():
        parts = [item.component for item in choose(catalogue, list(names))]
        storage = sum(part.needs.storage for part in parts)
        volumes = show("memory", storage) if storage else ""
        lines.append(
            "| " + " | ".join([f"**{title}**", *_numbers(parts), volumes, *_verdicts(catalogue, names), ""]) + " |"
        )
    return lines


def _numbers(components: Iterable[Component]) -> list[str]:
    sums = [sum(values) for values in zip(*(asked(component, True) for component in components))]
    return [str(sums[0]), show("cpu", sums[1]), show("memory", sums[2])]


def _verdicts(catalogue: Mapping[str, Component], names: Sequence[str]) -> list[str]:
    """For each size the least number of Pis on which they run."""
    found = []
    for size in PIS:
        counts = [count for count in range(1, MOST + 1) if runs_on(catalogue, names, size, True, count)]
        found.append(str(counts[0]) if counts else "no")
    return found
