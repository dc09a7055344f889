# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets kept on the laptop: encrypted by ansible-vault before they reach its disk, and decrypted in memory alone."""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import hashlib
import io
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.parsing.vault import (
    VaultLib,
    VaultSecret,
    format_vaulttext_envelope,
    match_encrypt_secret,
    parse_vaulttext_envelope,
)
from ansible.plugins.action import ActionBase

from ansible_collections.bramble.kube.plugins.module_utils.backup import archive, rotation
from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError

_BACKUP = "a backup holds the cluster's keys"
#: How a vault password is given; part of every sentence that misses one.
_HOW = "--vault-password-file FILE, --ask-vault-pass, or vault_password_file in ansible.cfg"


class SealedError(BrambleError):
    """What is encrypted on the laptop cannot be written or read; the message is for the user and holds no secret."""


def _secrets(loader: Any, holds: str = _BACKUP, own: bytes = b"") -> list[tuple[str, Any]]:
    """The vault passwords that ansible-playbook was given, and one more."""
    secrets = list(loader._vault.secrets or ())  # the loader has no public way to them
    if own:
        secrets.append((C.DEFAULT_VAULT_IDENTITY, VaultSecret(own)))
    if not secrets:
        raise SealedError(f"no vault password was given, and {holds}: use {_HOW}")
    return secrets


def seal(loader: Any, content: bytes, holds: str = _BACKUP, own: bytes = b"") -> bytes:
    """Encrypt in memory, with the identity that ansible-vault itself would take.

    :param holds: a clause, what the content is.
    :param own: the password to take when ansible-playbook was given none.
    :raises SealedError: without a password.
    """
    secrets = _secrets(loader, holds, own)
    vault_id, secret = match_encrypt_secret(secrets, encrypt_vault_id=C.DEFAULT_VAULT_ENCRYPT_IDENTITY)
    named = vault_id if vault_id != C.DEFAULT_VAULT_IDENTITY else None
    return VaultLib().encrypt(content, secret=secret, vault_id=named)


def require_password(loader: Any) -> None:
    """Stop before anything is done when there is no vault password."""
    _secrets(loader)


def write(loader: Any, content: bytes, path: Path, prefix: str) -> None:
    """Verify, encrypt and write a backup; a cut leaves no half file, and what was written is on the disk.

    Everything that a restore will ask is asked before anything is encrypted, and what lies on the disk is read back
    before it gets its name.

    :param prefix: with which the names of this cluster's backups begin; what cut runs have left of them is removed.
    :raises SealedError: without a password, for what cannot be restored, or when it cannot be written.
    """
    try:
        archive.check(io.BytesIO(content))
    except archive.BackupError as error:
        raise SealedError(f"what came from the Pi could not be restored: {error}") from None
    sealed = seal(loader, content)
    part = None
    try:
        _make_folder(path.parent)
        for left in path.parent.glob(f".{prefix}*.part"):
            left.unlink(missing_ok=True)
        if path.exists():
            raise SealedError(f"{path} already exists, and is kept: check that this computer's clock is right")
        number, part = tempfile.mkstemp(prefix=f".{prefix}", suffix=".part", dir=path.parent)
        with os.fdopen(number, "wb") as file:
            file.write(sealed)
            file.flush()
            os.fsync(file.fileno())
        if read_sealed(loader, Path(part).read_bytes(), str(path)) != content:
            raise SealedError(f"{path}: what was written does not decrypt to the same content")
        os.rename(part, path)
        part = None
        _sync(path.parent)
    except OSError as error:
        raise SealedError(f"{path} cannot be written on this computer: {error.strerror}") from None
    finally:
        if part:
            with contextlib.suppress(OSError):
                os.unlink(part)


def _make_folder(folder: Path) -> None:
    """Make the folder and those above it, and bring their names to the disk."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for one in missing:
        _sync(one.parent)


def _sync(folder: Path) -> None:
    """Bring a folder's names to the disk, where its file system can do that (those of FAT and of shares may not)."""
    try:
        atomic_file.sync_folder(str(folder))
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def read_sealed(
    loader: Any, sealed: bytes, path: str, what: str = "backup", holds: str = _BACKUP, own: bytes = b""
) -> bytes:
    """Decrypt in memory.

    :param what: it is, for the sentence about something else.
    :param own: a further password that may be the right one.
    :raises SealedError: without the right password, when it is no vault, or when one byte of it is not as written.
    """
    secrets = _secrets(loader, holds, own)
    if not VaultLib.is_encrypted(sealed):
        raise SealedError(f"{path} is not an encrypted {what} of bramble.kube")
    try:
        content = bytes(VaultLib(secrets).decrypt(sealed))
        # Capital letters, and other ends of lines, mean the same to ansible-vault; here they are damage.
        body, _version, cipher, vault_id = parse_vaulttext_envelope(sealed)
        inner = binascii.unhexlify(body)
        is_small = body + inner == (body + inner).lower()
        if not is_small or format_vaulttext_envelope(body, cipher, vault_id=vault_id) != sealed:
            raise SealedError(f"{path} is damaged: it is not byte for byte as ansible-vault writes it")
        return content
    except (AnsibleError, ValueError, IndexError):
        raise SealedError(
            f"{path} cannot be decrypted: it is damaged, or was made with another vault password"
        ) from None


