# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What newer packages there are for a machine, and which of them want a reboot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi import apt_refusals, facts, packages, parse

OPTIONS = {
    "engine": {"type": "list", "elements": "str", "default": []},
    "ignore": {"type": "list", "elements": "str", "default": []},
    "mark": {"type": "bool", "default": False},
}
#: Seconds to wait for others that install: cards are slow.
WAIT = 600
LOCK = ("-o", f"DPkg::Lock::Timeout={WAIT}")
REBOOT_FILE = "/run/reboot-required"

#: apt-get(8): "Inst name [old] (new origin:version/suite [arch])".
_LINE = re.compile(r"^Inst (?P<name>\S+)(?: \[(?P<old>[^\]]*)\])? \((?P<new>\S+) ?(?P<origin>[^)\[]*)", re.MULTILINE)
#: Origins whose version is the OS release's, as "Debian:13.1/stable" or "Debian-Security:13/stable-security".
_RELEASE = re.compile(r"\b(?:Debian|Debian-Security|Raspbian|Ubuntu):(\d+(?:\.\d\d)?)\b")
#: Programs that run from boot on, or in every other one: nothing but a reboot replaces them all.
_BOOT = re.compile(
    r"(?:linux-image|raspberrypi-kernel|raspi-firmware|raspberrypi-bootloader|rpi-eeprom|firmware-)\S*"
    r"|libc6|libssl3\S*|systemd|dbus"
)


@dataclass(frozen=True)
class Newer:
    """A package of which there is a newer version; ``old`` is empty for one that another newly needs."""

    name: str
    old: str
    new: str
    origin: str

    def __str__(self) -> str:
        return f"{self.name} {self.old or '(new)'} -> {self.new}"

    @property
    def boots(self) -> bool:
        """Whether it takes effect with a reboot alone."""
        return bool(_BOOT.fullmatch(self.name))


def newer(simulated: str) -> list[Newer]:
    """Read what `apt-get --simulate upgrade` printed."""
    found = _LINE.finditer(simulated)
    return [Newer(m["name"], m["old"] or "", m["new"], m["origin"].strip()) for m in found]


def of_other_release(packages: Iterable[Newer], release: str) -> list[Newer]:
    """Packages that belong to another release of the OS than the one that is installed.

    :param release: VERSION_ID of os-release, as "13" or "24.04".
    """
    strangers = []
    for package in packages:
        number = _RELEASE.search(package.origin)
        if number and number.group(1) != release:
            strangers.append(package)
    return strangers


def split(packages: Sequence[Newer], engine: Iterable[str], left: Iterable[str]) -> tuple[list[Newer], list[Newer]]:
    """Tell the container engine's packages from those of the OS.

    :param engine: the engine's packages.
    :param left: packages that are none of both: Kubernetes' own, which go by exact release, and held ones.
    :returns: the engine's and the OS's.
    """
    engine, left = set(engine), set(left)
    return (
        [package for package in packages if package.name in engine],
        [package for package in packages if package.name not in engine | left],
    )


def wants_reboot(system: System) -> bool:
    """Whether something that was installed since the last boot wants a reboot; the file goes with the reboot."""
    return system.exists(REBOOT_FILE)


def apt(system: System, *arguments: str) -> str:
    """Run apt-get; what it printed."""
    done = packages.call(system, ["apt-get", "-q", *LOCK, *arguments], WAIT, DEBIAN_FRONTEND="noninteractive")
    if done.code:
        both = f"{done.output}\n{done.errors}"
        why = apt_refusals.sentences(system, apt_refusals.refusals(both)) or f"{packages.reason(both)}."
        raise Stop(f"'apt-get {' '.join(arguments)}' failed: {why}")
    return done.output


def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Ask apt, and mark what wants a reboot."""
    if not check:
        apt(system, "update", "--error-on=any")
    found = newer(apt(system, "--simulate", "--ignore-hold", "upgrade", "--with-new-pkgs"))
    release = facts.operating_system(system)
    strangers = of_other_release(found, release.get("version_id", ""))
    if strangers:
        raise Stop(
            f"The package sources in /etc/apt offer {strangers[0].name} of another release ({strangers[0].origin}),"
            f" and this is {release.get('name')}: this does not upgrade from one release of the OS to the next."
            " Write a card with the new release instead, or restore the sources."
        )
    status = parse.dpkg_status(system.read("/var/lib/dpkg/status"))
    held = [name for name, entry in status.items() if entry["want"] == "hold"]
    engine, others = split(found, options["engine"], [*options["ignore"], *held])
    changed = options["mark"] and any(package.boots for package in others) and not wants_reboot(system)
    if changed and not check:
        system.write(REBOOT_FILE, b"*** System restart required ***\n")
    return {
        "changed": changed,
        "os": [str(package) for package in others],
        "engine": [str(package) for package in engine],
        "reboot": wants_reboot(system),
    }
