# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that says which name servers a Pi asks."""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.step import command, file_diff
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi import network

OPTIONS = {"nameservers": {"type": "list", "elements": "str", "default": []}}
#: Containers are given three at most (resolv.conf(5)).
MOST = 3
_SECONDS = 10


def problem(servers: list[str]) -> str | None:
    """Say what is wrong with the name servers, None when nothing is."""
    for server in servers:
        try:
            ipaddress.ip_address(server)
        except ValueError:
            return f"nameservers: {server!r} is not an IP address, such as 192.168.13.1."
        if network.is_own(server):
            return f"nameservers: {server} is the Pi itself, which containers cannot reach; use the router."
    if len(servers) > MOST:
        return f"nameservers: {len(servers)} are given, but a container uses {MOST} at most."
    return None


def run(system: System, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Have exactly these name servers asked."""
    servers = options["nameservers"]
    trouble = problem(servers)
    if trouble:
        raise Stop(trouble)
    if not servers:
        return {"changed": False, "file": "", "diff": []}
    target = network.resolver(system, servers)
    different = system.read(target.path) != target.text
    asked = network.nameservers(system) == servers
    result = {
        "changed": different or not asked,
        "file": target.path,
        "diff": [file_diff(system, target.path, target.text)] if different else [],
    }
    if check_mode or not result["changed"]:
        return result
    if different:
        mode = os.stat(target.path).st_mode & 0o7777 if os.path.exists(target.path) else 0o644
        place.write(place.Wanted(target.path, target.text.encode(), mode))
    for line in target.reload:
        command(system, *line)
    deadline = time.monotonic() + _SECONDS
    while network.nameservers(system) != servers:
        if time.monotonic() > deadline:
            raise Stop(
                f"{target.path} names the name servers {', '.join(servers)}, but /etc/resolv.conf still has "
                f"{', '.join(network.nameservers(system)) or 'none'}: what else writes it on this machine?"
            )
        time.sleep(0.2)
    return result
