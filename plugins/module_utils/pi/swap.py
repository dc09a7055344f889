# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Swap on a Pi: who switches it on, and what has to change so that it stays off. Pure functions on text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

HEADER = "# Written by bramble.kube; changes here are overwritten.\n"
RPI_SWAP_FILE = "/etc/rpi/swap.conf.d/90-bramble-kube.conf"
ZRAM_GENERATOR_FILE = "/etc/systemd/zram-generator.conf.d/90-bramble-kube.conf"
DPHYS_FILE = "/etc/dphys-swapfile"
DPHYS_DEFAULT = "/var/swap"
#: Where systemd-zram-generator looks, the least important first (zram-generator.conf(5)).
ZRAM_GENERATOR_SOURCES = ("/usr/lib/systemd", "/usr/local/lib/systemd", "/run/systemd", "/etc/systemd")


def is_zram(name: str) -> bool:
    """Whether a swap area is compressed memory."""
    return bool(re.fullmatch(r"/dev/zram\d+", name))


def rpi_swap_text(state: str) -> str:
    """What rpi-swap is told: nothing at all, or compressed memory without a file behind it."""
    return HEADER + "[Main]\nMechanism=" + ("none" if state == "off" else "zram") + "\n"


def zram_sections(texts: Iterable[str]) -> list[str]:
    """The devices that zram-generator's configuration sets up."""
    return sorted({name for text in texts for name in re.findall(r"^\[(zram\d+)\]", text, re.MULTILINE)})


def zram_generator_text(devices: Iterable[str]) -> str:
    """What zram-generator is told so that no device comes: none of them on a machine with more than 0 MB of memory."""
    return HEADER + "".join(f"[{device}]\nhost-memory-limit = 0\n" for device in devices)


def dphys_text(text: str) -> str:
    """dphys-swapfile's configuration with size 0, with which it makes no file; the rest as it was."""
    line = "CONF_SWAPSIZE=0"
    changed, count = re.subn(r"^[ \t]*#?[ \t]*CONF_SWAPSIZE=.*$", line, text, count=1, flags=re.MULTILINE)
    if not count:
        changed = text + ("" if not text or text.endswith("\n") else "\n") + line + "\n"
    # A later line would win; a limit computed from the memory is only used without a size.
    head, _line, tail = changed.partition(line)
    return head + line + re.sub(r"^[ \t]*CONF_SWAPSIZE=.*\n?", "", tail, flags=re.MULTILINE)


def dphys_swap_file(text: str) -> str:
    """The file that dphys-swapfile makes."""
    match = re.search(r"^[ \t]*CONF_SWAPFILE=[\"']?([^\"'\s#]+)", text, re.MULTILINE)
    return match.group(1) if match else DPHYS_DEFAULT


def fstab_text(text: str, keep_zram: bool) -> str:
    """fstab without swap: its lines stay, as comments."""
    lines = []
    for line in text.splitlines(keepends=True):
        fields = line.split()
        is_swap = len(fields) >= 3 and not fields[0].startswith("#") and fields[2] == "swap"
        if is_swap and not (keep_zram and is_zram(fields[0])):
            line = "# switched off by bramble.kube: " + line
        lines.append(line)
    return "".join(lines)


def is_swap_area(head: bytes, page_size: int) -> bool:
    """Whether a file is swap, by its signature at the end of its first page."""
    return head[page_size - 10 : page_size] in (b"SWAPSPACE2", b"SWAP-SPACE")


#: swapon as a command, in a script, a line of a unit, or a list of words; not where it only shows or says something,
#: nor where it goes by fstab, which has no swap any more.
_SWAPON = re.compile(
    r"(?<![\w.-])swapon(?![\w.-])(?![\"']?,?\s*[\"']?(-s|--show|--summary|-a|--all|-V|--version|--help)\b)"
)
_SAYS = re.compile(r"^\s*(#|(echo|printf|print|logger|log)\b)")


def switches_on(script: str) -> bool:
    """Whether a script, or a command, switches swap on."""
    return any(_SWAPON.search(line) for line in script.splitlines() if not _SAYS.match(line))


@dataclass(frozen=True)
class Switch:
    """A unit of systemd that switches swap on, or starts one that does, and the word that ends that."""

    name: str
    verb: str


#: What is asked of each unit.
UNIT_PROPERTIES = (
    "Id",
    "UnitFileState",
    "FragmentPath",
    "SourcePath",
    "What",
    "ExecStartPre",
    "ExecStart",
    "ExecStartPost",
    "TriggeredBy",
)


def is_of_zram(text: str) -> bool:
    """Whether a script is about compressed memory."""
    return bool(re.search(r"^[^#\n]*zram", text, re.MULTILINE))


def scripts_of(command: str, read: Callable[[str], str]) -> list[str]:
    """The scripts that a command names by their full paths."""
    return [read(word) for word in command.split() if word.startswith("/")]


def lines_of_cron(text: str, read: Callable[[str], str], keep_zram: bool) -> list[int]:
    """Find the lines of a crontab, or of a script that cron runs, that switch swap on.

    :param read: gives a script's text, "" for what is no text.
    :returns: their numbers, from 1.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        scripts = [] if line.lstrip().startswith("#") else scripts_of(line, read)
        acts = any(map(switches_on, [line, *scripts]))
        if acts and not (keep_zram and is_of_zram("\n".join([line, *scripts]))):
            found.append(number)
    return found


def switches(shown: str, read: Callable[[str], str], keep_zram: bool) -> list[Switch]:
    """Find the units that switch swap on.

    What a generator writes follows the generator's configuration: fstab's, zram-generator's, rpi-swap's. The units that
    systemd makes of SysV scripts are no more than a name for these; those of swap partitions have no configuration.
    A service that only a timer or a path starts stays; that unit goes.

    :param shown: what `systemctl show` printed of UNIT_PROPERTIES.
    :param read: gives a script's text, "" for what is no text.
    :param keep_zram: whether compressed memory stays.
    """
    units = [
        [(key, value) for key, _equals, value in (line.partition("=") for line in paragraph.splitlines())]
        for paragraph in shown.split("\n\n")
    ]
    state = {unit["Id"]: unit.get("UnitFileState", "") for unit in map(dict, units) if "Id" in unit}
    found = {}
    for pairs in units:
        unit = dict(pairs)
        name, file = unit.get("Id", ""), unit.get("FragmentPath", "")
        generated = file.startswith("/run/systemd/generator")
        if name.endswith(".swap"):
            acts, text = not generated or "/generator.late/" in file, unit.get("What", "")
        else:
            commands = [
                command
                for key, value in pairs
                if key.startswith("ExecStart")
                for command in re.findall(r"argv\[\]=(.*?) ; ignore_errors=", value)
            ]
            scripts = [text for command in commands for text in scripts_of(command, read)]
            acts = (not generated or unit.get("SourcePath", "").startswith("/etc/init.d/")) and any(
                map(switches_on, [*commands, *scripts])
            )
            text = "\n".join([name, *commands, *scripts])
        if acts and not (keep_zram and is_of_zram(text)):
            triggers = [trigger for trigger in unit.get("TriggeredBy", "").split() if trigger in state]
            for one in [*triggers, name] if state[name] != "static" or not triggers else triggers:
                masked = state[one] == "static" or (generated and one.endswith(".swap"))
                found[one] = Switch(one, "mask" if masked else "disable")
    return list(found.values())
