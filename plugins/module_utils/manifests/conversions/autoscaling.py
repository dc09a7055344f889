# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""HorizontalPodAutoscalers of autoscaling/v2beta1 (deprecation guide, v1.25; pkg/apis/autoscaling/v2beta1)."""

from __future__ import annotations

import copy
from typing import Any


def from_v2beta1(document: dict) -> tuple[dict, list[str]]:
    """Metrics with target fields become metrics with a target each."""
    document = copy.deepcopy(document)
    spec = document.get("spec") or {}
    metrics = spec.get("metrics") or []
    if metrics:
        spec["metrics"] = [_metric(metric) for metric in metrics]
    return document, ["spec.metrics rewritten to metric and target"] if metrics else []


def _metric(metric: dict) -> dict:
    kind = metric.get("type")
    if kind in ("Resource", "ContainerResource"):
        section = kind[0].lower() + kind[1:]
        old = metric[section]
        new = {key: old[key] for key in ("name", "container") if key in old}
        new["target"] = _target(old)
    elif kind == "Pods":
        section, old = "pods", metric["pods"]
        new = {"metric": _identifier(old, "selector"), "target": _target(old)}
    elif kind == "Object":
        section, old = "object", metric["object"]
        new = {"describedObject": old["target"], "metric": _identifier(old, "selector"), "target": _target(old)}
    elif kind == "External":
        section, old = "external", metric["external"]
        new = {"metric": _identifier(old, "metricSelector"), "target": _target(old)}
    else:
        raise ValueError(f"it has a metric of the unknown type {kind}")
    return {"type": kind, section: new}


def _identifier(old: dict, selector: str) -> dict:
    found = {"name": old["metricName"]}
    if old.get(selector):
        found["selector"] = old[selector]
    return found


def _target(old: dict) -> dict[str, Any]:
    if old.get("targetAverageUtilization") is not None:
        return {"type": "Utilization", "averageUtilization": old["targetAverageUtilization"]}
    for key in ("targetAverageValue", "averageValue"):
        if old.get(key) is not None:
            return {"type": "AverageValue", "averageValue": old[key]}
    if old.get("targetValue") is not None:
        return {"type": "Value", "value": old["targetValue"]}
    raise ValueError("it has a metric without a target")
