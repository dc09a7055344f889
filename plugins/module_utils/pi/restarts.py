# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Remembers which running services have not read their changed files yet, also over a run that was cut short.

When a file changes, the service's systemd invocation id (a new one at each start) is noted in /run. As long as the
service
has that id it still runs with the old file; a restart or a reboot ends that without anything to clean up.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import Callable

FOLDER = "/run/bramble.kube"


def _path(folder: str, service: str) -> str:
    return os.path.join(folder, f"{service}.changed-under")


def note(services: Iterable[str], invocation: Callable[[str], str], folder: str = FOLDER) -> None:
    """Note, before their files change, under which invocation these services run; those that don't run need no note."""
    for service in services:
        current = invocation(service)
        if current:
            os.makedirs(folder, mode=0o755, exist_ok=True)
            with open(_path(folder, service), "w", encoding="ascii") as file:
                file.write(current)


def pending(services: Iterable[str], invocation: Callable[[str], str], folder: str = FOLDER) -> list[str]:
    """Those of the services that still run as they did when their files changed."""
    found = []
    for service in services:
        noted = ""
        with contextlib.suppress(FileNotFoundError), open(_path(folder, service), encoding="ascii") as file:
            noted = file.read().strip()
        if noted and noted == invocation(service):
            found.append(service)
    return found
