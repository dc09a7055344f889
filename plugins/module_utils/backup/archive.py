# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""A backup of a control plane: a compressed tar archive with a description, etcd's snapshot and the machine's files."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import stat
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import BinaryIO

from ansible_collections.bramble.kube.plugins.module_utils.backup import record
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import etcd

#: Of a backup with the record of the loop's desk; without one it is 1.
FORMAT = 2
DESCRIPTION = "bramble-backup.json"
SNAPSHOT = "etcd.db"
RECORD = "desk.tar"
FILES = "files"
#: What a control plane is made of, beside etcd's data. Missing ones are left out.
SAVED = (
    "/etc/kubernetes",
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/instance-config.yaml",
    "/var/lib/kubelet/kubeadm-flags.env",
    "/var/lib/kubelet/pki",
)
#: Copies of etcd's data that kubeadm's upgrade leaves; a credential that RBAC does not bind, and kubeadm makes again.
NOT_SAVED = ("/etc/kubernetes/tmp", "/etc/kubernetes/super-admin.conf")
#: Without them nothing can be restored.
NEEDED = ("/etc/kubernetes/pki/ca.key", etcd.MANIFEST)
#: Bytes of all files beside etcd's data, at most: they weigh less than one MiB, and the laptop has all of it in memory.
MOST = 64 << 20


class BackupError(BrambleError):
    """A backup cannot be made or used; the message is for the user and holds no secret."""


@dataclass(frozen=True)
class Description:
    """What a backup is of.

    :ivar created: seconds since 1970, by the laptop's clock: a Pi has none that goes on without power.
    :ivar node_name: of the control plane's node.
    :ivar address: of the control plane inside the cluster; certificates, kubelets and etcd's member know it.
    :ivar server: the API server in the administrator's kubeconfig.
    :ivar kubernetes: release, as in "1.37.2".
    :ivar etcd_image: by whose programs the snapshot was taken, and is restored.
    :ivar cluster_ca_sha256: hash of the cluster's CA in kubeadm's form.
    :ivar revision: etcd's, at that moment.
    :ivar key_count: number of keys in etcd.
    :ivar desk: files of the record of the loop's desk, and the SHA-256 of each; empty without one.
    """

    created: int
    node_name: str
    address: str
    server: str
    kubernetes: str
    etcd_image: str
    cluster_ca_sha256: str
    revision: int
    key_count: int
    desk: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """As it is kept in the archive."""
        found = {"format": FORMAT, **asdict(self)}
        if not self.desk:
            found.update(format=1)
            del found["desk"]
        return (json.dumps(found, indent=2, sort_keys=True) + "\n").encode()


def read_description(text: bytes) -> Description:
    """Read what to_json() wrote.

    :raises BackupError: when it is something else, or from a newer collection.
    """
    try:
        found = json.loads(text)
        version = found.pop("format")
        if version not in (1, FORMAT):
            raise BackupError(f"it has format {version}, and this collection reads format {FORMAT}")
        found = {"desk": {}, **found}
        return Description(**{one.name: found[one.name] for one in fields(Description)})
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BackupError(f"its description ({DESCRIPTION}) cannot be read") from None


def is_beside(path: str, link: str) -> bool:
    """Whether a link leads to a file in its own folder, as the kubelet's to its newest certificate; these are kept.

    :param path: of the link, absolute.
    :param link: what it says.
    """
    target = os.path.normpath(os.path.join(os.path.dirname(path), link))
    return target != path and os.path.dirname(target) == os.path.dirname(path)


def saved_files(root: str = "/") -> list[tuple[str, str]]:
    """Every file that goes into a backup: its absolute path as on the machine, and where it is read.

    Links are followed, since after a restore to a blank card nothing is at their end: a file's content goes into the
    backup, and a folder's with all that is in it. Only a link to a file beside it stays one.

    :param root: where the machine's files are (tests).
    :raises BackupError: for what cannot be saved, by name.
    """
    found: list[tuple[str, str]] = []
    size = 0
    for top in SAVED:
        whole = os.path.join(root, top.lstrip("/"))
        if not os.path.lexists(whole):
            continue
        for path, source in _inside(top, whole, ()):
            found.append((path, source))
            size += os.lstat(source).st_size
            if size > MOST:
                part = "/".join(path.split("/")[: top.count("/") + 2])
                raise BackupError(
                    f"{part} brings the files beside etcd's data above {MOST >> 20} MiB: move what is not the control "
                    f"plane's out of {top}"
                )
    return found


