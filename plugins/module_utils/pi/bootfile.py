# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Replaces a file on the firmware's FAT partition so that a power cut at any moment leaves a way back.

A rename over an existing file is one step on ext4, but not on FAT: a cut may leave neither name. So the old content is
brought to the card under a name of its own first. At every moment the file, or else its backup, is whole.
"""

from __future__ import annotations

import contextlib
import os

from ..common.atomic_file import read

BACKUP_SUFFIX = ".bramble-backup"
_NEW_SUFFIX = ".bramble-new"


class Disk:
    """The steps of which a replacement consists; tests cut the power between any two of them."""

    def write(self, path: str, content: bytes, mode: int) -> None:
        """Write a new file, and wait until its content is on the disk."""
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        try:
            with contextlib.suppress(PermissionError):  # FAT has one mode for all files
                os.fchmod(number, mode)
            view = memoryview(content)
            while view:
                view = view[os.write(number, view) :]
            os.fsync(number)
        finally:
            os.close(number)

    def rename(self, source: str, target: str) -> None:
        """Give a file another's name."""
        os.rename(source, target)

    def remove(self, path: str) -> None:
        """Remove a file that may be missing."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    def sync_folder(self, path: str) -> None:
        """Wait until the names in a folder are on the disk."""
        number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        except OSError:
            # Some file systems cannot do that for a folder; all of them can for the whole file system.
            os.sync()
        finally:
            os.close(number)


def backup_path(path: str) -> str:
    """Where the content is kept that the file had before its last change."""
    return path + BACKUP_SUFFIX


def _put(disk: Disk, path: str, content: bytes, mode: int) -> None:
    beside = path + _NEW_SUFFIX
    disk.write(beside, content, mode)
    disk.sync_folder(os.path.dirname(path))
    disk.rename(beside, path)
    disk.sync_folder(os.path.dirname(path))


def replace(path: str, content: bytes, known_good: bytes | None, disk: Disk | None = None) -> str | None:
    """Replace the file's content.

    :param known_good: what to keep as backup, the content that is known to work; None to keep the backup as it is (when
        it is that content).
    :returns: the path of the backup, None when there is none.
    """
    disk = disk or Disk()
    try:
        mode = os.stat(path).st_mode & 0o777
    except FileNotFoundError:
        mode = 0o755  # what the FAT partition of Raspberry Pi OS shows for every file
    backup = backup_path(path)
    if known_good is not None and read(backup) != known_good:
        _put(disk, backup, known_good, mode)
    _put(disk, path, content, mode)
    return backup if os.path.exists(backup) else None


def clean(path: str, disk: Disk | None = None) -> None:
    """Remove what an interrupted replacement left beside the file."""
    disk = disk or Disk()
    for name in (path, backup_path(path)):
        if os.path.exists(name + _NEW_SUFFIX):
            disk.remove(name + _NEW_SUFFIX)
