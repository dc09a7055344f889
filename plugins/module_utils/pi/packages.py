# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debian packages on a machine on which others install too, and whose power may have been cut in the middle of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.bramble.kube.plugins.module_utils.pi import parse
from ansible_collections.bramble.kube.plugins.module_utils.pi.system import System

#: Locks of dpkg and apt in the order in which they are taken.
LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock")
#: Its time tells when everything was last brought up to date.
STAMP = "/var/lib/bramble.kube/packages-upgraded"


@dataclass(frozen=True)
class Due:
    """What has to be done.

    :ivar missing: packages to install.
    :ivar unfinished: packages that dpkg was interrupted at.
    :ivar upgrade: whether packages have to be brought up to date.
    """

    missing: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    upgrade: bool = False

    def __bool__(self) -> bool:
        return bool(self.missing or self.unfinished or self.upgrade)


def lock_holder(path: str) -> int | None:
    """The process that holds a lock, None when nobody does; found out without taking the lock."""
    try:
        number = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        answer = fcntl.fcntl(number, fcntl.F_GETLK, struct.pack("hhlli4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        kind, _whence, _start, _length, process = struct.unpack("hhlli4x", answer)
        return None if kind == fcntl.F_UNLCK else process
    except OSError:
        return None
    finally:
        os.close(number)


def holder(system: System, paths: Iterable[str] = LOCKS) -> str:
    """The program that is installing packages now, as "name (process number)"; "" when none is."""
    for path in paths:
        process = lock_holder(system.path(path))
        if process is not None:
            return f"{system.read(f'/proc/{process}/comm').strip() or 'a program'} (process {process})"
    return ""


def wait_for_locks(system: System, seconds: float, sleep: Callable[[float], None] = time.sleep) -> str:
    """Wait until nobody else installs packages.

    :returns: "" when the way is free, otherwise the program that still has the lock.
    """
    deadline = time.monotonic() + seconds
    while True:
        program = holder(system)
        if not program or time.monotonic() >= deadline:
            return program
        sleep(1)


def due(system: System, wanted: Iterable[str], upgrade: bool, valid_seconds: float) -> Due:
    """Work out what has to be done, from dpkg's own files.

    :param upgrade: whether packages are to be kept up to date.
    :param valid_seconds: how long after an upgrade no other is due.
    """
    packages = parse.dpkg_status(system.read("/var/lib/dpkg/status"))
    missing = tuple(name for name in dict.fromkeys(wanted) if packages.get(name, {}).get("state") != "installed")
    unfinished = tuple(parse.unfinished_packages(packages))
    if not unfinished and [name for name in system.names("/var/lib/dpkg/updates") if name.isdigit()]:
        unfinished = ("dpkg",)
    age = None
    with contextlib.suppress(OSError):
        age = time.time() - os.stat(system.path(STAMP)).st_mtime
    # A stamp of the future comes from a clock that was wrong.
    return Due(missing, unfinished, upgrade and not (age is not None and 0 <= age < valid_seconds))


def installed(system: System) -> dict[str, str]:
    """Versions of the installed packages by name."""
    packages = parse.dpkg_status(system.read("/var/lib/dpkg/status"))
    return {name: entry["version"] for name, entry in packages.items() if entry["state"] == "installed"}


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What became of the packages: "name version" for a new one, "name old -> new" for another version."""
    found = []
    for name in sorted({*before, *after}):
        if before.get(name) == after.get(name):
            continue
        if name not in before:
            found.append(f"{name} {after[name]}")
        elif name in after:
            found.append(f"{name} {before[name]} -> {after[name]}")
        else:
            found.append(f"{name} removed")
    return found


def stamp(system: System) -> None:
    """Note that everything is up to date."""
    path = system.path(STAMP)
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path, "w", encoding="ascii"):
        os.utime(path)


def reason(output: str) -> str:
    """The lines of apt's or dpkg's output that say what went wrong, as one line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "dpkg: error", "Err:"))]
    return "; ".join(dict.fromkeys((errors or lines)[-4:])) or "it printed nothing"
