# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that packs a backup of the machine of a control plane; the action plugin brings it to the laptop."""

from __future__ import annotations

import mmap
import os
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.backup import archive, machine, record, restore
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import stopping
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import etcd
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.ca import CertificateError
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.command import ADMIN
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.etcd_tools import EtcdTools, read_pod
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import KubeconfigError, identity
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.static_pods import API_SERVER

OPTIONS = {
    "dest": {"type": "path", "required": True},
    "keep": {"type": "int", "default": 7},
    "node_name": {"type": "str", "default": ""},
    "address": {"type": "str", "default": ""},
    "created": {"type": "int"},
}


@dataclass(frozen=True)
class Packed:
    """A backup that waits on the machine to be fetched.

    :ivar without_desk: why the record of the loop's desk is not in it; empty when it is, or when there is none.
    """

    path: str
    sha256: str
    description: archive.Description
    without_desk: str = ""


def release_of(manifest: str) -> str:
    """The release of an API server's static Pod, as in "1.37.2"; empty when it cannot be told."""
    found = re.search(r"image:\s*[\"']?[^\s\"']*/kube-apiserver(?:-\w+)?:v([0-9][^\s\"'@]*)", manifest)
    return found.group(1) if found else ""


def describe(system: System, pod: etcd.EtcdPod, status: etcd.Status, created: int) -> archive.Description:
    """What a backup taken on this machine now is of.

    :param created: now, by the laptop's clock.
    :raises BackupError: when the machine's control plane is not as kubeadm makes it.
    """
    release = release_of(system.text(API_SERVER))
    name, address = archive.etcd_member(pod)
    try:
        server, ca = identity(system, ADMIN)
    except (KubeconfigError, CertificateError) as error:
        raise archive.BackupError(f"{ADMIN} is not a usable kubeconfig: {error}") from None
    if not release:
        raise archive.BackupError(f"{API_SERVER} names no release, as kubeadm writes it")
    return archive.Description(
        created=created,
        node_name=name,
        address=address,
        server=server,
        kubernetes=release,
        etcd_image=pod.image,
        cluster_ca_sha256=ca,
        revision=status.revision,
        key_count=status.key_count,
    )


def back_up(system: System, created: int, node_name: str = "", address: str = "") -> Packed:
    """Save etcd, and pack it with the machine's files into the spool.

    :param created: now, by the laptop's clock.
    :param node_name: by which the inventory wants the node in the cluster, and which a restore will ask for.
    :param address: which the inventory gives it, likewise.
    :raises EtcdError, BackupError: with the reason.
    """
    pod = read_pod(system)
    files = archive.saved_files(system.root)
    machine.empty_spool(system)
    desk, without = b"", ""
    try:  # before etcd's snapshot, so that nothing is said in it of a release that is not there
        desk = record.copied(system)
    except record.RecordError as error:
        without = str(error)
    snapshot = f"{machine.SPOOL}/{archive.SNAPSHOT}"
    status = EtcdTools(system, pod).save(snapshot)
    if without and not _has_desk(system.path(snapshot)):
        without = ""
    description = describe(system, pod, status, created)
    if desk:
        description = replace(description, desk=record.contents(desk))
    inventory = restore.Machine(node_name or description.node_name, address or description.address)
    trouble = restore.refusal(description, inventory)
    if trouble:
        raise archive.BackupError(f"it could not be restored, since {trouble}")
    packed = system.path(machine.ARCHIVE)
    with open(packed, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        archive.pack(file, description, system.path(snapshot), files, desk)
    os.unlink(system.path(snapshot))
    with open(packed, "rb") as file:
        return Packed(machine.ARCHIVE, machine.sha256_of(file), description, without)


def _has_desk(snapshot: str) -> bool:
    """Whether the loop's desk is in a snapshot of etcd, or was deleted a few minutes ago."""
    with open(snapshot, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(record.KEY) >= 0


def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Pack the backup, or in check mode only see that there is something to pack."""
    with stopping("No backup was made"):
        if check:
            read_pod(system)
            archive.saved_files(system.root)
            return {"changed": True}
        created = options["created"] or int(time.time())
        packed = back_up(system, created, options["node_name"], options["address"])
    return {
        "changed": True,
        "spool": packed.path,
        "sha256": packed.sha256,
        "backup": asdict(packed.description),
        "without_desk": packed.without_desk,
    }
