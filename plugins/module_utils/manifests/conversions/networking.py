# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Ingress and EndpointSlice (deprecation guide, v1.22 and v1.25)."""

from __future__ import annotations

import copy
from typing import Any

_HOST = "kubernetes.io/hostname"
_ZONES = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")


def ingress(document: dict) -> tuple[dict, list[str]]:
    """extensions/v1beta1 and networking.k8s.io/v1beta1 Ingress."""
    document = copy.deepcopy(document)
    changes: list[str] = []
    spec = document.get("spec") or {}
    if "backend" in spec:
        spec["defaultBackend"] = _backend(spec.pop("backend"))
        changes.append("spec.backend is now spec.defaultBackend")
    paths = [path for rule in spec.get("rules") or [] for path in (rule.get("http") or {}).get("paths") or []]
    for path in paths:
        if "backend" in path:
            path["backend"] = _backend(path["backend"])
    if any("pathType" not in path for path in paths):
        for path in paths:
            path.setdefault("pathType", "ImplementationSpecific")
        changes.append("pathType: ImplementationSpecific written out, the default of v1beta1")
    if paths:
        changes.append("backend serviceName and servicePort are now service.name and service.port")
    return document, changes


def _backend(old: dict) -> dict:
    if "serviceName" not in old:
        return old
    port: Any = old.get("servicePort")
    if port is None:
        raise ValueError(f"its backend {old['serviceName']} has no servicePort")
    if isinstance(port, bool) or not isinstance(port, (int, str)):
        raise ValueError(f"the servicePort of its backend {old['serviceName']} is neither a number nor a name")
    number = isinstance(port, int) or (port.isascii() and port.isdigit())
    new = {key: value for key, value in old.items() if key not in ("serviceName", "servicePort")}
    new["service"] = {"name": old["serviceName"], "port": {"number": int(port)} if number else {"name": port}}
    return new


def endpoint_slice(document: dict) -> tuple[dict, list[str]]:
    """discovery.k8s.io/v1beta1 EndpointSlice."""
    document = copy.deepcopy(document)
    changes: list[str] = []
    for endpoint in document.get("endpoints") or []:
        topology = dict(endpoint.pop("topology", None) or {})
        if not topology:
            continue
        node = topology.pop(_HOST, None)
        if node:
            endpoint.setdefault("nodeName", node)
        for key in _ZONES:
            zone = topology.pop(key, None)
            if zone:
                endpoint.setdefault("zone", zone)
        if topology:
            endpoint["deprecatedTopology"] = topology
        changes = ["endpoints[].topology is now nodeName, zone and deprecatedTopology"]
    return document, changes
