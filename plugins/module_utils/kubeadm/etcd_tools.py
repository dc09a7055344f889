# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Runs the programs of the cluster's own etcd image on the machine of the control plane."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import etcd

#: Runs a command: exit code, output, errors (AnsibleModule.run_command).
Run = Callable[[list[str]], tuple[int, str, str]]


class EtcdTools:
    """etcdctl and etcdutl, as containers that end with their work.

    :param run: runs a command.
    :param pod: the etcd that they belong to.
    """

    def __init__(self, run: Run, pod: etcd.EtcdPod) -> None:
        self._run = run
        self.pod = pod
        self._remove_leftovers()

    def _remove_leftovers(self) -> None:
        _code, listed, _error = self._run(etcd.LIST_CONTAINERS)
        for command in etcd.leftovers(listed):
            self._run(command)

    def call(self, arguments: Sequence[str], mounts: Mapping[str, bool]) -> str:
        """Run one of the programs.

        :returns: what it printed.
        :raises EtcdError: when it fails, with its reason.
        """
        code, output, error = self._run(etcd.tool_command(self.pod.image, arguments, mounts))
        if code:
            raise etcd.EtcdError(
                f"{' '.join(arguments[:3])} of {self.pod.image} failed: {etcd.reason(error or output)}"
            )
        return output

    def save(self, path: str) -> etcd.Status:
        """Bring a verified snapshot to a path, mode 0600; a cut leaves the file that was there before, or none.

        :raises EtcdError: when etcd does not answer, or the snapshot is not whole.
        """
        folder = os.path.dirname(path)
        place.make_folders(path, mode=0o700)
        part = path + ".part"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        try:
            self.call(
                ["etcdctl", "snapshot", "save", part, "--endpoints=" + self.pod.local_endpoint, *self.pod.tls],
                {folder: True, self.pod.certificates_folder: False},
            )
            os.chmod(part, 0o600)
            status = self.verify(part)
            with open(part, "rb") as file:
                os.fsync(file.fileno())
            os.rename(part, path)
            place.sync_folder(folder)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part)
        return status

    def verify(self, path: str) -> etcd.Status:
        """Compare a snapshot with its checksum, and let etcdutl read all its pages.

        :raises EtcdError: when it is not whole, with what is wrong.
        """
        with open(path, "rb") as file:
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


def read_pod(manifest: str = etcd.MANIFEST) -> etcd.EtcdPod:
    """The etcd of this machine.

    :raises EtcdError: when there is none.
    """
    text = place.read(manifest)
    if not text:
        raise etcd.EtcdError(
            f"there is no etcd on this machine ({manifest} is missing), so it is not the control plane"
        )
    return etcd.parse_pod(text.decode("utf-8", "replace"))
