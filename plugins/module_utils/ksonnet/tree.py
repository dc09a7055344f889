# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Changes of a folder, collected first and written at the end: nothing is written when anything is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..common import atomic_file
from .errors import KsonnetError


class Tree:
    """A folder with changes laid over it. Paths are relative to it, with ``/`` between the parts."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._files: dict[str, bytes | None] = {}
        self._folders: set[str] = set()

    def path(self, name: str) -> str:
        return os.path.join(self.root, *name.split("/"))

    def read_bytes(self, name: str) -> bytes | None:
        """Contents with all changes so far; None if there is no such file."""
        if name in self._files:
            return self._files[name]
        return self._on_disk(name)

    def _on_disk(self, name: str) -> bytes | None:
        try:
            with open(self.path(name), "rb") as stream:
                return stream.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            raise KsonnetError(f"{self.path(name)} cannot be read: {exc.strerror}") from exc

    def read(self, name: str) -> str | None:
        data = self.read_bytes(name)
        try:
            return None if data is None else data.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise KsonnetError(f"{self.path(name)} is not UTF-8 text") from exc

    def write(self, name: str, content: str | bytes) -> None:
        self._files[name] = content.encode("utf-8") if isinstance(content, str) else content

    def remove(self, name: str) -> None:
        self._files[name] = None

    def folder(self, name: str) -> None:
        """Have this folder, empty or not."""
        self._folders.add(name)

    def files(self, folder: str) -> Iterator[str]:
        """Names of all files below a folder, sorted, with all changes so far."""
        top = self.path(folder)
        found = set()
        for path, _folders, files in os.walk(top):
            relative = os.path.relpath(path, self.root).replace(os.sep, "/")
            found.update(f"{relative}/{name}" for name in files)
        found.update(name for name in self._files if name.startswith(folder + "/"))
        yield from (name for name in sorted(found) if self._files.get(name, b"") is not None)

    def remove_folder(self, name: str) -> None:
        for file in list(self.files(name)):
            self.remove(file)

    def changes(self) -> dict[str, tuple[bytes | None, bytes | None]]:
        """Files that would differ: name to contents before and after (None: does not exist)."""
        result = {}
        for name, after in sorted(self._files.items()):
            before = self._on_disk(name)
            if before != after:
                result[name] = (before, after)
        return result

    def new_folders(self) -> list[str]:
        return sorted(name for name in self._folders if not os.path.isdir(self.path(name)))

    def commit(self) -> None:
        """Write all changes: each file beside its place and then moved there; app.yaml last."""
        for name in self.new_folders():
            os.makedirs(self.path(name), exist_ok=True)
        changes = self.changes()
        for name in sorted(changes, key=lambda n: (n == "app.yaml", n)):
            after = changes[name][1]
            if after is None:
                os.unlink(self.path(name))
                self._prune(os.path.dirname(self.path(name)))
            else:
                write_file(self.path(name), after)

    def _prune(self, folder: str) -> None:
        """Remove folders left empty, except the app's own top ones."""
        while os.path.relpath(folder, self.root).count(os.sep) >= 1 and not os.listdir(folder):
            os.rmdir(folder)
            folder = os.path.dirname(folder)


def write_file(path: str, content: bytes, mode: int | None = None) -> None:
    """Write beside the place, bring it to the disk, and put it in place; a file keeps its mode unless one is given."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    atomic_file.replace(path, content, _usual_mode(path) if mode is None else mode)


def _usual_mode(path: str) -> int:
    """The mode of the file that is there, or that a new one gets."""
    try:
        return os.stat(path).st_mode & 0o777
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask
