# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Runs the programs of the cluster's own etcd image on the machine of the control plane."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import etcd


class EtcdTools:
    """etcdctl and etcdutl, as containers that end with their work.

    :param system: the machine.
    :param pod: the etcd that they belong to.
    """

    def __init__(self, system: System, pod: etcd.EtcdPod) -> None:
        self._system = system
        self.pod = pod
        self._remove_leftovers()

    def _remove_leftovers(self) -> None:
        for command in etcd.leftovers(self._system.call(etcd.LIST_CONTAINERS).output):
            self._system.call(command)

    def call(self, arguments: Sequence[str], mounts: Mapping[str, bool]) -> str:
        """Run one of the programs.

        :returns: what it printed.
        :raises EtcdError: when it fails, with its reason.
        """
        done = self._system.call(etcd.tool_command(self.pod.image, arguments, mounts))
        if done.code:
            why = etcd.reason(done.errors or done.output)
            raise etcd.EtcdError(f"{' '.join(arguments[:3])} of {self.pod.image} failed: {why}")
        return done.output

    def save(self, path: str) -> etcd.Status:
        """Bring a verified snapshot to a path, mode 0600; a cut leaves the file that was there before, or none.

        :raises EtcdError: when etcd does not answer, or the snapshot is not whole.
        """
        there, part = self._system.path(path), path + ".part"
        written = self._system.path(part)
        place.make_folders(there, mode=0o700)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(written)
        try:
            self.call(
                ["etcdctl", "snapshot", "save", part, "--endpoints=" + self.pod.local_endpoint, *self.pod.tls],
                {os.path.dirname(path): True, self.pod.certificates_folder: False},
            )
            os.chmod(written, 0o600)
            status = self.verify(part)
            with open(written, "rb") as file:
                os.fsync(file.fileno())
            os.rename(written, there)
            place.sync_folder(os.path.dirname(there))
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(written)
        return status

    def verify(self, path: str) -> etcd.Status:
        """Compare a snapshot with its checksum, and let etcdutl read all its pages.

        :raises EtcdError: when it is not whole, with what is wrong.
        """
        with open(self._system.path(path), "rb") as file:
            trouble = etcd.checksum_error(file)
        if trouble:
            raise etcd.EtcdError(f"the snapshot fails verification: {trouble}")
        return self.status(path)

    def status(self, path: str) -> etcd.Status:
        """Let etcdutl read all pages of a snapshot, or of the database of an etcd that does not run.

        :raises EtcdError: when it is damaged.
        """
        output = self.call(["etcdutl", "snapshot", "status", path, "--write-out=json"], {os.path.dirname(path): True})
        return etcd.parse_status(output)


def read_pod(system: System) -> etcd.EtcdPod:
    """The etcd of this machine.

    :raises EtcdError: when there is none.
    """
    text = system.text(etcd.MANIFEST)
    if not text:
        raise etcd.EtcdError(
            f"there is no etcd on this machine ({etcd.MANIFEST} is missing), so it is not the control plane"
        )
    return etcd.parse_pod(text)
