# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""From what is known to what is wrong: all checks, without what only follows from something that is told already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.status import checks_cluster as in_cluster
from ansible_collections.bramble.kube.plugins.module_utils.status import checks_pis as on_pis
from ansible_collections.bramble.kube.plugins.module_utils.status.model import BAD, NOTE, WARN, Finding, Pi, Scene

CHECKS = (*in_cluster.CHECKS, *on_pis.CHECKS)
_ORDER = {BAD: 0, WARN: 1, NOTE: 2}
#: Checks that tell the cause of a node's not being Ready, so that this need not be told as well.
_EXPLAINS_NODE = (
    "access",
    "kubelet",
    "container engine",
    "Pod network",
    "way to the API server",
    "wrong CA",
    "token",
    "certificates",
    "swap",
    "cgroups",
)


def _follows(finding: Finding, found: list[Finding]) -> bool:
    """Whether a finding only follows from another one."""
    causes = {other.check for other in found if other.subject == finding.subject and other.severity == BAD}
    if finding.check == "nodes" and finding.severity == BAD:
        return bool(causes.intersection(_EXPLAINS_NODE))
    return False


def diagnose(scene: Scene) -> list[Finding]:
    """Run every check.

    :returns: what is not well, the worst first.
    """
    found = [
        Finding(said.check, said.level, said.subject, said.sentence, said.remedy)
        for each in CHECKS
        for said in each.said(scene)
    ]
    found = [finding for finding in found if not _follows(finding, found)]
    return sorted(found, key=lambda finding: _ORDER[finding.severity])


def why_not_ready(pi: Pi, node: Mapping[str, Any], problems: Sequence[str], network: str) -> list[str]:
    """Why one node is not Ready, by the checks of the status: what the cluster says first, the likely causes, the log.

    :param node: what the cluster has of it, as cluster_status returns it; empty when that is not known.
    :param problems: what the cluster says against it, in words.
    :param network: the Pod network that the inventory wants (kubeadm_cni).
    """
    # Of the rest of the cluster nothing is known, and the API server has answered somebody.
    nodes = [{**node, "name": pi.node_name}] if node else []
    cluster = {"reachable": True, "version": node.get("kubelet", ""), "nodes": nodes, "pods": []}
    findings = diagnose(Scene([pi], cluster, network=network))
    errors = pi.get("kubelet", "errors", default=[])
    return [
        *(f"The cluster says: {problem}." for problem in problems),
        *(finding.sentence for finding in findings if finding.severity == BAD and finding.check != "nodes"),
        *(["The kubelet's last errors:"] if errors else []),
        *(f"  {error}" for error in errors),
    ]
