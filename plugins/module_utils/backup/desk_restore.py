# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that brings the record of a backup back to the loop's desk."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.backup import machine, record
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop, stopping
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.command import ADMIN

OPTIONS = {
    "src": {"type": "path", "required": True},
    "node_name": {"type": "str", "required": True},
    "timeout": {"type": "int", "default": 300},
    "backup": {"type": "dict"},
    "sha256": {"type": "str", "default": ""},
}
#: Where the record waits on the machine, as text for the program in the Pod.
SPOOLED = machine.SPOOL + "/desk"


def bring(system: System, text: str, seconds: float) -> None:
    """Hand a record to the desk's Pod, and start the desk again, which puts it in its place before it answers.

    :param seconds: to wait for a Pod that takes it, and again for the new one.
    :raises RecordError: with the reason.
    """
    deadline = time.monotonic() + seconds
    while True:
        done = record.in_the_desk(system, "bring", text)
        if done.code == 0:
            break
        if done.code == record.REFUSED or "can't open file" in done.errors:
            raise record.RecordError(record.why(done))
        if time.monotonic() >= deadline:
            raise record.RecordError(f"no Pod of the desk takes it within {seconds:.0f} s ({record.why(done)})")
        time.sleep(2)
    for words in (
        ("delete", "pods", "--selector=app=desk", "--wait", f"--timeout={seconds:.0f}s"),
        ("rollout", "status", "deployment/desk", f"--timeout={seconds:.0f}s"),
    ):
        done = record.kubectl(system, *words)
        if done.code:
            raise record.RecordError(f"it is in place, but the desk does not start again: {record.why(done)}")


def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Bring the record that the action plugin of the same name has sent.

    :raises Stop: when there is no desk for it, or with how far it came.
    """
    own = machine.look(system, options["node_name"], "").ca
    if not options["backup"]:  # asked by the action plugin, which looks for a backup of this cluster
        return {"changed": False, "cluster_ca_sha256": own}
    if not options["backup"].get("desk"):
        return {"changed": False}
    with stopping(f"The desk's record in {options['src']} was not restored"):
        if own and own != options["backup"]["cluster_ca_sha256"]:
            raise Stop(f"{options['src']} is of another cluster, and what people said there is about other releases.")
        if check and not system.exists(ADMIN):  # a blank machine, to which a restore brings the rest first
            return {"changed": True}
        if not record.there(system):
            raise Stop(
                f"{options['src']} holds what people said at the loop's desk, and this cluster has no desk and no "
                "volume for it: run playbooks/loop.yml, then restore.yml --tags desk."
            )
        if not check:
            try:
                bring(system, system.text(SPOOLED), options["timeout"])
            finally:
                machine.empty_spool(system)
    return {"changed": True}
