# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The machine of a control plane, as a backup finds it."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import socket
from typing import BinaryIO

from ansible_collections.bramble.kube.plugins.module_utils.backup import archive, restore
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.ca import CertificateError, ca_cert_hashes
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.command import ADMIN
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import KubeconfigError, parse_kubeconfig
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubelet import CLUSTER_CA, KUBELET_CONF

#: What passes between laptop and machine lies here for a moment, readable by root alone.
SPOOL = "/var/lib/bramble.kube/backup"
ARCHIVE = SPOOL + "/archive.tar.gz"
KUBERNETES = "/etc/kubernetes"


def empty_spool(system: System) -> None:
    """Take away what an earlier run, cut short, has left in the spool."""
    shutil.rmtree(system.path(SPOOL), ignore_errors=True)


def sha256_of(file: BinaryIO) -> str:
    """Hash of what there is still to read of a file."""
    digest = hashlib.sha256()
    for part in iter(lambda: file.read(1 << 20), b""):
        digest.update(part)
    return digest.hexdigest()


def look(system: System, node_name: str, address: str, addresses: tuple[str, ...] = ()) -> restore.Machine:
    """What is on this machine; see :class:`restore.Machine`."""
    ca, server = "", ""
    for path in (ADMIN, KUBELET_CONF):
        with contextlib.suppress(KubeconfigError, CertificateError):
            cluster = parse_kubeconfig(system.text(path))
            server = cluster.server
            ca = ca_cert_hashes(cluster.ca_pem or system.text(cluster.ca_file))[0]
            break
    if not ca:
        with contextlib.suppress(CertificateError):
            ca = ca_cert_hashes(system.text(CLUSTER_CA))[0]
    done = system.call(["dpkg-query", "--show", "--showformat=${Version} ${db:Status-Status}", "kubelet"])
    version, _space, state = done.output.strip().partition(" ")
    kubelet = version.partition("-")[0] if done.code == 0 and state == "installed" else ""
    return restore.Machine(node_name, address, addresses, ca, server, kubelet)


def own_addresses(candidates: tuple[str, ...]) -> tuple[str, ...]:
    """Those of some addresses that this machine has; all of them when it cannot tell."""
    found = []
    for address in candidates:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
            found.append(address)
    return tuple(found)


def check_sent(file: BinaryIO, sha256: str) -> archive.Description:
    """Verify an archive that the laptop has sent, byte for byte, and that it can be restored; then go to its beginning.

    :raises BackupError: when it is damaged, with what is wrong.
    """
    if sha256_of(file) != sha256:
        raise archive.BackupError("the backup did not arrive whole on the Pi; run the playbook again")
    file.seek(0)
    description = archive.check(file)
    file.seek(0)
    return description
