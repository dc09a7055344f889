# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What screen and page show beside the findings: plain rows of text, made once for both."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.wording import counted
from ansible_collections.bramble.kube.plugins.module_utils.status.model import KUBELET_FILES, Pi, Scene, ready

#: In the namespace or the label of what is Kubeflow's and in no set.
_KUBEFLOW = "kubeflow"
#: Before a component's name, in the name of its set.
_PREFIX = "bramble-"
UNKNOWN = "?"


@dataclass(frozen=True)
class PiRow:
    """One Pi. Texts are ready to be shown; shares are between 0 and 1, None when they are not known."""

    name: str
    role: str
    state: str
    well: bool
    model: str
    address: str
    os: str
    kernel: str
    kubelet: str
    engine: str
    memory: str
    memory_share: float | None
    disk: str
    disk_share: float | None
    heat: str
    pods: str
    certificate: str


@dataclass(frozen=True)
class Line:
    """One line of a cell.

    :ivar share: between 0 and 1, what the page draws as a bar.
    :ivar well: whether it is good or bad, for its colour; None for neither.
    """

    text: str
    share: float | None = None
    well: bool | None = None


@dataclass(frozen=True)
class Column:
    """A column of the table of Pis, the same on the screen and on the page."""

    heading: str
    lines: Callable[[PiRow], Sequence[Line]]


#: The table of Pis. Another column is a line here, and a field of PiRow.
COLUMNS = (
    Column("Pi", lambda row: (Line(row.name), Line(row.address))),
    Column("state", lambda row: (Line(row.state, well=row.well), Line(row.role))),
    Column("model, OS", lambda row: (Line(row.model), Line(row.os), Line(f"kernel {row.kernel}"))),
    Column("release, engine", lambda row: (Line(row.kubelet), Line(row.engine))),
    Column("memory, disk", lambda row: (Line(row.memory, row.memory_share), Line(row.disk, row.disk_share))),
    Column("heat", lambda row: (Line(row.heat),)),
    Column("Pods", lambda row: (Line(row.pods),)),
    Column("certs", lambda row: (Line(row.certificate),)),
)


@dataclass(frozen=True)
class CertificateRow:
    """One certificate.

    :ivar kind: who renews it: CAs are for ten years, the control plane's by site.yml, a kubelet's by itself.
    :ivar near: whether it has so few days left that it is told.
    """

    pi: str
    file: str
    subject: str
    ends: str
    days: int
    kind: str
    near: bool


@dataclass(frozen=True)
class Component:
    """One component, or a workload of Kubeflow that this collection did not install, and how much of it is ready.

    :ivar not_ready: names of its workloads that are not.
    :ivar addresses: where people open it.
    """

    name: str
    namespace: str
    ready: int
    wanted: int
    not_ready: Sequence[str] = ()
    addresses: Sequence[str] = ()

    @property
    def well(self) -> bool:
        """Whether all of it is ready."""
        return not self.not_ready


def short(name: str) -> str:
    """A board's or system's name without what all of them have in common."""
    return re.sub(r"^Raspberry (?=Pi )| Rev [\d.]+$", "", name)


def size(megabytes: float) -> str:
    """ "3.7 GiB" or "512 MiB"."""
    return f"{megabytes / 1024:.1f} GiB" if megabytes >= 1024 else f"{megabytes:.0f} MiB"


def _of(used: float, total: float) -> str:
    return f"{size(used)} of {size(total)}".replace(" GiB of", " of")


def _state(scene: Scene, pi: Pi, node: Mapping[str, Any] | None) -> tuple[str, bool]:
    if not pi.read:
        return ("unreachable" if not pi.reachable else "unreadable"), False
    if scene.answered:
        words = {"True": "Ready", "False": "NotReady", "Unknown": "silent", "": "not in the cluster"}
        state = words.get(ready(node), UNKNOWN)
        return (f"{state}, cordoned" if node and node["cordoned"] else state), state == "Ready"
    up = pi.service("kubelet").get("state") == "active"
    return ("kubelet runs" if up else "kubelet down"), up


