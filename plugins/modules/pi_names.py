#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_names
short_description: The name of a machine, and those of its companions
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Sets the hostname, now and for the next boot, and enters all hosts into C(/etc/hosts).
  - Lines of others in C(/etc/hosts) stay, but lose the names of these hosts, so that no stale address wins.
  - Where cloud-init is installed, it is told to leave both alone from now on.
options:
  hostname:
    description: The machine's name.
    type: str
    required: true
  addresses:
    description: Address of each host by its name. An empty address keeps what is there.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Tells what would be changed.
    support: full
  diff_mode:
    description: Shows the files before and after.
    support: full
"""

EXAMPLES = r"""
- name: Name the Pi
  bramble.kube.pi_names:
    hostname: k8s-node1
    addresses:
      k8s-master: 192.168.13.7
      k8s-node1: 192.168.13.8
"""

RETURN = r"""
hostname_before:
  description: The name that the machine went by before.
  returned: always
  type: str
files:
  description: The files that were changed.
  returned: always
  type: list
  elements: str
"""

import ipaddress
import os
import re
import socket

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.files import place
from ansible_collections.bramble.kube.plugins.module_utils.pi import bootfile, names
from ansible_collections.bramble.kube.plugins.module_utils.pi.system import System

_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")


def problem(hostname: str, addresses: dict) -> str | None:
    """Say what is wrong with the options, None when nothing is."""
    for name in [hostname, *addresses]:
        if len(name) > 64 or not _NAME.fullmatch(name):
            return f"{name!r} cannot be a node's name: small letters, digits and dashes are right, such as k8s-node1."
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


def main() -> None:
    """Read the options, set the names, report."""
    module = AnsibleModule(
        argument_spec={
            "hostname": {"type": "str", "required": True},
            "addresses": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    system = System()
    hostname, addresses = module.params["hostname"], module.params["addresses"]
    trouble = problem(hostname, addresses)
    if trouble:
        module.fail_json(msg=trouble)
    before = os.uname().nodename
    files = wanted_files(system, hostname, addresses)
    different = {path: text for path, text in files.items() if system.read(path) != text}
    diff = [
        {"before_header": path, "after_header": path, "before": system.read(path), "after": text}
        for path, text in different.items()
    ]
    if before != hostname:
        diff.append(
            {"before_header": "hostname", "after_header": "hostname", "before": before + "\n", "after": hostname + "\n"}
        )
    if not module.check_mode:
        try:
            # The addresses first: sudo wants to resolve the machine's name, whenever a cut comes.
            for path in sorted(different, reverse=True):
                if path.startswith("/boot/"):
                    bootfile.replace(path, different[path].encode(), bootfile.read(path))
                else:
                    place.write(place.Wanted(path, different[path].encode()))
            if before != hostname:
                socket.sethostname(hostname)
        except OSError as error:
            module.fail_json(msg=f"{error.filename or 'The hostname'} cannot be set: {error.strerror}.")
    module.exit_json(
        changed=bool(different) or before != hostname, hostname_before=before, files=sorted(different), diff=diff
    )


if __name__ == "__main__":
    main()
