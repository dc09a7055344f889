# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that brings a backup back to the machine of a control plane."""

from __future__ import annotations

import os
import shutil
import tarfile
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.backup import archive, machine, restore
from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop, stopping
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import etcd
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.command import api_trouble
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.etcd_tools import EtcdTools
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.init_rules import RESTORING
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.static_pods import STATIC_PODS

OPTIONS = {
    "src": {"type": "path", "required": True},
    "node_name": {"type": "str", "required": True},
    "address": {"type": "str", "required": True},
    "api_timeout": {"type": "int", "default": 300},
    "backup": {"type": "dict"},
    "sha256": {"type": "str", "default": ""},
    "first_revision": {"type": "int", "default": 0},
}
#: What a restore found, kept until the next one.
ASIDE = "/var/lib/bramble.kube/before-restore"
KUBELET = "/var/lib/kubelet"
#: Where the restored data is made, in the same file system as the data of etcd, so that a rename can put it in place.
_NEW_DATA = ".bramble-restore"


class Restorer:
    """Brings a checked archive back to the machine. Each step can be done again after a cut at any moment.

    :ivar steps: what was done.
    :ivar first_revision: with which the restored etcd begins, once its data is made.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self.steps: list[str] = []
        self.first_revision = 0

    def _must(self, command: list[str], what: str) -> str:
        done = self._system.call(command)
        if done.code:
            raise archive.BackupError(f"{what}: {etcd.reason(done.errors or done.output)}")
        return done.output

    def have_image(self, image: str) -> None:
        """Pull etcd's image, from the mirrors that containerd is told of."""
        images = self._must(["ctr", "--namespace", "k8s.io", "images", "list", "--quiet"], "containerd does not answer")
        if image in images.split():
            return
        self.steps.append(f"pulling {image}")
        self._must(
            ["ctr", "--namespace", "k8s.io", "images", "pull", "--hosts-dir", "/etc/containerd/certs.d", image],
            f"the image {image} cannot be pulled",
        )

    def stop(self, seconds: float = 60) -> None:
        """Stop the kubelet, and then what it would start again. Containers of everybody else go on."""
        self._system.call(["systemctl", "stop", "kubelet"])
        deadline = time.monotonic() + seconds
        while True:
            running = self._control_plane_tasks()
            if not running:
                return
            if time.monotonic() > deadline:
                raise archive.BackupError(f"the control plane's containers do not stop: {', '.join(running)}")
            for name in running:
                self._system.call(["ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", name])
            time.sleep(0.5)

    def _control_plane_tasks(self) -> list[str]:
        """Ids of the running containers of the control plane's static Pods."""
        names = "|".join(STATIC_PODS)
        listed = self._must(
            [
                *("ctr", "--namespace", "k8s.io", "containers", "list", "--quiet"),
                'labels."io.kubernetes.pod.namespace"==kube-system,'
                f'labels."io.kubernetes.container.name"~="^({names})$"',
            ],
            "containerd does not answer",
        ).split()
        tasks = self._must(["ctr", "--namespace", "k8s.io", "tasks", "list"], "containerd does not answer")
        running = {line.split()[0] for line in tasks.splitlines()[1:] if line.split()[2:] == ["RUNNING"]}
        return [name for name in listed if name in running]

    def put_data(self, pod: etcd.EtcdPod, snapshot: str, least: int) -> None:
        """Make etcd's data from the snapshot, and put it in the place of what is there, which is kept aside.

        :param least: the first revision, at least.
        """
        made = f"{pod.data_dir}/{_NEW_DATA}"
        data, new = self._system.path(pod.data_dir), self._system.path(made)
        os.makedirs(data, 0o700, exist_ok=True)
        os.chmod(data, 0o700)
        shutil.rmtree(new, ignore_errors=True)
        tools = EtcdTools(self._system, pod)
        revision = tools.verify(snapshot).revision
        first = max(least, restore.first_revision([revision, *self._revisions_here(tools)]))
        self.steps.append(f"etcd's data begins at revision {first}")
        tools.call(
            restore.restore_arguments(pod, snapshot, made, first - revision),
            {pod.data_dir: True, os.path.dirname(snapshot): True},
        )
        self.first_revision = first
        member = os.path.join(data, "member")
        if os.path.isdir(member):
            old = os.path.join(data, "before-restore")
            shutil.rmtree(old, ignore_errors=True)
            os.mkdir(old, 0o700)
            os.rename(member, os.path.join(old, "member"))
        os.rename(os.path.join(new, "member"), member)
        place.sync_folder(data)
        shutil.rmtree(new, ignore_errors=True)

    def _revisions_here(self, tools: EtcdTools) -> Iterator[int]:
        """The last revisions of etcd's data on this machine: the present one, and what a restore has kept aside."""
        for folder in ("member", "before-restore/member"):
            database = f"{tools.pod.data_dir}/{folder}/snap/db"
            if self._system.exists(database):
                try:
                    yield tools.status(database).revision
                except etcd.EtcdError as error:  # a card that fails is a reason for restoring
                    self.steps.append(f"the data of etcd in {folder} cannot be read: {error}")

    def put_files(self, packed: tarfile.TarFile) -> None:
        """Put the saved files in place of what is there, which is kept aside."""
        here, aside = self._system.path(machine.KUBERNETES), self._system.path(ASIDE)
        kubelet, new, old = self._system.path(KUBELET), here + ".bramble-restore", aside + "/kubernetes"
        shutil.rmtree(new, ignore_errors=True)
        archive.unpack_files(packed, machine.KUBERNETES, new)
        os.chmod(new, 0o755)
        os.makedirs(aside, 0o700, exist_ok=True)
        if os.path.isdir(here):
            if os.path.islink(old):  # /etc/kubernetes was one
                os.unlink(old)
            shutil.rmtree(old, ignore_errors=True)
            shutil.move(here, old)
        os.rename(new, here)
        place.sync_folder(os.path.dirname(here))
        for name in ("config.yaml", "instance-config.yaml", "kubeadm-flags.env"):
            if archive.FILES + f"{KUBELET}/{name}" in packed.getnames():
                archive.unpack_file(packed, archive.FILES + f"{KUBELET}/{name}", f"{kubelet}/{name}")
                os.chmod(f"{kubelet}/{name}", 0o644)
        # A kubelet that was here all the time has newer certificates than the backup.
        if not os.path.exists(kubelet + "/pki/kubelet-client-current.pem"):
            archive.unpack_files(packed, KUBELET + "/pki", kubelet + "/pki")

    def start(self, seconds: float) -> None:
        """Start the kubelet, and wait until the API server says that it is ready."""
        self._must(["systemctl", "enable", "--now", "kubelet"], "the kubelet does not start")
        trouble = api_trouble(self._system, seconds)
        if trouble:
            raise archive.BackupError(
                f"everything is restored, but the API server is not ready within {seconds:.0f} s "
                f"({etcd.reason(trouble)}): 'journalctl -u kubelet -n 50' on it shows more"
            )

    def restore(self, path: str, sha256: str, least: int, seconds: float) -> archive.Description:
        """All steps.

        :param path: of the archive.
        :param sha256: of the archive, as it was sent.
        :param least: etcd's first revision, at least.
        :param seconds: to wait for the API server.
        :raises BackupError, EtcdError: with the reason.
        """
        with open(self._system.path(path), "rb") as file:
            description = machine.check_sent(file, sha256)
            with tarfile.open(fileobj=file, mode="r:gz") as packed:
                snapshot = f"{os.path.dirname(path)}/{archive.SNAPSHOT}"
                archive.unpack_file(packed, archive.SNAPSHOT, self._system.path(snapshot))
                manifest = packed.extractfile(archive.FILES + etcd.MANIFEST).read().decode()
                pod = etcd.parse_pod(manifest)
                self.have_image(pod.image)
                self._system.write(RESTORING, b"restore.yml has not finished here\n", 0o600)
                self.stop()
                self.put_data(pod, snapshot, least)
                self.put_files(packed)
        self.start(seconds)
        self._system.write(RESTORING, None)
        machine.empty_spool(self._system)
        return description


def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Restore the archive that the action plugin of the same name has brought.

    :raises Stop: when it does not fit the machine, or with how far it came.
    """
    src, node_name, address = (options[name] for name in ("src", "node_name", "address"))
    restorer = Restorer(system)
    result: dict[str, Any] = {"steps": restorer.steps}
    with stopping(f"The restore of {src} stopped", result):
        if not options["backup"]:  # asked by the action plugin, which looks for a backup of this cluster
            return {"changed": False, "cluster_ca_sha256": machine.look(system, node_name, address).ca}
        description = archive.Description(**options["backup"])
        addresses = machine.own_addresses((address, description.address))
        trouble = restore.refusal(description, machine.look(system, node_name, address, addresses))
        if trouble:
            raise Stop(f"{src} is not restored: {trouble}.")
        if not check:
            try:
                restorer.restore(machine.ARCHIVE, options["sha256"], options["first_revision"], options["api_timeout"])
            finally:
                if restorer.first_revision:
                    result["revision"] = restorer.first_revision
    return {"changed": True, **result}
