# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The addresses by which the hosts of an inventory know each other."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any


def _ip(value: Any) -> str:
    try:
        return str(ipaddress.ip_address(str(value).strip()))
    except ValueError:
        return ""


def host_addresses(hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Find each host's name and address.

    The address for the cluster's traffic counts, else the one that Ansible reaches, else (when that is a name) the one
    that the host itself uses; "" when none is known, as of a host that this run does not ask.

    :param hosts: inventory names.
    :param hostvars: their variables.
    :returns: address by hostname.
    """
    found = {}
    for host in hosts:
        values = hostvars.get(host, {})
        candidates = (
            values.get("kubeadm_node_ip"),
            values.get("ansible_host", host),
            (values.get("ansible_facts") or {}).get("pi_address"),
        )
        found[str(values.get("base_hostname") or host)] = next(filter(None, map(_ip, candidates)), "")
    return found
