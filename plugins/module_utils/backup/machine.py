# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Takes a backup of the machine of a control plane, and brings one back to it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import socket
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ansible_collections.bramble.kube.plugins.module_utils.backup import archive, restore
from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import etcd
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.ca import CertificateError, ca_cert_hashes
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.etcd_tools import EtcdTools, Run, read_pod
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import KubeconfigError, parse_kubeconfig

#: What passes between laptop and machine lies here for a moment, readable by root alone.
SPOOL = "/var/lib/bramble.kube/backup"
ARCHIVE = SPOOL + "/archive.tar.gz"
#: What a restore found, kept until the next one.
ASIDE = "/var/lib/bramble.kube/before-restore"
#: There while a restore is at work, and when one was cut short.
RESTORING = "/var/lib/bramble.kube/restoring"
KUBERNETES = "/etc/kubernetes"
API_SERVER = KUBERNETES + "/manifests/kube-apiserver.yaml"
ADMIN = KUBERNETES + "/admin.conf"
KUBELET = "/var/lib/kubelet"
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
#: Where the restored data is made, in the same file system as the data of etcd, so that a rename can put it in place.
_NEW_DATA = ".bramble-restore"


@dataclass(frozen=True)
class Packed:
    """A backup that waits on the machine to be fetched."""

    path: str
    sha256: str
    size: int
    description: archive.Description


def _text(path: str) -> str:
    return (place.read(path) or b"").decode("utf-8", "replace")


def release_of(manifest: str) -> str:
    """The release of an API server's static Pod, as in "1.37.2"; empty when it cannot be told."""
    found = re.search(r"image:\s*[\"']?[^\s\"']*/kube-apiserver(?:-\w+)?:v([0-9][^\s\"'@]*)", manifest)
    return found.group(1) if found else ""


def describe(pod: etcd.EtcdPod, status: etcd.Status, created: int) -> archive.Description:
    """What a backup taken on this machine now is of.

    :param created: now, by the laptop's clock.
    :raises BackupError: when the machine's control plane is not as kubeadm makes it.
    """
    release = release_of(_text(API_SERVER))
    name, address = archive.etcd_member(pod)
    try:
        cluster = parse_kubeconfig(_text(ADMIN))
        ca = ca_cert_hashes(cluster.ca_pem or _text(cluster.ca_file))[0]
    except (KubeconfigError, CertificateError) as error:
        raise archive.BackupError(f"{ADMIN} is not a usable kubeconfig: {error}") from None
    if not release:
        raise archive.BackupError(f"{API_SERVER} names no release, as kubeadm writes it")
    return archive.Description(
        created=created,
        node_name=name,
        address=address,
        server=cluster.server,
        kubernetes=release,
        etcd_image=pod.image,
        cluster_ca_sha256=ca,
        revision=status.revision,
        key_count=status.key_count,
    )


def empty_spool() -> None:
    """Take away what an earlier run, cut short, has left in the spool."""
    shutil.rmtree(SPOOL, ignore_errors=True)


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    for part in iter(lambda: file.read(1 << 20), b""):
        digest.update(part)
    return digest.hexdigest()


