# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that gives a machine whose card was copied from another's SSH host keys and a machine-id of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.step import command
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi.bootfile import Disk
from ansible_collections.bramble.kube.plugins.module_utils.pi.clones import public_keys

OPTIONS = {
    "host_keys": {"type": "str", "choices": ["staged", "active"], "no_log": False},
    "machine_id": {"type": "bool", "default": False},
}
SSH = "/etc/ssh"
STAGE = "/etc/ssh/bramble-kube-new"
#: What ssh-keygen -A makes when there are none.
_USUAL_KINDS = ("ecdsa", "ed25519", "rsa")
MACHINE_ID = "/etc/machine-id"
#: A copy of the machine-id, unless it is a link to it.
MACHINE_ID_OF_DBUS = "/var/lib/dbus/machine-id"


def missing_kinds(in_use: Sequence[str], staged: Sequence[str]) -> list[str]:
    """The kinds of host keys, such as ed25519, that have to be made.

    :param in_use: names of the files in /etc/ssh.
    :param staged: names of the files beside them. ssh-keygen writes the public half last: without it, a cut left the
        key unfinished.
    """
    found = [re.fullmatch(r"ssh_host_(\w+)_key", name) for name in in_use]
    kinds = [match.group(1) for match in found if match] or _USUAL_KINDS
    return [kind for kind in kinds if f"ssh_host_{kind}_key.pub" not in staged]


def _make_keys(system: System, kinds: Sequence[str]) -> None:
    disk, folder = Disk(), system.path(STAGE)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    for kind in kinds:
        path = f"{folder}/ssh_host_{kind}_key"
        disk.remove(path)
        command(system, "ssh-keygen", "-q", "-t", kind, "-N", "", "-C", f"root@{os.uname().nodename}", "-f", path)
    disk.sync_folder(folder)


def _use_keys(system: System, names: Sequence[str]) -> None:
    for name in names:
        os.rename(system.path(f"{STAGE}/{name}"), system.path(f"{SSH}/{name}"))
    Disk().sync_folder(system.path(SSH))
    os.rmdir(system.path(STAGE))
    command(system, "systemctl", "try-reload-or-restart", "ssh.service")


def _make_machine_id(system: System) -> None:
    text = system.read("/proc/sys/kernel/random/uuid").strip().replace("-", "") + "\n"
    system.write(MACHINE_ID, text.encode(), 0o444)
    if system.exists(MACHINE_ID_OF_DBUS) and not os.path.islink(system.path(MACHINE_ID_OF_DBUS)):
        system.write(MACHINE_ID_OF_DBUS, text.encode(), 0o444)


def run(system: System, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Make keys, put them into use, make a machine-id: whatever is asked for."""
    staged = system.names(STAGE)
    make = missing_kinds(system.names(SSH), staged) if options["host_keys"] == "staged" else []
    # Each key's public half before its private one, which is the one that sshd shows.
    use = sorted(staged, reverse=True) if options["host_keys"] == "active" else []
    if not check_mode:
        if make:
            _make_keys(system, make)
        if use:
            _use_keys(system, use)
        if options["machine_id"]:
            _make_machine_id(system)
    return {
        "changed": bool(make or use or options["machine_id"]),
        "public_keys": public_keys(system, STAGE),
        "old_public_keys": public_keys(system, SSH),
        "reboot_required": options["machine_id"],
    }
