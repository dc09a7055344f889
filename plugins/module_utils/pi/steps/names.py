# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that names a machine and lets it know its companions."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.step import file_diff, value_diff
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi import bootfile, names

OPTIONS = {"hostname": {"type": "str", "required": True}, "addresses": {"type": "dict", "default": {}}}

_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")


def problem(hostname: str, addresses: dict) -> str | None:
    """Say what is wrong with the options, None when nothing is."""
    for name in [hostname, *addresses]:
        if len(name) > 64 or not _NAME.fullmatch(name):
            return f"{name!r} cannot be a node's name: use small letters, digits and dashes, such as k8s-node1."
    for name, address in addresses.items():
        try:
            if address:
                ipaddress.ip_address(address)
        except ValueError:
            return f"addresses: {address!r} of {name} is not an IP address, such as 192.168.13.7."
    return None


def wanted_files(system: System, hostname: str, addresses: dict) -> dict[str, str]:
    """What the files should contain, by path."""
    files = {
        "/etc/hostname": hostname + "\n",
        "/etc/hosts": names.hosts_text(system.read("/etc/hosts"), hostname, addresses),
    }
    if system.exists("/etc/cloud/cloud.cfg") or system.exists("/etc/cloud/cloud.cfg.d"):
        files[names.CLOUD_INIT_FILE] = names.CLOUD_INIT_TEXT
        for path in names.USER_DATA_FILES:
            text = system.read(path)
            if text:
                files[path] = names.user_data_text(text)
    return files


def run(system: System, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Set the names."""
    hostname, addresses = options["hostname"], options["addresses"]
    trouble = problem(hostname, addresses)
    if trouble:
        raise Stop(trouble)
    before = os.uname().nodename
    files = wanted_files(system, hostname, addresses)
    different = {path: text for path, text in files.items() if system.read(path) != text}
    diff = [file_diff(system, path, text) for path, text in different.items()]
    if before != hostname:
        diff.append(value_diff("hostname", before, hostname))
    if not check_mode:
        # The addresses first: sudo wants to resolve the machine's name, whenever a cut comes.
        for path in sorted(different, reverse=True):
            if path.startswith("/boot/"):
                bootfile.replace(path, different[path].encode(), bootfile.read(path))
            else:
                place.write(place.Wanted(path, different[path].encode()))
        if before != hostname:
            socket.sethostname(hostname)
    return {"changed": bool(diff), "hostname_before": before, "files": sorted(different), "diff": diff}
