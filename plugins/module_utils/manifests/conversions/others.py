# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Kinds that need a small change each."""

from __future__ import annotations

import copy


def disruption_budget(document: dict) -> tuple[dict, list[str]]:
    """policy/v1beta1: an empty selector meant no Pod, in policy/v1 it means every Pod (deprecation guide, v1.25)."""
    document = copy.deepcopy(document)
    spec = document.get("spec") or {}
    if spec.get("selector") == {}:
        del spec["selector"]
        return document, ["spec.selector {} removed: it meant no Pod, and would mean every Pod"]
    return document, []


def signing_request(document: dict) -> tuple[dict, list[str]]:
    """certificates.k8s.io/v1beta1: signerName and usages became required (deprecation guide, v1.22)."""
    spec = document.get("spec") or {}
    if not spec.get("signerName") or spec.get("signerName") == "kubernetes.io/legacy-unknown":
        raise ValueError("it needs a spec.signerName other than kubernetes.io/legacy-unknown")
    if not spec.get("usages"):
        raise ValueError("it needs spec.usages")
    return copy.deepcopy(document), []


def alpha_binding(document: dict) -> tuple[dict, list[str]]:
    """rbac v1alpha1: subjects named their API version where v1 names the group."""
    document = copy.deepcopy(document)
    changes: list[str] = []
    for subject in document.get("subjects") or []:
        version = subject.pop("apiVersion", None)
        if subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = "rbac.authorization.k8s.io"
            if subject["kind"] == "User" and subject.get("name") == "*":
                subject.update(kind="Group", name="system:authenticated")
                changes.append("the User * is now the Group system:authenticated")
        if version is not None:
            changes.append("subjects[].apiVersion is now apiGroup")
    return document, sorted(set(changes))


def alpha_runtime_class(document: dict) -> tuple[dict, list[str]]:
    """node.k8s.io/v1alpha1: spec.runtimeHandler, overhead and scheduling lie at the top now."""
    document = copy.deepcopy(document)
    spec = document.pop("spec", None) or {}
    if not spec.get("runtimeHandler"):
        raise ValueError("it has no spec.runtimeHandler")
    document["handler"] = spec["runtimeHandler"]
    for key in ("overhead", "scheduling"):
        if key in spec:
            document[key] = spec[key]
    return document, ["spec.runtimeHandler is now handler"]


def priority_level(document: dict) -> tuple[dict, list[str]]:
    """flowcontrol before v1beta3: assuredConcurrencyShares became nominalConcurrencyShares."""
    document = copy.deepcopy(document)
    limited = (document.get("spec") or {}).get("limited") or {}
    if "assuredConcurrencyShares" in limited:
        limited["nominalConcurrencyShares"] = limited.pop("assuredConcurrencyShares")
        return document, ["spec.limited.assuredConcurrencyShares is now nominalConcurrencyShares"]
    return document, []
