# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""A machine as its files and programs show it; tests give it a folder instead."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file

#: Where programs are looked for.
_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclass(frozen=True)
class Done:
    """How a program ended: its exit code, and what it printed."""

    code: int
    output: str
    errors: str


class System:
    """Reads files and runs programs, and never fails because one of them is missing.

    :param root: the folder that stands for ``/``.
    """

    def __init__(self, root: str = "/") -> None:
        self.root = root

    def path(self, path: str) -> str:
        """Where an absolute path lies on this machine."""
        return path if self.root == "/" else os.path.join(self.root, path.lstrip("/"))

    def read(self, path: str) -> str:
        """The file's text, "" when it is missing or cannot be read."""
        try:
            with open(self.path(path), "rb") as file:
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def text(self, path: str) -> str:
        """The file's text, "" when it is not there.

        :raises OSError: when it is there and cannot be read.
        """
        return atomic_file.text(self.path(path))

    def write(self, path: str, content: bytes | None, mode: int = 0o644, secret: bool = False) -> None:
        """Bring a file to a content, or remove it; see :mod:`atomic_file`."""
        atomic_file.write(atomic_file.Wanted(self.path(path), content, mode, secret=secret))

    def exists(self, path: str) -> bool:
        """Whether something is at the path."""
        return os.path.exists(self.path(path))

    def names(self, path: str) -> list[str]:
        """The sorted names in a folder, none when it is missing."""
        try:
            return sorted(os.listdir(self.path(path)))
        except OSError:
            return []

    def program(self, name: str) -> str:
        """Path of a program on this machine, "" without it."""
        return (
            shutil.which(self.path(name) if name.startswith("/") else name, path=":".join(map(self.path, _FOLDERS)))
            or ""
        )

    def real(self, path: str) -> str:
        """The path with its links followed, as it is called on this machine."""
        return os.path.realpath(self.path(path))

    def call(self, arguments: Iterable[str], timeout: float | None = None, data: str = "", **environment: str) -> Done:
        """Run a program, in English.

        :param timeout: seconds after which it is stopped.
        :param data: what it reads.
        :param environment: what to add to its environment.
        """
        surroundings = dict(os.environ, LC_ALL="C", LANGUAGE="C", **environment)
        surroundings["PATH"] = ":".join(_FOLDERS)
        words = list(arguments)
        try:
            # It also runs outside a module, where there is no run_command.
            done = subprocess.run(  # pylint: disable=ansible-bad-function
                words, input=data.encode(), capture_output=True, timeout=timeout, env=surroundings, check=False
            )
        except OSError as error:
            return Done(127, "", f"{words[0]}: {error.strerror}")
        except subprocess.SubprocessError as error:
            return Done(124, "", str(error))
        return Done(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    def run(self, arguments: Iterable[str], timeout: float = 10) -> str:
        """What a program prints, "" when it is missing, fails or takes longer than ``timeout`` seconds."""
        done = self.call(arguments, timeout)
        return done.output if done.code == 0 else ""
