# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups on the laptop: encrypted by ansible-vault before they reach its disk, and decrypted in memory alone."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import tempfile
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib, match_encrypt_secret

from ansible_collections.bramble.kube.plugins.module_utils.backup import archive, rotation
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError

#: How a vault password is given; part of every sentence that misses one.
_HOW = "--vault-password-file FILE, --ask-vault-pass, or vault_password_file in ansible.cfg"


class SealedError(BrambleError):
    """A backup on the laptop cannot be written or read; the message is for the user and holds no secret."""


def _secrets(loader: Any) -> list[tuple[str, Any]]:
    """The vault passwords that ansible-playbook was given."""
    secrets = loader._vault.secrets  # the loader has no public way to them
    if not secrets:
        raise SealedError(f"no vault password was given, and a backup holds the cluster's keys: use {_HOW}")
    return secrets


def require_password(loader: Any) -> None:
    """Stop before anything is done when there is no vault password."""
    _secrets(loader)


def write(loader: Any, content: bytes, path: Path) -> None:
    """Encrypt and write; a cut leaves no half file. The result is read back and compared.

    :raises SealedError: without a password, or when it cannot be written.
    """
    vault_id, secret = match_encrypt_secret(_secrets(loader), encrypt_vault_id=C.DEFAULT_VAULT_ENCRYPT_IDENTITY)
    named = vault_id if vault_id != C.DEFAULT_VAULT_IDENTITY else None
    sealed = VaultLib().encrypt(content, secret=secret, vault_id=named)
    if read_sealed(loader, sealed, str(path)) != content:
        raise SealedError(f"{path}: what was encrypted does not decrypt to the same again")
    part = None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        number, part = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
        with os.fdopen(number, "wb") as file:
            file.write(sealed)
            file.flush()
            os.fsync(file.fileno())
        os.rename(part, path)
    except OSError as error:
        if part:
            with contextlib.suppress(OSError):
                os.unlink(part)
        raise SealedError(f"{path} cannot be written on this computer: {error.strerror}") from None


def read_sealed(loader: Any, sealed: bytes, path: str) -> bytes:
    """Decrypt in memory.

    :raises SealedError: without the right password, or when it is no vault.
    """
    secrets = _secrets(loader)
    if not VaultLib.is_encrypted(sealed):
        raise SealedError(f"{path} is no encrypted backup of bramble.kube")
    try:
        return bytes(VaultLib(secrets).decrypt(sealed))
    except AnsibleError:
        raise SealedError(
            f"{path} cannot be decrypted: it is damaged, or was made with another vault password"
        ) from None


def choose(source: str, cluster: str) -> Path:
    """The file to restore: the one that is named, or a folder's newest one of the cluster.

    :raises SealedError: when there is none.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return path
    if not path.is_dir():
        raise SealedError(f"there is no backup at {path}")
    known = rotation.of_cluster((entry.name for entry in path.iterdir()), cluster)
    if not known:
        raise SealedError(f"there is no backup of the cluster {cluster} in {path}")
    return path / known[-1]


def read(loader: Any, path: Path) -> tuple[bytes, archive.Description]:
    """Decrypt and verify a backup.

    :returns: the archive, which is kept in memory alone, and what it is of.
    :raises SealedError: when it cannot be restored, with what is wrong.
    """
    try:
        sealed = path.read_bytes()
    except OSError as error:
        raise SealedError(f"{path} cannot be read: {error.strerror}") from None
    content = read_sealed(loader, sealed, str(path))
    try:
        return content, archive.check(io.BytesIO(content))
    except archive.BackupError as error:
        raise SealedError(f"{path} cannot be restored: {error}") from None


def rotate(folder: Path, cluster: str, keep: int) -> list[str]:
    """Remove the backups of a cluster that have had their time.

    :returns: their names.
    """
    gone = rotation.outlived((entry.name for entry in folder.iterdir()), cluster, keep)
    for name in gone:
        (folder / name).unlink(missing_ok=True)
    return gone


class Stream:
    """A file of root's on a Pi, carried through the SSH session without touching the laptop's disk or log.

    :param action: the action plugin whose connection is used.
    """

    def __init__(self, action: Any) -> None:
        self._action = action

    @contextlib.contextmanager
    def _silent(self):
        """At -vvv the SSH connection prints what passes through it, unless its play context says not to."""
        context = self._action._connection._play_context
        loud, context.no_log = context.no_log, True
        try:
            yield
        finally:
            context.no_log = loud

    def fetch(self, path: str, sha256: str) -> bytes:
        """Read a file into memory.

        :raises SealedError: when it cannot be read whole.
        """
        with self._silent():
            result = self._action._low_level_execute_command(f"base64 {path}", sudoable=True)
        if result["rc"]:
            raise SealedError(f"{path} could not be read on the Pi: {_last_line(result)}")
        content = base64.b64decode(result["stdout"])
        if hashlib.sha256(content).hexdigest() != sha256:
            raise SealedError(f"{path} did not arrive whole; run the playbook again")
        return content

    def send(self, content: bytes, path: str) -> None:
        """Write a file that root alone can read.

        :raises SealedError: when it cannot be written.
        """
        folder = os.path.dirname(path)
        command = f"/bin/sh -c 'umask 077; mkdir -p {folder} && base64 -d > {path}'"
        with self._silent():
            result = self._action._low_level_execute_command(
                command, sudoable=True, in_data=base64.encodebytes(content)
            )
        if result["rc"]:
            raise SealedError(f"{path} could not be written on the Pi: {_last_line(result)}")

    def remove(self, path: str) -> None:
        """Remove a file on the Pi."""
        self._action._low_level_execute_command(f"rm -f {path}", sudoable=True)


def _last_line(result: dict[str, Any]) -> str:
    lines = [line for line in (result.get("stderr") or "").splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {result['rc']}"