def choose(source: str, node: str, ask_ca: Callable[[], str] = str) -> Path:
    """The file to restore: the one that is named, or a folder's newest one of the cluster.

    :param node: name of the control plane's node.
    :param ask_ca: asks the machine for the hash of its cluster's CA, empty when it is in none; only called when the
        folder has backups of several clusters whose control planes have this name.
    :raises SealedError: when there is none.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return path
    if not path.is_dir():
        raise SealedError(f"there is no backup at {path}")
    names, now = [entry.name for entry in path.iterdir()], time.time()
    found = rotation.clusters(names, node)
    if not found:
        others = ", ".join(rotation.nodes(names))
        hint = f", but of {others}: of several masters, restore_master names the one whose backup is restored"
        raise SealedError(f"there is no backup of the cluster {node} in {path}{hint if others else ''}")
    if len(found) > 1:
        own = rotation.Cluster.of(node, ask_ca())
        if own not in found:
            newest = ", ".join(sorted(rotation.newest(names, cluster, now) for cluster in found))
            whose = "none of them is this machine's cluster" if own.ca else "this machine belongs to none of them"
            raise SealedError(
                f"{path} has backups of {len(found)} clusters whose control plane is called {node}, and {whose}: name "
                f"the right file with restore_from (their newest ones: {newest})"
            )
        found = [own]
    return path / rotation.newest(names, found[0], now)


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


def rotate(written: Path, keep: int) -> list[str]:
    """Remove the backups, of the cluster of the one just written, that have had their time.

    :returns: their names.
    :raises SealedError: when one cannot be removed.
    """
    gone = rotation.outlived((entry.name for entry in written.parent.iterdir()), written.name, keep)
    for name in gone:
        try:
            (written.parent / name).unlink(missing_ok=True)
        except OSError as error:
            raise SealedError(
                f"{written} is written and verified, but the older {name} cannot be removed: {error.strerror}"
            ) from None
    return gone


class RevisionNote:
    """Beside the backups: with which revision etcd began after a restore, for the next one onto another blank card.

    :param folder: with the backups.
    :param cluster: whose they are.
    """

    def __init__(self, folder: Path, cluster: rotation.Cluster) -> None:
        self._path = folder / f".{cluster.prefix}restored"
        self._of_all = f".*_{cluster.ca}_restored" if cluster.ca else self._path.name

    def read(self) -> int:
        """The highest one so far, whichever of its masters it was restored onto; 0 when there is none."""
        found = [0]
        for path in self._path.parent.glob(self._of_all):
            with contextlib.suppress(OSError, ValueError):
                found.append(int(path.read_text(encoding="ascii")))
        return max(found)

    def write(self, revision: int) -> str:
        """Note one, unless a higher one is noted.

        :returns: a warning, when it cannot be noted; empty otherwise. A disk that can only be read is no reason not to
            restore from it.
        """
        if revision <= self.read():
            return ""
        try:
            owner = (os.getuid(), os.getgid())
            atomic_file.write(atomic_file.Wanted(str(self._path), f"{revision}\n".encode(), 0o600, owner))
        except OSError as error:
            return (
                f"{self._path} cannot be written ({error.strerror}), in which the next restore would find that etcd "
                f"began at revision {revision}: it has to rely on this computer's clock."
            )
        return ""


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


@dataclass(frozen=True)
class Opened:
    """A backup that was decrypted and verified.

    :ivar path: of its file on the laptop.
    :ivar content: the archive.
    :ivar arguments: of the module that is to work with it.
    """

    path: Path
    content: bytes
    description: archive.Description
    arguments: dict[str, Any]


class OpeningAction(ActionBase):
    """What action plugins have in common that bring a backup to a Pi: the module of the same name is asked first, in
    check mode, and nothing is sent when it refuses.

    :cvar REQUIRED: arguments that must be there.
    :cvar REFUSED: how the sentence begins by which a backup is refused.
    """

    _supports_check_mode = True
    REQUIRED: tuple[str, ...] = ()
    REFUSED = ""

    def go_on(self, opened: Opened, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Do the work, when the module has not refused the backup.

        :raises SealedError: when it cannot be brought to the Pi.
        """
        raise NotImplementedError

    def chosen(self, source: str, path: Path) -> None:
        """Look at what was chosen before anything is decrypted.

        :raises SealedError: when it is not to be used.
        """

    def filled_in(self, content: bytes) -> dict[str, Any]:
        """Further arguments of the module, which only the archive tells."""
        return {}

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Choose, decrypt, verify, ask, go on."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        missing = [name for name in self.REQUIRED if not arguments.get(name)]
        if missing:
            return {"failed": True, "msg": f"missing required arguments: {', '.join(missing)}"}
        try:
            path = choose(
                str(arguments["src"]),
                str(arguments["node_name"]),
                lambda: str(self._ask(arguments, task_vars).get("cluster_ca_sha256") or ""),
            )
            self.chosen(str(arguments["src"]), path)
            content, description = read(self._loader, path)
            arguments.update(src=str(path), backup=asdict(description), sha256=hashlib.sha256(content).hexdigest())
            arguments.update(self.filled_in(content))
            result = self._ask(arguments, task_vars)
            if not result.get("failed") and not self._task.check_mode:
                result = self.go_on(Opened(path, content, description, arguments), task_vars)
        except SealedError as error:
            return {"failed": True, "msg": f"{self.REFUSED}: {error}."}
        return {**result, "path": str(path), "backup": asdict(description)}

    def _ask(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Run the module in check mode."""
        given, self._task.check_mode = self._task.check_mode, True
        try:
            return self._execute_module(module_args=dict(arguments), task_vars=task_vars)
        finally:
            self._task.check_mode = given


def _last_line(result: dict[str, Any]) -> str:
    lines = [line for line in (result.get("stderr") or "").splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {result['rc']}"
