# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Whether nodes are Ready, and if one is not, why, in words for somebody who has never seen a kubelet."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign_values
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System

OPTIONS = {
    "names": {"type": "list", "elements": "str", "required": True},
    "namespaces": {"type": "list", "elements": "str", "default": []},
    "namespaces_on_nodes": {"type": "bool", "default": False},
    "node_info": {"type": "dict", "default": {}},
    "timeout": {"type": "int", "default": 300},
    "kubeconfig": {"type": "path", "default": "/etc/kubernetes/admin.conf"},
}


@dataclass(frozen=True)
class NodeState:
    """One node as the API server has it.

    :ivar problems: conditions that are not as they should be, in words.
    :ivar data: what :func:`node_data` reads of it; empty when the cluster does not know it.
    """

    name: str
    known: bool
    ready: bool
    problems: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


def node_data(item: Mapping[str, Any]) -> dict[str, Any]:
    """What matters of a Node object: addresses, versions, conditions, room."""
    metadata, spec, status = (item.get(part) or {} for part in ("metadata", "spec", "status"))
    info = status.get("nodeInfo") or {}
    prefix = "node-role.kubernetes.io/"
    return {
        "name": metadata["name"],
        "addresses": [a["address"] for a in status.get("addresses") or [] if a.get("type") == "InternalIP"],
        "roles": sorted(label[len(prefix) :] for label in metadata.get("labels") or {} if label.startswith(prefix)),
        "kubelet": info.get("kubeletVersion", "").removeprefix("v"),
        "runtime": info.get("containerRuntimeVersion", ""),
        "system": info.get("operatingSystem", ""),
        "architecture": info.get("architecture", ""),
        "os": info.get("osImage", ""),
        "kernel": info.get("kernelVersion", ""),
        "pod_cidr": spec.get("podCIDR", ""),
        "cordoned": bool(spec.get("unschedulable")),
        "conditions": {
            c["type"]: {"status": c.get("status"), "reason": c.get("reason", ""), "message": c.get("message", "")}
            for c in status.get("conditions") or []
        },
        "pods_allowed": int((status.get("allocatable") or {}).get("pods", 0)),
    }


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
        states.append(NodeState(name, True, ready and not old, tuple(problems + old), node_data(found[name])))
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
        return f"it cannot be scheduled: {scheduled.get('message')}"
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


def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Ask until all are ready or the time is over."""
    names, kubeconfig, start = options["names"], options["kubeconfig"], time.monotonic()
    if check and not system.exists(kubeconfig):
        message = "There is no cluster yet; this would wait for it."
        nothing = {"not_ready": [], "problems": {}, "nodes": {}, "pods": {}}
        return {"changed": False, **nothing, "seconds": 0.0, "msg": message}
    deadline = start + (0 if check else options["timeout"])
    asked = ("--request-timeout", "15s", "get", "nodes,pods", "-A", "-o", "json")
    on = names if options["namespaces_on_nodes"] else None
    states, pods = [], {}
    while True:
        done = system.call(["kubectl", "--kubeconfig", kubeconfig, *asked])
        if done.code == 0:
            states = node_states(done.output, names, options["node_info"])
            pods = pod_troubles(done.output, options["namespaces"], on)
        waiting = [state for state in states if not state.ready]
        if (states and not waiting and not pods) or time.monotonic() >= deadline:
            break
        time.sleep(1)
    if not states:
        reason = (done.errors.strip().splitlines() or ["no answer"])[-1]
        raise Stop(f"The API server cannot be queried about the nodes: {reason}.")
    return {
        "changed": False,
        "not_ready": [state.name for state in waiting],
        "problems": foreign_values({state.name: list(state.problems) for state in waiting}),
        "nodes": foreign_values({state.name: dict(state.data) for state in waiting if state.known}),
        "pods": foreign_values(pods),
        "seconds": round(time.monotonic() - start, 1),
    }