def _inside(path: str, source: str, above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The files at a path and below.

    :param source: where it is read.
    :param above: the folders that lead there.
    """
    if path in NOT_SAVED:
        return
    if os.path.islink(source):
        link = os.readlink(source)
        if above and is_beside(path, link):
            yield path, source
            return
        source = os.path.realpath(source)
        if not os.path.exists(source):
            raise BackupError(f"{path} is a link to {link}, and nothing is there: remove the link, or bring that back")
    mode = os.lstat(source).st_mode
    if stat.S_ISDIR(mode):
        if source in above:
            raise BackupError(f"{path} is a link to {source}, which contains it: remove the link")
        for name in sorted(os.listdir(source)):
            yield from _inside(f"{path}/{name}", os.path.join(source, name), (*above, source))
    elif stat.S_ISREG(mode):
        yield path, source
    else:
        raise BackupError(f"{path} is neither a file nor a folder, and no backup can hold it: move it away")


def pack(
    target: BinaryIO,
    description: Description,
    snapshot: str,
    files: Iterable[tuple[str, str]],
    desk: bytes = b"",
) -> None:
    """Write the archive.

    :param target: open for writing.
    :param snapshot: path of etcd's snapshot.
    :param files: of saved_files().
    :param desk: the record of the loop's desk.
    """
    with tarfile.open(fileobj=target, mode="w:gz", compresslevel=6) as archive:
        text = description.to_json()
        head = tarfile.TarInfo(DESCRIPTION)
        head.size, head.mode, head.mtime = len(text), 0o600, description.created
        archive.addfile(head, io.BytesIO(text))
        archive.add(snapshot, SNAPSHOT)
        if desk:
            said = tarfile.TarInfo(RECORD)
            said.size, said.mode, said.mtime = len(desk), 0o600, description.created
            archive.addfile(said, io.BytesIO(desk))
        for path, source in files:
            info = archive.gettarinfo(source, FILES + path)
            if info.issym():
                archive.addfile(info)
                continue
            with open(source, "rb") as file:
                # A second name of the same file is a file of its own in the backup.
                info.type, info.linkname, info.size = tarfile.REGTYPE, "", os.fstat(file.fileno()).st_size
                archive.addfile(info, file)


def etcd_member(pod: etcd.EtcdPod) -> tuple[str, str]:
    """Name and address of the only member of kubeadm's etcd.

    :raises BackupError: when the static Pod names none.
    """
    peer = re.fullmatch(r"https?://\[?([^\]/]+?)\]?:\d+", pod.flags.get("initial-advertise-peer-urls", ""))
    if not peer or not pod.flags.get("name"):
        raise BackupError(f"{etcd.MANIFEST} names no member with one address, as kubeadm writes it")
    return pod.flags["name"], peer.group(1)


def _member(archive: tarfile.TarFile, name: str) -> BinaryIO:
    try:
        found = archive.extractfile(name)
    except KeyError:
        found = None
    if found is None:
        raise BackupError(f"it is not a backup of a control plane: {name} is missing in it")
    return found  # type: ignore[return-value]


def _is_sane(member: tarfile.TarInfo) -> bool:
    """Whether an archive's member is a file, folder or link below one of the folders that are saved."""
    if not (member.isreg() or member.isdir() or member.issym()):
        return False
    path = member.name[len(FILES) :]
    if os.path.normpath(path) != path or not member.name.startswith(FILES + "/"):
        return False
    if member.issym():
        target = os.path.normpath(os.path.join(os.path.dirname(path), member.linkname))
        if not any(target == top or target.startswith(top + "/") for top in SAVED):
            return False
    return any(path == top or path.startswith(top + "/") for top in SAVED)


def check(source: BinaryIO) -> Description:
    """Read a whole backup and verify that it can be restored: the rules of who writes one, and of who reads it.

    :param source: open for reading, able to seek.
    :raises BackupError: when it is damaged, with what is wrong.
    """
    try:
        with gzip.GzipFile(fileobj=source) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            description = read_description(_member(archive, DESCRIPTION).read())
            with _member(archive, SNAPSHOT) as snapshot:
                trouble = etcd.checksum_error(snapshot)
            if trouble:
                raise BackupError(f"its snapshot of etcd fails verification: {trouble}")
            names, files, manifest, desk = set(), set(), b"", {}
            for member in archive:
                if member.name in names:
                    raise BackupError(f"it holds {member.name} twice")
                names.add(member.name)
                if member.name in (DESCRIPTION, SNAPSHOT):
                    continue
                if member.name == RECORD:
                    desk = _record(archive)[1]
                    continue
                if not _is_sane(member):
                    raise BackupError(f"it holds {member.name}, which is not part of a control plane")
                content = archive.extractfile(member) if member.isreg() else None
                if content is None:
                    continue
                files.add(member.name)
                if member.name == FILES + etcd.MANIFEST:
                    manifest = content.read()
                while content.read(1 << 20):
                    pass
            while stream.read(1 << 20):  # to the end, where gzip's own checksum is
                pass
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error) as error:
        raise BackupError(f"the archive in it is damaged: {error}") from None
    if desk != description.desk:
        raise BackupError(f"its record of the loop's desk ({RECORD}) is not that of its description ({DESCRIPTION})")
    for needed in NEEDED:
        if FILES + needed not in files:
            raise BackupError(f"it does not hold {needed}")
    try:
        pod = etcd.parse_pod(manifest.decode("utf-8", "replace"))
    except etcd.EtcdError as error:
        raise BackupError(str(error)) from None
    if etcd_member(pod) != (description.node_name, description.address) or pod.image != description.etcd_image:
        raise BackupError(f"its {etcd.MANIFEST} is not that of its description ({DESCRIPTION})")
    return description


