# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Webhook configurations to admissionregistration.k8s.io/v1 (deprecation guide, v1.22): old defaults written out."""

from __future__ import annotations

import copy

_OLD_DEFAULTS = {
    "failurePolicy": "Ignore",
    "matchPolicy": "Exact",
    "timeoutSeconds": 30,
    "admissionReviewVersions": ["v1beta1"],
}


def webhooks(document: dict) -> tuple[dict, list[str]]:
    """Mutating and validating webhook configurations."""
    document = copy.deepcopy(document)
    changes: list[str] = []
    for hook in document.get("webhooks") or []:
        name = hook.get("name", "?")
        effects = hook.get("sideEffects", "Unknown")
        if effects == "Some":
            raise ValueError(
                f"its webhook {name} has sideEffects: Some, which v1 does not allow; make it honour dry-run"
            )
        if effects == "Unknown":
            hook["sideEffects"] = "None"
            changes.append(f"{name}: sideEffects: None, which v1 requires; check that it is true")
        for key, value in _OLD_DEFAULTS.items():
            if hook.get(key) is None:
                hook[key] = value
                shown = ", ".join(value) if isinstance(value, list) else value
                changes.append(f"{name}: {key}: {shown} written out, the default of v1beta1")
    return document, changes