def _version(text: str) -> str:
    """A Debian package's upstream version."""
    return text.partition(":")[2].partition("-")[0] if ":" in text else text.partition("-")[0]


def _engine(pi: Pi, node: Mapping[str, Any] | None) -> str:
    if node and node["runtime"]:
        return node["runtime"].replace("://", " ").replace(" v", " ")
    packages = pi.fact("packages") or {}
    found = next((packages[name] for name in ("containerd.io", "containerd") if name in packages), None)
    return f"containerd {_version(found['version'])}" if found else UNKNOWN


def _heat(pi: Pi) -> str:
    degrees, bits = pi.get("temperature_c"), pi.fact("throttled")
    texts = [f"{degrees:.0f} °C"] if degrees is not None else []
    if bits is not None:
        texts.append("throttled" if bits & 0xF else "no throttling")
    return ", ".join(texts) or "no sensor"


def _disk(pi: Pi) -> tuple[str, float | None]:
    """The fullest disk."""
    disks = [disk for disk in pi.get("disks", default=()) if disk["total_mb"]]
    if not disks:
        return UNKNOWN, None
    fullest = min(disks, key=lambda disk: disk["free_mb"] / disk["total_mb"])
    used, total = fullest["total_mb"] - fullest["free_mb"], fullest["total_mb"]
    return _of(used, total), used / total


def pods_of(scene: Scene, node_name: str) -> list[Mapping[str, Any]]:
    """Pods on a node that have not done their work."""
    pods = scene.cluster.get("pods") or ()
    return [pod for pod in pods if pod["node"] == node_name and pod["phase"] != "Succeeded"]


def _pods(scene: Scene, pi: Pi, node: Mapping[str, Any] | None) -> str:
    if not scene.answered or node is None:
        return UNKNOWN
    pods = pods_of(scene, pi.node_name)
    waiting = sum(1 for pod in pods if not pod["ready"])
    return f"{len(pods)}" + (f" ({waiting} not ready)" if waiting else "")


def certificate_rows(scene: Scene, pi: Pi) -> list[CertificateRow]:
    """A Pi's certificates, the one that ends first on top."""
    rows = []
    for found in scene.certificates(pi):
        kind = "CA" if found.authority else "kubelet" if found.file.startswith(KUBELET_FILES) else "control plane"
        ends, days = found.ends.strftime("%Y-%m-%d"), found.days_left(scene.now)
        near = days < scene.certificate_days(found.file)
        rows.append(CertificateRow(pi.name, found.file, found.subject, ends, days, kind, near))
    return sorted(rows, key=lambda row: row.days)


def certificates(scene: Scene) -> tuple[list[CertificateRow], list[CertificateRow]]:
    """The certificates of all Pis that matter: the first of each kind, and those near their end; and the rest."""
    rows = sorted((row for pi in scene.pis for row in certificate_rows(scene, pi)), key=lambda row: row.days)
    firsts = {kind: next(row for row in rows if row.kind == kind) for kind in {row.kind for row in rows}}
    matter = [row for row in rows if row.near or row is firsts[row.kind]]
    return matter, [row for row in rows if row not in matter]


def pi_row(scene: Scene, pi: Pi) -> PiRow:
    """All about one Pi in a row."""
    node = scene.node(pi)
    state, well = _state(scene, pi, node)
    total, available = pi.get("memory", "total_mb"), pi.get("memory", "available_mb")
    disk, disk_share = _disk(pi)
    ends = certificate_rows(scene, pi)
    kubelet = (pi.fact("packages") or {}).get("kubelet")
    return PiRow(
        name=pi.name,
        role="control plane" if pi.role == "master" else "node",
        state=state,
        well=well,
        model=short(pi.fact("model") or UNKNOWN),
        address=pi.fact("address") or pi.address,
        os=short((pi.fact("os") or {}).get("name") or (node or {}).get("os") or UNKNOWN),
        kernel=(node or {}).get("kernel") or UNKNOWN,
        kubelet=(node or {}).get("kubelet") or (_version(kubelet["version"]) if kubelet else UNKNOWN),
        engine=_engine(pi, node),
        memory=_of(total - available, total) if total else UNKNOWN,
        memory_share=(total - available) / total if total else None,
        disk=disk,
        disk_share=disk_share,
        heat=_heat(pi) if pi.read else UNKNOWN,
        pods=_pods(scene, pi, node),
        certificate=counted(ends[0].days, "day") if ends else UNKNOWN,
    )


