# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The one answer to what each host of an inventory is in the cluster: its node's name, address, labels and taints."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any


def _ip(value: Any) -> str:
    try:
        return str(ipaddress.ip_address(str(value).strip()))
    except ValueError:
        return ""


def cluster_nodes(hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What each host is in the cluster.

    The address is the one that the inventory gives for the cluster's traffic (``kubeadm_node_ip``), else the one that
    Ansible reaches, else (when that is a name) the one at which the host was reached, else the one with which it speaks
    to others; "" when none is known, as of a host that this run has not asked.

    :param hosts: inventory names.
    :param hostvars: their variables. Defaults of roles are not among them, so this is where the defaults come from.
    :returns: by inventory name: ``hostname``, ``name`` of the node, ``address``, ``labels``, ``taints`` and
        ``machine_id``, a hash of it ("" when the host was not asked).
    """
    found = {}
    for host in hosts:
        values = hostvars.get(host, {})
        facts = values.get("ansible_facts") or {}
        candidates = (
            values.get("kubeadm_node_ip"),
            values.get("ansible_host", host),
            facts.get("pi_reached_address"),
            facts.get("pi_address"),
        )
        hostname = str(values.get("base_hostname") or host)
        found[host] = {
            "hostname": hostname,
            "name": str(values.get("kubeadm_node_name") or hostname).lower(),
            "address": next(filter(None, map(_ip, candidates)), ""),
            "labels": dict(values.get("kubeadm_node_labels") or {}),
            "taints": list(values.get("kubeadm_node_taints") or ()),
            "machine_id": str(facts.get("pi_machine_id_sha256") or ""),
        }
    return found
