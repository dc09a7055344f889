# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Whether nodes are Ready, and if one is not, why, in words for somebody who has never seen a kubelet."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

#: klog's line head, and the journal's, which tell nothing to a beginner.
_KLOG = re.compile(r"^[EWIF]\d{4} [\d:.]+ +\d+ [\w./-]+:\d+\] ?")

#: What containerd says, by way of the kubelet, until it has read a configuration of a Pod network. It reads when a file
#: is written or removed in the folder, and not when one is moved there (internal/cri/server/cni_conf_syncer.go).
CNI_NOT_READ = "cni plugin not initialized"


@dataclass(frozen=True)
class NodeState:
    """One node as the API server has it.

    :ivar problems: conditions that are not as they should be, in words.
    """

    name: str
    known: bool
    ready: bool
    problems: tuple[str, ...] = ()


def _problems(conditions: list[dict]) -> list[str]:
    """Ready that is not True, and pressures that are not False."""
    told = []
    for condition in conditions:
        name, status = condition.get("type"), condition.get("status")
        wanted = "True" if name == "Ready" else "False"
        if status != wanted:
            message = (condition.get("message") or condition.get("reason") or "").strip().rstrip(".")
            told.append(f"{name} is {status}: {message}")
    return told


def node_states(text: str, names: list[str], node_info: Mapping[str, str] | None = None) -> list[NodeState]:
    """Read what `kubectl get nodes,pods -A -o json` printed, for the nodes that should be there.

    :param node_info: fields of status.nodeInfo that they have to report.
    :raises ValueError: when it is no JSON.
    """
    items = json.loads(text).get("items", [])
    found = {item["metadata"]["name"]: item for item in items if item.get("kind") == "Node"}
    states = []
    for name in names:
        if name not in found:
            states.append(NodeState(name, False, False, ("the cluster does not know this node",)))
            continue
        conditions = (found[name].get("status") or {}).get("conditions") or []
        ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
        problems = _problems(conditions) or ([] if ready else ["it has not reported its condition yet"])
        reported = (found[name].get("status") or {}).get("nodeInfo") or {}
        old = [
            f"it still reports {key} {reported.get(key)}, not {value}"
            for key, value in (node_info or {}).items()
            if reported.get(key) != value
        ]
        states.append(NodeState(name, True, ready and not old, tuple(problems + old)))
    return states


def pod_trouble(pod: dict) -> str:
    """What a Pod that is not Ready waits for, in its own words; empty for one that is Ready or has done its work."""
    status = pod.get("status") or {}
    conditions = {c.get("type"): c for c in status.get("conditions") or []}
    if status.get("phase") == "Succeeded" or conditions.get("Ready", {}).get("status") == "True":
        return ""
    for entry in (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or []):
        waiting = (entry.get("state") or {}).get("waiting") or {}
        if waiting.get("message"):
            return f"{waiting.get('reason')}: {waiting['message']}"
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return f"it finds no node: {scheduled.get('message')}"
    reasons = [
        (entry.get("state") or {}).get("waiting", {}).get("reason") for entry in status.get("containerStatuses") or []
    ]
    return next((reason for reason in reasons if reason), "it is not ready yet")


def pod_troubles(text: str, namespaces: list[str], on: list[str] | None = None) -> dict[str, str]:
    """Read what `kubectl get nodes,pods -A -o json` printed: Pods of these namespaces that are not Ready.

    :param on: the nodes whose Pods count; None for all.
    :returns: "namespace/name" → reason.
    :raises ValueError: when it is no JSON.
    """
    troubles = {}
    for item in json.loads(text).get("items", []):
        metadata = item.get("metadata") or {}
        if (
            item.get("kind") != "Pod"
            or metadata.get("namespace") not in namespaces
            or metadata.get("deletionTimestamp")
            or (on is not None and (item.get("spec") or {}).get("nodeName") not in on)
        ):
            continue
        trouble = pod_trouble(item)
        if trouble:
            troubles[f"{metadata['namespace']}/{metadata['name']}"] = trouble[:300]
    return troubles


def _shortened(told: str, most: int = 240) -> str:
    """Without its middle when it is long: errors are told from the outside in, so the cause stands at the end."""
    return told if len(told) <= most else f"{told[:100]} … {told[103 - most :]}"


def last_errors(journal: str, limit: int = 3) -> list[str]:
    """The newest different errors of a kubelet's journal (`journalctl -o cat`), oldest first, without klog's head."""
    seen: list[str] = []
    for line in reversed(journal.splitlines()):
        if not re.match(r"^[EF]\d{4} ", line) and not re.match(r"^(?:Error:|panic:|failed )", line):
            continue
        told = re.sub(r' podUID="[^"]*"', "", _KLOG.sub("", line))
        told = _shortened(re.sub(r"\b[0-9a-f]{12,}\b", "…", told).strip())
        if told and told not in seen:
            seen.append(told)
        if len(seen) == limit:
            break
    return seen[::-1]


def explain(
    problems: list[str], services: dict[str, str], cni: list[str], errors: list[str], disk_free_mb: int | None = None
) -> list[str]:
    """A few lines about one node that is not Ready, the likely cause first.

    :param problems: of its :class:`NodeState`.
    :param services: name → systemd's state, as in "active".
    :param cni: configuration files of the Pod network on the node.
    :param errors: the kubelet's last errors.
    """
    told = [f"The cluster says: {problem}." for problem in problems]
    for name, state in services.items():
        if state != "active":
            told.append(f"The service {name} is {state}, not active: 'systemctl status {name}' on this Pi tells why.")
    if not cni:
        told.append(
            "There is no Pod network on it yet (/etc/cni/net.d is empty): the Pod that brings it has not started."
            " 'kubectl get pods -A -o wide' shows it, and 'kubectl describe pod' what it waits for."
        )
    elif any(CNI_NOT_READ in problem for problem in problems):
        told.append(
            f"Its Pod network is set up ({cni[0]}), but containerd has not read that: it overlooks a file that was"
            " moved or restored there. 'sudo systemctl restart containerd' on this Pi, which stops no container, helps."
        )
    if disk_free_mb is not None and disk_free_mb < 1024:
        told.append(f"Only {disk_free_mb} MB are free on its card.")
    if errors:
        told.append("The kubelet's last errors:")
        told += [f"  {error}" for error in errors]
    return told
