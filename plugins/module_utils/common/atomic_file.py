# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Brings files to the content they should have, and a power cut leaves the old or the new file, not half of one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass


@dataclass(frozen=True)
class Wanted:
    """One file as it should be.

    :ivar content: None for a file that must not be there.
    :ivar mode: permission bits.
    :ivar owner: user and group number; None leaves root's.
    :ivar secret: whether the content must not be shown.
    :ivar restarts: services that read the file when they start.
    """

    path: str
    content: bytes | None
    mode: int = 0o644
    owner: tuple[int, int] | None = None
    secret: bool = False
    restarts: tuple[str, ...] = ()


def read(path: str) -> bytes | None:
    """The file's content, None when it is not there."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def text(path: str) -> str:
    """The file's content as text, with a mark for what is no UTF-8; empty when it is not there."""
    return (read(path) or b"").decode("utf-8", "replace")


def differs(wanted: Wanted) -> bool:
    """Whether the file has to be written, or removed."""
    if wanted.content is None:
        return os.path.lexists(wanted.path)
    if read(wanted.path) != wanted.content:
        return True
    status = os.stat(wanted.path)
    owner = wanted.owner or (0, 0)
    return (status.st_mode & 0o7777) != wanted.mode or (status.st_uid, status.st_gid) != owner


def sync_folder(path: str) -> None:
    """Bring a folder's entries to the card: a rename in it is certain only then."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def make_folders(path: str, owner: tuple[int, int] | None = None, mode: int = 0o755) -> None:
    """Make the missing folders above a file; they belong to the file's owner."""
    missing = []
    folder = os.path.dirname(path)
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for folder in reversed(missing):
        os.mkdir(folder)
        os.chmod(folder, mode)
        if owner:
            os.chown(folder, *owner)


def replace(
    path: str, content: bytes, mode: int | None = None, owner: tuple[int, int] | None = None, durable: bool = True
) -> None:
    """Write the file beside its place and put it in place; its folder is there.

    :param mode: None leaves 0600, or what a file system without permissions makes of it.
    :param owner: None leaves who runs this.
    :param durable: whether the content is brought to the disk first; a cache's need not be.
    """
    number, temporary = tempfile.mkstemp(prefix=".", suffix=".new", dir=os.path.dirname(path))
    try:
        with os.fdopen(number, "wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            if owner:
                os.fchown(file.fileno(), *owner)
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def write(wanted: Wanted) -> None:
    """Bring the file to the card and put it in place, or remove it."""
    folder = os.path.dirname(wanted.path)
    if wanted.content is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(wanted.path)
            sync_folder(folder)
        return
    make_folders(wanted.path, wanted.owner, 0o700 if wanted.secret else 0o755)
    replace(wanted.path, wanted.content, wanted.mode, wanted.owner or (0, 0))
    sync_folder(folder)
