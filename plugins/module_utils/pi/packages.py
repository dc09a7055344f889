# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Debian packages on a machine on which others install too, and whose power may have been cut in the middle of it."""

from __future__ import annotations

import contextlib
import fcntl
import fnmatch
import os
import re
import struct
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done, System
from ansible_collections.bramble.kube.plugins.module_utils.pi import parse

#: Locks of dpkg and apt in the order in which they are taken.
LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock")
#: apt's and dpkg's words for a lock that another program holds. apt-get waits by itself (DPkg::Lock::Timeout), though
#: for dpkg's locks alone and not for that of the lists; apt-mark and dpkg do not wait.
_LOCKED = re.compile(r"lock was locked by|Could not get lock")
#: Its time tells when everything was last brought up to date.
STAMP = "/var/lib/bramble.kube/packages-upgraded"
#: Names the packages that are to stay as they are. Written before they are installed: apt takes the hold off a package
#: that it changes, and a power cut may come before it is on again.
HELD = "/var/lib/bramble.kube/packages-held"


@dataclass(frozen=True)
class Due:
    """What has to be done.

    :ivar missing: packages to install, as "name" or "name=version".
    :ivar unfinished: packages that dpkg was interrupted at.
    :ivar upgrade: whether packages have to be brought up to date.
    :ivar unheld: packages to hold.
    """

    missing: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    upgrade: bool = False
    unheld: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.unfinished or self.upgrade or self.unheld)


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


def call(system: System, arguments: Sequence[str], seconds: float, **environment: str) -> Done:
    """Run apt or dpkg, again and again while another program holds their locks.

    :param seconds: after which that program is an error.
    """
    deadline = time.monotonic() + seconds
    while True:
        done = system.call(arguments, **environment)
        if done.code == 0 or not _LOCKED.search(done.output + done.errors) or time.monotonic() >= deadline:
            return done
        time.sleep(1)


def _is_there(packages: Mapping[str, Mapping[str, str]], wanted: str) -> bool:
    name, _sign, version = wanted.partition("=")
    entry = packages.get(name, {})
    return entry.get("state") == "installed" and fnmatch.fnmatchcase(entry.get("version", ""), version or "*")


def names_of(wanted: Iterable[str]) -> list[str]:
    """Packages without their versions."""
    return [entry.partition("=")[0] for entry in wanted]


def due(
    system: System, wanted: Iterable[str], upgrade: bool, valid_seconds: float, newest: bool = False, hold: bool = False
) -> Due:
    """Work out what has to be done, from dpkg's own files.

    :param wanted: packages, as "name" or, as apt writes it, "name=version" with * in the version.
    :param upgrade: whether packages are to be kept up to date.
    :param valid_seconds: how long after an upgrade no other is due.
    :param newest: whether those that are there may have to be brought to the newest version.
    :param hold: whether those that are wanted are to be held.
    """
    packages = parse.dpkg_status(system.read("/var/lib/dpkg/status"))
    wanted = list(dict.fromkeys(wanted))
    missing = tuple(entry for entry in wanted if newest or not _is_there(packages, entry))
    kept = names_of(wanted) if hold else []
    if upgrade:
        kept += [name for name in system.read(HELD).split() if name in packages]
    unheld = tuple(name for name in dict.fromkeys(kept) if packages.get(name, {}).get("want") != "hold")
    unfinished = tuple(parse.unfinished_packages(packages))
    if not unfinished and [name for name in system.names("/var/lib/dpkg/updates") if name.isdigit()]:
        unfinished = ("dpkg",)
    age = None
    with contextlib.suppress(OSError):
        age = time.time() - os.stat(system.path(STAMP)).st_mtime
    # A stamp of the future comes from a clock that was wrong.
    return Due(missing, unfinished, upgrade and not (age is not None and 0 <= age < valid_seconds), unheld)


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


def note_held(system: System, names: Iterable[str]) -> None:
    """Note that these packages are to be held, those noted before included."""
    before = system.read(HELD).split()
    after = sorted({*before, *names})
    if after != before:
        path = system.path(HELD)
        atomic_file.write(atomic_file.Wanted(path, "".join(f"{name}\n" for name in after).encode()))


def removed(simulated: str) -> list[str]:
    """The packages that apt-get would remove, from what it printed with --simulate."""
    return sorted(set(re.findall(r"(?m)^(?:Remv|Purg) (\S+)", simulated)))


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
