# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets Python keep what it compiled of this collection's module_utils, beside the files, as it does for every package.

Ansible's own loader compiles a collection's files anew in every process that uses them, and each task is a process: for
a push of some hundred objects that is a fifth of what it takes beyond the API server's own time.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from types import ModuleType

PREFIX = __name__.partition(".plugins.")[0] + ".plugins.module_utils."


class Finder:
    """Finds modules where Ansible does, and loads them as Python does."""

    def __init__(self) -> None:
        self._folders: dict[str, FileFinder] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where a module is; None for those of others, and for what is not in the folders of its package."""
        if not fullname.startswith(PREFIX):
            return None
        for folder in path or ():
            if folder not in self._folders:
                self._folders[folder] = FileFinder(folder, (SourceFileLoader, [".py"]))
            spec = self._folders[folder].find_spec(fullname)
            if spec is not None and spec.loader is not None:
                return spec
        return None


def install() -> None:
    """Be asked before Ansible's loader, once in a process."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())