def _record(archive: tarfile.TarFile) -> tuple[bytes, dict[str, str]]:
    """The record of the loop's desk, and its files."""
    try:
        with _member(archive, RECORD) as file:
            content = file.read()
        return content, record.contents(content)
    except record.RecordError as error:
        raise BackupError(f"its record of the loop's desk: {error}") from None


def desk_of(source: BinaryIO) -> bytes:
    """The record of the loop's desk in a checked archive."""
    with tarfile.open(fileobj=source, mode="r:gz") as archive:
        return _record(archive)[0]


def unpack_file(archive: tarfile.TarFile, name: str, target: str) -> None:
    """Bring one file of a checked archive to a path, mode 0600."""
    with _member(archive, name) as source, open(target, "wb", opener=_private) as file:
        while True:
            part = source.read(1 << 20)
            if not part:
                break
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def unpack_files(archive: tarfile.TarFile, top: str, target: str) -> None:
    """Bring what a checked archive holds below one of the saved folders to another folder, with modes and links.

    Everything belongs to root, as on the machine of a control plane.
    """
    os.makedirs(target, 0o700, exist_ok=True)
    for member in archive:
        path = member.name[len(FILES) :]
        if not member.name.startswith(FILES + "/") or not (path == top or path.startswith(top + "/")):
            continue
        if not _is_sane(member):
            raise BackupError(f"it holds {member.name}, which is not part of a control plane")
        place = os.path.join(target, os.path.relpath(path, top)) if path != top else target
        if member.isdir():
            os.makedirs(place, exist_ok=True)
            continue
        os.makedirs(os.path.dirname(place), 0o755, exist_ok=True)
        if member.issym():
            if os.path.lexists(place):
                os.unlink(place)
            os.symlink(member.linkname, place)
            continue
        unpack_file(archive, member.name, place)
        os.chmod(place, member.mode & 0o7777)