def components(scene: Scene) -> list[Component]:
    """What was installed as a set, and Kubeflow's workloads of others; the ones that are not ready first."""
    names = scene.cluster.get("sets") or {}
    parts: dict[str, list[Mapping[str, Any]]] = {}
    for workload in scene.cluster.get("workloads") or ():
        if workload["set"] in names:
            parts.setdefault(workload["set"], []).append(workload)
        elif _KUBEFLOW in workload["namespace"] or _KUBEFLOW in workload["part_of"]:
            parts[f"{workload['namespace']}/{workload['kind']}/{workload['name']}"] = [workload]
    addresses = _addresses(scene.cluster.get("places") or (), names)
    rows = [
        Component(
            name=names[key].removeprefix(_PREFIX) if key in names else found[0]["name"],
            namespace=", ".join(sorted({part["namespace"] for part in found})),
            ready=sum(part["ready"] for part in found),
            wanted=sum(part["wanted"] for part in found),
            not_ready=[part["name"] for part in found if part["ready"] < part["wanted"]],
            addresses=addresses.get(key, ()),
        )
        for key, found in parts.items()
    ]
    return sorted(rows, key=lambda row: (row.well, row.name, row.namespace))


def _addresses(places: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, list[str]]:
    """Addresses by set; what an Ingress leads to is below that of the component ingress, if it is there."""
    doors = [one["address"] for one in places if "address" in one and names.get(one["set"]) == f"{_PREFIX}ingress"]
    found: dict[str, list[str]] = {}
    for one in places:
        below = [door.rstrip("/") + one["path"] for door in doors[:1]] if "path" in one else [one["address"]]
        found[one["set"]] = sorted({*found.get(one["set"], ()), *below})
    return found


def etcd_size(scene: Scene) -> str:
    """Size of etcd's database, and how much of it is in use."""
    found = scene.master.get("etcd", default={}) if scene.master else {}
    if not found:
        return UNKNOWN
    text = f"{found['size'] / 2**20:.1f} MiB"
    if "in_use" in found:
        text += f" ({found['in_use'] / 2**20:.1f} in use"
        text += f", {found['quota'] / 2**30:.0f} GiB allowed)" if found.get("quota") else ")"
    return text


def last_drill(scene: Scene) -> Mapping[str, Any]:
    """The newest drill that a master knows of; empty without any."""
    return max((pi.get("drill", default={}) for pi in scene.masters), key=lambda found: found.get("at", 0), default={})


def drill(scene: Scene) -> str:
    """When the last drill with a backup was, and how it ended."""
    if not scene.master or not scene.master.read:
        return UNKNOWN
    found = last_drill(scene)
    if not found:
        return "none yet"
    text = f"{when(found['at'])} with {found['backup']}"
    return (
        f"{text}, failed"
        if found["reason"]
        else f"{text}, {counted(found['objects'], 'object')} in {found['seconds']:.0f} s"
    )


def when(seconds: float) -> str:
    """A day, from seconds since 1970."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d")


def headline(scene: Scene, troubles: int) -> str:
    """The whole cluster in one line."""
    well = sum(1 for pi in scene.pis if pi_row(scene, pi).well)
    if scene.answered:
        text = (
            f"Kubernetes {scene.cluster['version']} at {scene.cluster['server']}: "
            f"{well} of {counted(len(scene.pis), 'Pi')} Ready"
            + (f" (--limit leaves out {len(scene.left_out)})" if scene.left_out else "")
        )
    else:
        text = f"The API server does not answer: {scene.cluster.get('said') or 'no reason is known'}"
    return text + (", all is well" if not troubles and scene.answered else "")
