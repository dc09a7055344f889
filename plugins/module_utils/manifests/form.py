# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Whether the parts of an object have the form that its conversion reads: a mapping, or a list of mappings."""

from __future__ import annotations

from typing import Any

from .load import what

_MAPPINGS = frozenset(
    [
        *("spec", "template", "jobTemplate", "selector", "matchLabels", "strategy", "updateStrategy", "rollingUpdate"),
        *("securityContext", "backend", "defaultBackend", "http", "topology", "overhead", "scheduling", "limited"),
        *("resource", "containerResource", "pods", "object", "external", "target", "names", "validation", "schema"),
        *("subresources", "conversion", "webhookClientConfig", "clientConfig", "rollbackTo"),
    ]
)
_LISTS = frozenset(
    [
        *("containers", "initContainers", "rules", "paths", "webhooks", "metrics", "subjects", "endpoints", "versions"),
        *("additionalPrinterColumns",),
    ]
)
_TEXTS = frozenset(["spec.conversion.strategy"])
_FREE = frozenset(["openAPIV3Schema", "metadata", "annotations", "labels"])  # names inside are the user's own


def fault(document: dict) -> str:
    """The first part of another form, as ``spec.rules is a text, where a list belongs``; empty when there is none."""
    return _fault(document, "")


def _fault(value: Any, path: str) -> str:
    if isinstance(value, list):
        return next(filter(None, (_fault(entry, f"{path}[{number}]") for number, entry in enumerate(value))), "")
    if not isinstance(value, dict):
        return ""
    for key, entry in value.items():
        where = f"{path}.{key}" if path else str(key)
        if key in _MAPPINGS and not isinstance(entry, dict) and where not in _TEXTS:
            return f"{where} is {what(entry)}, where a mapping belongs"
        if key in _LISTS and not isinstance(entry, list):
            return f"{where} is {what(entry)}, where a list belongs"
        if key in _LISTS:
            for number, part in enumerate(entry):
                if not isinstance(part, dict):
                    return f"{where}[{number}] is {what(part)}, where a mapping belongs"
        inside = "" if key in _FREE else _fault(entry, where)
        if inside:
            return inside
    return ""
