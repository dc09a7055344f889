# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Workloads to apps/v1: the selector is required and fixed, some defaults changed (deprecation guide, v1.16)."""

from __future__ import annotations

import copy
from typing import Any

#: Fields of a Pod's securityContext that people wrote into a container's: old servers ignored them there in silence,
#: today's refuse to apply them.
_OF_PODS_ALONE = ("fsGroup", "supplementalGroups", "sysctls")


def _with_selector(document: dict) -> tuple[dict, list[str], dict[str, Any]]:
    """A copy with the selector that the old versions took from the template's labels."""
    document = copy.deepcopy(document)
    spec = document.setdefault("spec", {})
    changes: list[str] = []
    if not spec.get("selector"):
        labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
        if not labels:
            raise ValueError("it has neither a selector nor labels in its template")
        spec["selector"] = {"matchLabels": dict(labels)}
        changes.append("spec.selector filled in from the template's labels")
    pod = (spec.get("template") or {}).get("spec") or {}
    for container in [*(pod.get("initContainers") or []), *(pod.get("containers") or [])]:
        context = container.get("securityContext") or {}
        for field in _OF_PODS_ALONE:
            if context.pop(field, None) is not None:
                changes.append(f"securityContext.{field} of container {container.get('name')} left out: a Pod's alone")
    return document, changes, spec


def deployment(document: dict) -> tuple[dict, list[str]]:
    """extensions/v1beta1, apps/v1beta1 and v1beta2 Deployments."""
    version = document["apiVersion"]
    document, changes, spec = _with_selector(document)
    if spec.pop("rollbackTo", None) is not None:
        changes.append("spec.rollbackTo removed: it was an order, not a state")
    if version == "extensions/v1beta1" and "progressDeadlineSeconds" not in spec:
        changes.append("spec.progressDeadlineSeconds is now 600 by default, before there was none")
    if version == "extensions/v1beta1" and not (spec.get("strategy") or {}).get("rollingUpdate"):
        changes.append("spec.strategy.rollingUpdate is now 25% by default, before it was 1")
    return document, changes


def replica_set(document: dict) -> tuple[dict, list[str]]:
    """extensions/v1beta1 and apps/v1beta2 ReplicaSets."""
    document, changes, _spec = _with_selector(document)
    return document, changes


def daemon_set(document: dict) -> tuple[dict, list[str]]:
    """extensions/v1beta1 and apps/v1beta2 DaemonSets; the old default of the update strategy is written out."""
    version = document["apiVersion"]
    document, changes, spec = _with_selector(document)
    if spec.pop("templateGeneration", None) is not None:
        changes.append("spec.templateGeneration removed: the controller keeps it")
    if version == "extensions/v1beta1" and not (spec.get("updateStrategy") or {}).get("type"):
        spec["updateStrategy"] = {**(spec.get("updateStrategy") or {}), "type": "OnDelete"}
        changes.append("spec.updateStrategy.type: OnDelete written out, the default of extensions/v1beta1")
    return document, changes


def stateful_set(document: dict) -> tuple[dict, list[str]]:
    """apps/v1beta1 and v1beta2 StatefulSets; the old default of the update strategy is written out."""
    version = document["apiVersion"]
    document, changes, spec = _with_selector(document)
    if version == "apps/v1beta1" and not (spec.get("updateStrategy") or {}).get("type"):
        spec["updateStrategy"] = {**(spec.get("updateStrategy") or {}), "type": "OnDelete"}
        changes.append("spec.updateStrategy.type: OnDelete written out, the default of apps/v1beta1")
    return document, changes
