# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that installs packages and brings them up to date."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done, System
from ansible_collections.bramble.kube.plugins.module_utils.pi import apt_refusals, archive, packages

OPTIONS = {
    "names": {"type": "list", "elements": "str", "default": []},
    "newest": {"type": "bool", "default": False},
    "hold": {"type": "bool", "default": False},
    "upgrade": {"type": "bool", "default": False},
    "upgrade_valid": {"type": "int", "default": 86400},
    "lock_timeout": {"type": "int", "default": 300},
    "ignore_dates": {"type": "bool", "default": False},
    "archive": {"type": "str", "default": ""},
}

_ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBIAN_PRIORITY": "critical",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_SUSPEND": "1",
}
_KEEP_CONFIGURATION = ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]
_SIMULATED = re.compile(r"^Inst (\S+)(?: \[([^\]]*)\])? \((\S+)", re.MULTILINE)


def move_to_archive(system: System, address: str) -> list[str]:
    """Change the package sources to the archive.

    :returns: the files that were changed.
    """
    folder = "/etc/apt/sources.list.d"
    paths = ["/etc/apt/sources.list"]
    paths += [f"{folder}/{name}" for name in system.names(folder) if name.endswith((".list", ".sources"))]
    changed = []
    for path in paths:
        text = system.read(path)
        if archive.archived(text, address) != text:
            place.write(place.Wanted(path, archive.archived(text, address).encode()))
            changed.append(path)
    place.write(place.Wanted(archive.APT_FILE, archive.APT_TEXT.encode()))
    return changed


def _due(system: System, options: Mapping[str, Any]) -> packages.Due:
    return packages.due(
        *(system, options["names"], options["upgrade"], options["upgrade_valid"]),
        *(options.get("newest", False), options.get("hold", False)),
    )


def is_due(system: System, options: Mapping[str, Any]) -> bool:
    """Whether something is missing, unfinished or old; without asking apt."""
    return bool(_due(system, options))


