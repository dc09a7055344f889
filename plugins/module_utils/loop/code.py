# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The folders of the laptop whose files go to the cluster as ConfigMaps: the programs, the desk, and code of models."""

from __future__ import annotations

import os
import re

#: Bytes that the files of a folder may have together; a ConfigMap has room for 1 MiB.
LARGEST = 900_000
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.(?:py|html|css|js|json|svg|txt|csv)")


def folder_of(code: str, base: str) -> str:
    """Where a model's code lies.

    :param base: the folder that a relative path starts from.
    """
    return os.path.join(base, os.path.expanduser(code))


def read(folder: str) -> dict[str, str]:
    """The files in a folder that go to the cluster, by name: text of known kinds, not hidden, none of folders in it.

    :raises OSError: when one cannot be read.
    :raises ValueError: when one is no text, with its name.
    """
    found = {}
    for name in sorted(filter(_FILE.fullmatch, os.listdir(folder))):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                content = file.read()
            try:
                found[name] = content.decode("utf-8")
            except UnicodeDecodeError:
                raise ValueError(f"{path} is not UTF-8") from None
    return found
