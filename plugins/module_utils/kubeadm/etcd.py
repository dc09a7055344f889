# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The cluster's own etcd: what its static Pod says, the programs of its image, and whether a snapshot is whole."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError

MANIFEST = "/etc/kubernetes/manifests/etcd.yaml"
#: By which containers of an earlier, cut run are known.
TOOL_PREFIX = "bramble-etcd-"
_CTR = ("ctr", "--namespace", "k8s.io")
_HASH_SIZE = hashlib.sha256().digest_size
#: bolt's pages are multiples of this, so a longer file has etcd's checksum at its end
#: (etcdutl/snapshot/v3_snapshot.go, copyAndVerifyDB).
_PAGE = 512


class EtcdError(BrambleError):
    """Something about etcd is not as it must be; the message is for the user and holds no secret."""


@dataclass(frozen=True)
class EtcdPod:
    """An etcd as its static Pod describes it.

    :ivar image: full reference.
    :ivar flags: its arguments, name without dashes to value.
    """

    image: str
    flags: Mapping[str, str]

    @property
    def data_dir(self) -> str:
        """Where the data is on the machine; kubeadm mounts it under the same path."""
        return self.flags.get("data-dir", "/var/lib/etcd")

    @property
    def local_endpoint(self) -> str:
        """The client address on this machine, by which etcd is reached also while the network is gone."""
        urls = self.flags.get("listen-client-urls", "https://127.0.0.1:2379").split(",")
        return next((url for url in urls if "127.0.0.1" in url or "[::1]" in url), urls[0])

    @property
    def tls(self) -> tuple[str, ...]:
        """etcdctl's options: the CA, and the server's own certificate, which kubeadm makes for a client, too."""
        return (
            "--cacert=" + self.flags.get("trusted-ca-file", "/etc/kubernetes/pki/etcd/ca.crt"),
            "--cert=" + self.flags.get("cert-file", "/etc/kubernetes/pki/etcd/server.crt"),
            "--key=" + self.flags.get("key-file", "/etc/kubernetes/pki/etcd/server.key"),
        )

    @property
    def certificates_folder(self) -> str:
        """The folder with them."""
        return os.path.dirname(self.flags.get("cert-file", "/etc/kubernetes/pki/etcd/server.crt"))


def parse_pod(manifest: str) -> EtcdPod:
    """Read the static Pod that kubeadm wrote, without a YAML library: a Pi may have none.

    :raises EtcdError: when it names no image or no arguments.
    """
    image = re.search(r"^\s*(?:- )?image:\s*[\"']?([^\s\"']+)", manifest, re.MULTILINE)
    flags = dict(re.findall(r"^\s*- [\"']?--([a-z0-9-]+)=(.*?)[\"']?\s*$", manifest, re.MULTILINE))
    if not image or not flags:
        raise EtcdError("etcd's static Pod names no image or no arguments, so it is not as kubeadm writes it")
    return EtcdPod(image.group(1), flags)


def tool_command(
    image: str, arguments: Sequence[str], mounts: Mapping[str, bool], name: str | None = None, log_file: str = ""
) -> list[str]:
    """The command that runs a program of an image in a container of its own, with the machine's network.

    :param arguments: the program and its arguments.
    :param mounts: folders of the machine that it sees under the same path, and whether it may write there; "here:there"
        is seen under another one.
    :param name: of the container; by default one that no other has.
    :param log_file: what it prints goes there, and the command does not wait for its end; empty: it does.
    """
    command = [*_CTR, "run", *(["--detach", "--log-uri", f"file://{log_file}"] if log_file else ["--rm"]), "--net-host"]
    for folder, writable in mounts.items():
        here, _colon, there = folder.partition(":")
        options = f"options=rbind:{'rw' if writable else 'ro'}"
        command += ["--mount", f"type=bind,src={here},dst={there or here},{options}"]
    return [*command, image, name or f"{TOOL_PREFIX}{os.getpid()}-{time.monotonic_ns()}", *arguments]


def leftovers(listed: str) -> list[list[str]]:
    """Commands that remove containers which an earlier, cut run left.

    :param listed: what `ctr containers list --quiet` printed.
    """
    commands = []
    for name in listed.split():
        if name.startswith(TOOL_PREFIX):
            commands.append([*_CTR, "tasks", "delete", "--force", name])
            commands.append([*_CTR, "containers", "delete", name])
    return commands


LIST_CONTAINERS = [*_CTR, "containers", "list", "--quiet"]


def reason(output: str) -> str:
    """The line by which etcdctl, etcdutl or ctr tell what is wrong: the last one that is no log of progress."""
    told = []
    for line in output.splitlines():
        line = line.strip()
        if line.startswith("{"):
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            line = str(entry.get("error") or "") if entry.get("level") in ("warn", "error", "fatal") else ""
        if line and not line.startswith(("Usage:", "--", "-h,")):
            told.append(re.sub(r"^(?:Error|ctr): ", "", line))
    return told[-1].rstrip(".")[:300] if told else "it gave no reason"


@dataclass(frozen=True)
class Status:
    """What etcdutl says about a snapshot."""

    revision: int
    key_count: int
    size: int
    hash: str


def parse_status(text: str) -> Status:
    """Read `etcdutl snapshot status --write-out json`.

    :raises EtcdError: when it is something else.
    """
    try:
        found = json.loads(text)
        return Status(int(found["revision"]), int(found["totalKey"]), int(found["totalSize"]), f"{found['hash']:08x}")
    except (ValueError, KeyError, TypeError):
        raise EtcdError(f"what etcdutl said about the snapshot cannot be read: {text.strip()[:200]}") from None


def checksum_error(file: BinaryIO) -> str:
    """Compare a snapshot with the SHA-256 that etcd puts at its end.

    :param file: open for reading, able to seek.
    :returns: what is wrong in words; empty for a snapshot that is whole.
    """
    size = file.seek(0, os.SEEK_END)
    if size % _PAGE != _HASH_SIZE or size < _PAGE:
        return "it is cut off, or not a snapshot of etcd: the checksum at its end is missing"
    file.seek(0)
    digest, left = hashlib.sha256(), size - _HASH_SIZE
    while left:
        part = file.read(min(left, 1 << 20))
        if not part:
            return "it got shorter while it was being read"
        digest.update(part)
        left -= len(part)
    if file.read(_HASH_SIZE) != digest.digest():
        return "its content does not match the checksum at its end"
    return ""