def run(system: System, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Do what is due."""
    due = _due(system, options)
    if not due:
        return {"changed": False, "changes": [], "resumed": []}
    return _foreseen(system, due) if check_mode else _Work(system, options, due).done()


def _result(changes: list[str], due: packages.Due, warned: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "changed": bool(changes or due.unfinished),
        "changes": changes,
        "resumed": list(due.unfinished),
        "diff": {"before": "", "after": "".join(f"{line}\n" for line in changes)},
        "warned": list(warned),
    }


def _foreseen(system: System, due: packages.Due) -> dict[str, Any]:
    changes = [f"{name} would be installed" for name in due.missing] + _held(due.unheld)
    if due.upgrade:
        output = system.call(["apt-get", "-s", "-q", "upgrade", "--with-new-pkgs"], **_ENVIRONMENT).output
        changes += [f"{name} {old or ''} -> {new}" for name, old, new in _SIMULATED.findall(output)]
    return _result(changes, due)


def _held(names: Iterable[str]) -> list[str]:
    return [f"{name} held" for name in names]


class _Work:
    """One go at the packages."""

    def __init__(self, system: System, options: Mapping[str, Any], due: packages.Due) -> None:
        self.system, self.options, self.due = system, options, due
        self.before = packages.installed(system)
        self.moved: list[str] = []
        self.unread = ""
        self.held: list[str] = []
        self.apt = ["apt-get", "-q", "-y", *_KEEP_CONFIGURATION]
        self.apt += ["-o", f"DPkg::Lock::Timeout={options['lock_timeout']}"]
        if options["ignore_dates"]:
            self.apt += ["-o", "Acquire::Check-Date=false", "-o", "Acquire::Check-Valid-Until=false"]

    def done(self) -> dict[str, Any]:
        """Do everything, and tell what became of it."""
        self.wait()
        if self.options["hold"]:
            packages.note_held(self.system, packages.names_of(self.options["names"]))
        if self.due.unfinished:
            self.resume()
        self.hold(name for name in self.due.unheld if name in self.before)
        if self.due.missing or self.due.upgrade:
            self.update()
        if self.due.missing:
            self.install()
        if self.due.upgrade:
            self.wait()
            trouble = self.try_to([*self.apt, "upgrade", "--with-new-pkgs"])
            if trouble:
                self.fail(
                    "Packages cannot be brought up to date", trouble, "'sudo apt upgrade' on the machine shows more."
                )
            packages.stamp(self.system)
        return _result(self.changes(), self.due, [self.unread] if self.unread else [])

    def install(self) -> None:
        """Install what is missing, if nothing else has to go for it, and hold it."""
        self.wait()
        arguments = [*self.apt, "install", "--no-install-recommends"]
        if self.options["hold"]:
            arguments.append("--allow-change-held-packages")
        gone = packages.removed(self.call([*arguments, "--simulate", *self.due.missing]).output)
        if gone:
            raise Stop(
                f"Installing {', '.join(self.due.missing)} would remove {', '.join(gone)}, so nothing was installed."
                f" Remove {'it' if len(gone) == 1 else 'them'} yourself first if nothing needs"
                f" {'it' if len(gone) == 1 else 'them'} any more.",
                changes=self.changes(),
                resumed=[],
            )
        trouble = self.try_to([*arguments, "--no-remove", *self.due.missing])
        if trouble:
            unread = f"Not all package lists could be read: {self.unread}" if self.unread else ""
            self.fail(
                f"{', '.join(self.due.missing)} cannot be installed",
                trouble,
                unread or "'sudo apt update' and 'sudo apt install' on the machine show more.",
            )
        if self.options["hold"]:
            self.hold(packages.names_of(self.options["names"]))

    def hold(self, names: Iterable[str]) -> None:
        """Hold packages, which apt has taken the hold off when it changed them."""
        names = list(names)
        if not names:
            return
        trouble = self.try_to(["apt-mark", "hold", *names])
        if trouble:
            self.fail(f"{', '.join(names)} cannot be held", trouble, "'apt-mark showhold' on the machine shows more.")
        self.held = [name for name in self.due.unheld if name in names or name in self.held]

    def changes(self) -> list[str]:
        """What has become of package sources and packages so far."""
        moved = [f"{path} names the archive" for path in self.moved]
        return moved + packages.changes(self.before, packages.installed(self.system)) + _held(self.held)

    def call(self, arguments: list[str]) -> Done:
        """Run apt or dpkg, once nobody else does."""
        return packages.call(self.system, arguments, self.options["lock_timeout"], **_ENVIRONMENT)

    def try_to(self, arguments: list[str]) -> str:
        """Run apt or dpkg; the reason when it fails."""
        done = self.call(arguments)
        return "" if done.code == 0 else packages.reason(done.output + "\n" + done.errors)

    def fail(self, what: str, trouble: str, hint: str) -> None:
        """Stop with a sentence, and with what has been done already."""
        raise Stop(f"{what}: {trouble}. {hint}", changes=self.changes(), resumed=[])

    def wait(self) -> None:
        """Wait for others that install."""
        seconds = self.options["lock_timeout"]
        program = packages.wait_for_locks(self.system, seconds)
        if program:
            self.fail(
                "Packages cannot be installed",
                f"{program} has been doing so for {seconds} seconds",
                "Look at it with 'ps', and run this again once it has ended.",
            )

    def resume(self) -> None:
        """Finish what dpkg was interrupted at."""
        trouble = self.try_to(["dpkg", "--force-confdef", "--force-confold", "--configure", "-a"])
        trouble = self.try_to([*self.apt, "--fix-broken", "install"]) or trouble
        left = packages.due(self.system, [], False, 0).unfinished
        if left:
            self.fail(
                f"dpkg cannot finish {', '.join(left)}",
                trouble or "it gives no reason",
                "'sudo dpkg --configure -a' on the machine shows more.",
            )

    def update(self) -> None:
        """Read the package lists, from the archive once the mirrors have dropped the release.

        What is wanted may be had although some list cannot be read; if not, that is the reason to tell.
        """
        for attempt in range(3):
            self.wait()
            last = attempt == 2
            done = self.call([*self.apt, "update", *([] if last else ["--error-on=any"])])
            output = f"{done.output}\n{done.errors}"
            if done.code == 0 and not last:
                self.unread = ""
                return
            found = apt_refusals.refusals(output)
            self.unread = apt_refusals.sentences(self.system, found) or self.unread or packages.reason(output)
            if done.code == 0:
                return
            if self.options["archive"] and archive.is_gone(output):
                self.moved = move_to_archive(self.system, self.options["archive"])
            elif found and all(refusal.lasting for refusal in found) and not last:
                # Trying again is of no use; the other lists may do.
                if self.call([*self.apt, "update"]).code == 0:
                    return
                break
        raise Stop(f"The package lists cannot be read: {self.unread}", changes=self.changes(), resumed=[])