def back_up(run: Run, created: int, node_name: str = "", address: str = "") -> Packed:
    """Save etcd, and pack it with the machine's files into the spool.

    :param created: now, by the laptop's clock.
    :param node_name: by which the inventory wants the node in the cluster, and which a restore will ask for.
    :param address: which the inventory gives it, likewise.
    :raises EtcdError, BackupError: with the reason.
    """
    pod = read_pod()
    files = archive.saved_files()
    empty_spool()
    snapshot = f"{SPOOL}/{archive.SNAPSHOT}"
    status = EtcdTools(run, pod).save(snapshot)
    description = describe(pod, status, created)
    inventory = restore.Machine(node_name or description.node_name, address or description.address)
    trouble = restore.refusal(description, inventory)
    if trouble:
        raise archive.BackupError(f"it could not be restored, since {trouble}")
    with open(ARCHIVE, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        archive.pack(file, description, snapshot, files)
    os.unlink(snapshot)
    with open(ARCHIVE, "rb") as file:
        digest = _sha256(file)
    return Packed(ARCHIVE, digest, os.path.getsize(ARCHIVE), description)


def look(run: Run, node_name: str, address: str, addresses: tuple[str, ...] = ()) -> restore.Machine:
    """What is on this machine; see :class:`restore.Machine`."""
    ca, server = "", ""
    for path in (ADMIN, KUBERNETES + "/kubelet.conf"):
        with contextlib.suppress(KubeconfigError, CertificateError):
            cluster = parse_kubeconfig(_text(path))
            server = cluster.server
            ca = ca_cert_hashes(cluster.ca_pem or _text(cluster.ca_file))[0]
            break
    if not ca:
        with contextlib.suppress(CertificateError):
            ca = ca_cert_hashes(_text(KUBERNETES + "/pki/ca.crt"))[0]
    kubelet = ""
    with contextlib.suppress(OSError):
        code, output, _error = run(["dpkg-query", "--show", "--showformat=${Version} ${db:Status-Status}", "kubelet"])
        version, _space, state = output.strip().partition(" ")
        kubelet = version.partition("-")[0] if code == 0 and state == "installed" else ""
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
    if _sha256(file) != sha256:
        raise archive.BackupError("the backup did not arrive whole on the Pi; run the playbook again")
    file.seek(0)
    description = archive.check(file)
    file.seek(0)
    return description


class Restorer:
    """Brings a checked archive back to the machine. Each step can be done again after a cut at any moment.

    :param run: runs a command.
    :param log: told what is done.
    :ivar first_revision: with which the restored etcd begins, once its data is made.
    """

    def __init__(self, run: Run, log: Callable[[str], None] = lambda _line: None) -> None:
        self._run, self._log = run, log
        self.first_revision = 0

    def _must(self, command: list[str], what: str) -> str:
        code, output, error = self._run(command)
        if code:
            raise archive.BackupError(f"{what}: {etcd.reason(error or output)}")
        return output

    def have_image(self, image: str) -> None:
        """Pull etcd's image, from the mirrors that containerd is told of."""
        images = self._must(["ctr", "--namespace", "k8s.io", "images", "list", "--quiet"], "containerd does not answer")
        if image in images.split():
            return
        self._log(f"pulling {image}")
        self._must(
            ["ctr", "--namespace", "k8s.io", "images", "pull", "--hosts-dir", "/etc/containerd/certs.d", image],
            f"the image {image} cannot be pulled",
        )

    def stop(self, seconds: float = 60) -> None:
        """Stop the kubelet, and then what it would start again. Containers of everybody else go on."""
        self._run(["systemctl", "stop", "kubelet"])
        deadline = time.monotonic() + seconds
        while True:
            running = self._control_plane_tasks()
            if not running:
                return
            if time.monotonic() > deadline:
                raise archive.BackupError(f"the control plane's containers do not stop: {', '.join(running)}")
            for name in running:
                self._run(["ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", name])
            time.sleep(0.5)

    def _control_plane_tasks(self) -> list[str]:
        """Ids of the running containers of the control plane's static Pods."""
        names = "|".join(CONTROL_PLANE)
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
        new = os.path.join(pod.data_dir, _NEW_DATA)
        os.makedirs(pod.data_dir, 0o700, exist_ok=True)
        os.chmod(pod.data_dir, 0o700)
        shutil.rmtree(new, ignore_errors=True)
        tools = EtcdTools(self._run, pod)
        revision = tools.verify(snapshot).revision
        first = max(least, restore.first_revision([revision, *self._revisions_here(tools)]))
        self._log(f"etcd's data begins at revision {first}")
        tools.call(
            restore.restore_arguments(pod, snapshot, new, first - revision),
            {pod.data_dir: True, os.path.dirname(snapshot): True},
        )
        self.first_revision = first
        member = os.path.join(pod.data_dir, "member")
        if os.path.isdir(member):
            old = os.path.join(pod.data_dir, "before-restore")
            shutil.rmtree(old, ignore_errors=True)
            os.mkdir(old, 0o700)
            os.rename(member, os.path.join(old, "member"))
        os.rename(os.path.join(new, "member"), member)
        place.sync_folder(pod.data_dir)
        shutil.rmtree(new, ignore_errors=True)

    def _revisions_here(self, tools: EtcdTools) -> Iterator[int]:
        """The last revisions of etcd's data on this machine: the present one, and what a restore has kept aside."""
        for folder in ("member", "before-restore/member"):
            database = os.path.join(tools.pod.data_dir, folder, "snap", "db")
            if os.path.exists(database):
                try:
                    yield tools.status(database).revision
                except etcd.EtcdError as error:  # a card that fails is a reason for restoring
                    self._log(f"the data of etcd in {folder} cannot be read: {error}")

    def put_files(self, packed: tarfile.TarFile) -> None:
        """Put the saved files in place of what is there, which is kept aside."""
        new = KUBERNETES + ".bramble-restore"
        shutil.rmtree(new, ignore_errors=True)
        archive.unpack_files(packed, KUBERNETES, new)
        os.chmod(new, 0o755)
        os.makedirs(ASIDE, 0o700, exist_ok=True)
        old = ASIDE + "/kubernetes"
        if os.path.isdir(KUBERNETES):
            if os.path.islink(old):  # /etc/kubernetes was one
                os.unlink(old)
            shutil.rmtree(old, ignore_errors=True)
            shutil.move(KUBERNETES, old)
        os.rename(new, KUBERNETES)
        place.sync_folder(os.path.dirname(KUBERNETES))
        for name in ("config.yaml", "instance-config.yaml", "kubeadm-flags.env"):
            if archive.FILES + f"{KUBELET}/{name}" in packed.getnames():
                archive.unpack_file(packed, archive.FILES + f"{KUBELET}/{name}", f"{KUBELET}/{name}")
                os.chmod(f"{KUBELET}/{name}", 0o644)
        # A kubelet that was here all the time has newer certificates than the backup.
        if not os.path.exists(KUBELET + "/pki/kubelet-client-current.pem"):
            archive.unpack_files(packed, KUBELET + "/pki", KUBELET + "/pki")

    def start(self, seconds: float) -> None:
        """Start the kubelet, and wait until the API server says that it is ready."""
        self._must(["systemctl", "enable", "--now", "kubelet"], "the kubelet does not start")
        deadline = time.monotonic() + seconds
        command = ["kubectl", "--kubeconfig", ADMIN, "--request-timeout", "10s", "get", "--raw", "/readyz"]
        while True:
            code, output, error = self._run(command)
            if code == 0:
                return
            if time.monotonic() > deadline:
                raise archive.BackupError(
                    f"everything is restored, but the API server does not get ready within {seconds:.0f} s "
                    f"({etcd.reason(error or output)}): 'journalctl -u kubelet -n 50' on it tells more"
                )
            time.sleep(1)

    def restore(self, path: str, sha256: str, least: int, seconds: float) -> archive.Description:
        """All steps.

        :param path: of the archive.
        :param sha256: of the archive, as it was sent.
        :param least: etcd's first revision, at least.
        :param seconds: to wait for the API server.
        :raises BackupError, EtcdError: with the reason.
        """
        with open(path, "rb") as file:
            description = check_sent(file, sha256)
            with tarfile.open(fileobj=file, mode="r:gz") as packed:
                snapshot = f"{os.path.dirname(path)}/{archive.SNAPSHOT}"
                archive.unpack_file(packed, archive.SNAPSHOT, snapshot)
                manifest = packed.extractfile(archive.FILES + etcd.MANIFEST).read().decode()
                pod = etcd.parse_pod(manifest)
                self.have_image(pod.image)
                place.write(place.Wanted(RESTORING, b"restore.yml has not finished here\n", 0o600, secret=True))
                self.stop()
                self.put_data(pod, snapshot, least)
                self.put_files(packed)
        self.start(seconds)
        place.write(place.Wanted(RESTORING, None))
        empty_spool()
        return description
