# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Whether a backup fits a machine, and the numbers that a restored etcd must begin with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.bramble.kube.plugins.module_utils.backup.archive import Description
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.etcd import EtcdPod

#: etcd's own advice for --bump-revision (etcd.io, Disaster recovery): more than was ever written since the snapshot.
LEAST_BUMP = 1_000_000_000


@dataclass(frozen=True)
class Machine:
    """What is on the machine that a backup is to be restored to.

    :ivar node_name: by which the inventory wants it in the cluster.
    :ivar address: which the inventory gives it in the cluster.
    :ivar addresses: which it has.
    :ivar ca: hash of the CA of the cluster that it belongs to; empty when it is in none.
    :ivar server: that cluster's API server.
    :ivar kubelet: release of the kubelet that is installed; empty without one.
    """

    node_name: str
    address: str
    addresses: tuple[str, ...] = ()
    ca: str = ""
    server: str = ""
    kubelet: str = ""


def refusal(backup: Description, machine: Machine) -> str:
    """Why a backup must not be restored to a machine, in a sentence; empty when it may."""
    if machine.address != backup.address or (machine.addresses and backup.address not in machine.addresses):
        has = machine.address if machine.address != backup.address else "another address"
        return (
            f"the backup is of a control plane at {backup.address}, and this machine has {has}: its certificates, the "
            f"kubelets of all nodes and etcd's member know only that address, so give it to this Pi first, or name "
            "with restore_master the master that has it"
        )
    if machine.node_name != backup.node_name:
        return (
            f"the backup is of the node {backup.node_name}, and the inventory calls this machine {machine.node_name}: "
            f"a node's name is in its certificates, so give it the old name"
        )
    if machine.ca and machine.ca != backup.cluster_ca_sha256:
        return (
            f"this machine belongs to another cluster, the one at {machine.server or 'an unknown address'}: if nothing "
            "in it is worth keeping, remove it with reset.yml first"
        )
    if machine.kubelet and machine.kubelet != backup.kubernetes:
        return (
            f"the backup is of Kubernetes {backup.kubernetes}, and {machine.kubelet} is installed here, whose etcd may "
            "not read the data: remove the packages with reset.yml first (the restore installs the right ones), or "
            "restore to a blank card"
        )
    return ""


def first_revision(seen: Iterable[int], elapsed: float = 0) -> int:
    """With which revision a restored etcd must begin, so that every watcher's last one is in the past.

    :param seen: every revision that is known to have been there: the backup's, those of the data on the machine, and
        the first one of an earlier restore, above which fewer than LEAST_BUMP were written.
    :param elapsed: seconds since the backup, in which fewer than a thousand revisions a second were written; clocks may
        be wrong, so it is only added.
    """
    return max(seen) + LEAST_BUMP + max(0, int(elapsed)) * 1000


def restore_arguments(pod: EtcdPod, snapshot: str, data_dir: str, bump_revision: int) -> list[str]:
    """etcdutl's arguments: a member with the name and the address that the static Pod gives it."""
    name = pod.flags["name"]
    peer = pod.flags["initial-advertise-peer-urls"]
    return [
        *("etcdutl", "snapshot", "restore", snapshot),
        f"--data-dir={data_dir}",
        f"--name={name}",
        f"--initial-cluster={name}={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--bump-revision={bump_revision}",
        "--mark-compacted",
    ]
