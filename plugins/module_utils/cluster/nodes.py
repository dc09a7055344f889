# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether nodes are Ready, and if one is not, why, in words for somebody who has never seen a kubelet."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

#: klog's line head, and the journal's, which tell nothing to a beginner.
_KLOG = re.compile(r"^[EWIF]\d{4} [\d:.]+ +\d+ [\w./-]+:\d+\] ?")


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


def node_states(text: str, names: list[str]) -> list[NodeState]:
    """Read what `kubectl get nodes -o json` printed, for the nodes that should be there.

    :raises ValueError: when it is no JSON.
    """
    found = {item["metadata"]["name"]: item for item in json.loads(text).get("items", [])}
    states = []
    for name in names:
        if name not in found:
            states.append(NodeState(name, False, False, ("the cluster does not know this node",)))
            continue
        conditions = (found[name].get("status") or {}).get("conditions") or []
        ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
        problems = _problems(conditions) or ([] if ready else ["it has not reported its condition yet"])
        states.append(NodeState(name, True, ready, tuple(problems)))
    return states


def last_errors(journal: str, limit: int = 3) -> list[str]:
    """The newest different errors of a kubelet's journal (`journalctl -o cat`), the newest last, without klog's head."""
    seen: list[str] = []
    for line in reversed(journal.splitlines()):
        if not re.match(r"^[EF]\d{4} ", line) and not re.match(r"^(?:Error:|panic:|failed )", line):
            continue
        told = re.sub(r"\b[0-9a-f]{12,}\b", "…", _KLOG.sub("", line)).strip()[:240]
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
            "There is no Pod network on it yet (/etc/cni/net.d is empty): its flannel Pod has not started."
            " 'kubectl get pods -A -o wide' shows it, and 'kubectl describe pod' what it waits for."
        )
    if disk_free_mb is not None and disk_free_mb < 1024:
        told.append(f"Only {disk_free_mb} MB are free on its card.")
    if errors:
        told.append("The kubelet's last errors:")
        told += [f"  {error}" for error in errors]
    return told
