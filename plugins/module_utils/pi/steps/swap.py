# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that switches swap off."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.step import command, file_diff
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi import facts, parse, swap

OPTIONS = {"state": {"type": "str", "choices": ["off", "zram", "keep"], "default": "off"}}

#: Bytes of a script that are read; a program is none.
_SCRIPT = 256 * 1024
#: rc.local does whatever its owner wants, so it is not for us to switch off.
RC_LOCAL = "rc-local.service"
#: Units that start others.
_TRIGGERS = (".timer", ".path")
#: Folders whose files cron reads or runs (cron(8), run-parts(8)).
_CRON = ("/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly")
#: Crontabs by their users' names.
_CRONTABS = "/var/spool/cron/crontabs"


def script(system: System, path: str) -> str:
    """A script's text; "" for a program, a folder, a device, or what is not there."""
    # Opening a pipe or a device may wait for ever, or act.
    if path.startswith(("/dev/", "/proc/", "/sys/")) or not os.path.isfile(system.path(path)):
        return ""
    try:
        with open(system.path(path), "rb") as file:
            head = file.read(_SCRIPT)
    except OSError:
        return ""
    return "" if b"\0" in head else head.decode("utf-8", "replace")


def switches(system: System, state: str) -> list[swap.Switch]:
    """The units that switch swap on at boot or by a timer, or have done so.

    :raises Stop: when rc.local does.
    """
    ask = ("--no-legend", "--no-pager", "--plain")
    enabled = "--state=enabled,enabled-runtime,generated"
    listed = system.call(["systemctl", "list-unit-files", *ask, "--type=service,swap,timer,path", enabled]).output
    listed += system.call(["systemctl", "list-units", *ask, "--type=service,timer,path", "--state=active"]).output
    names = {line.split()[0] for line in listed.splitlines() if line.strip()}
    names = sorted(name for name in names if name.endswith((".service", ".swap", *_TRIGGERS)) and "@." not in name)
    triggers = [name for name in names if name.endswith(_TRIGGERS)]
    if triggers:
        started = system.call(["systemctl", "show", "-p", "Triggers", "--value", "--", *triggers]).output.split()
        names = sorted({*names, *started})
    if not names:
        return []
    shown = system.call(["systemctl", "show", "-p", ",".join(swap.UNIT_PROPERTIES), "--", *names]).output
    found = swap.switches(shown, lambda path: script(system, path), keep_zram=state == "zram")
    if RC_LOCAL in [one.name for one in found]:
        raise Stop("/etc/rc.local switches swap on at each boot: take swapon out of it, then run this again.")
    return found


def refuse_cron(system: System, state: str) -> None:
    """Stop when cron switches swap on: a crontab is its owner's, as rc.local is.

    :raises Stop: with every such line.
    """
    files = ["/etc/crontab", "/etc/anacrontab"]
    # cron and run-parts leave out names with other characters, such as those of copies.
    files += [f"{folder}/{name}" for folder in _CRON for name in system.names(folder) if re.fullmatch(r"[\w-]+", name)]
    files += [f"{_CRONTABS}/{name}" for name in system.names(_CRONTABS)]
    found = [
        f"{path}, line {number}"
        + (f" (sudo crontab -u {os.path.basename(path)} -e)" if path.startswith(_CRONTABS) else "")
        for path in files
        for number in swap.lines_of_cron(
            script(system, path), lambda name: script(system, name), keep_zram=state == "zram"
        )
    ]
    if found:
        raise Stop(f"cron switches swap on: take swapon out of this, then run this again: {'; '.join(found)}.")


def zram_devices(system: System) -> list[str]:
    """The devices of zram-generator's configuration."""
    texts = []
    for folder in swap.ZRAM_GENERATOR_SOURCES:
        texts.append(system.read(f"{folder}/zram-generator.conf"))
        parts = f"{folder}/zram-generator.conf.d"
        texts += [system.read(f"{parts}/{name}") for name in system.names(parts) if name.endswith(".conf")]
    return swap.zram_sections(texts)


def wanted_files(system: System, state: str) -> dict[str, str]:
    """What the configuration of every swap manager on this machine should say, by path."""
    files = {}
    if system.exists("/etc/rpi/swap.conf") or system.exists("/usr/lib/rpi/swap.conf"):
        files[swap.RPI_SWAP_FILE] = swap.rpi_swap_text(state)
    elif state == "off":
        devices = zram_devices(system)
        if devices:
            files[swap.ZRAM_GENERATOR_FILE] = swap.zram_generator_text(devices)
    if system.exists(swap.DPHYS_FILE):
        files[swap.DPHYS_FILE] = swap.dphys_text(system.read(swap.DPHYS_FILE))
    fstab = system.read("/etc/fstab")
    if parse.fstab_swaps(fstab):
        files["/etc/fstab"] = swap.fstab_text(fstab, keep_zram=state == "zram")
    return files


def leftover_files(system: System, areas: list, state: str) -> list[str]:
    """Swap files on the card: those in use, those of the managers, and those in fstab."""
    names = [area["name"] for area in areas if area["type"] == "file"]
    names += [name for name in parse.fstab_swaps(system.read("/etc/fstab")) if name.startswith("/")]
    if system.exists(swap.DPHYS_FILE) or facts.swap_manager(system, {}) in ("rpi-swap", "dphys-swapfile"):
        names.append(swap.dphys_swap_file(system.read(swap.DPHYS_FILE)))
    found = []
    page = os.sysconf("SC_PAGE_SIZE")
    for name in dict.fromkeys(names):
        path = system.path(name)
        if not os.path.isfile(path):
            continue
        with open(path, "rb") as file:
            head = file.read(65536)
        if name in [area["name"] for area in areas] or any(
            swap.is_swap_area(head, size) for size in (page, 4096, 16384)
        ):
            found.append(name)
    return found


def run(system: System, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Switch swap off, and keep it off."""
    state = options["state"]
    if state == "keep":
        return {"changed": False, "switched_off": [], "files": [], "services": [], "removed": []}
    areas = parse.swaps(system.read("/proc/swaps"))
    to_end = [area["name"] for area in areas if not (state == "zram" and swap.is_zram(area["name"]))]
    files = {path: text for path, text in wanted_files(system, state).items() if system.read(path) != text}
    units = switches(system, state)
    refuse_cron(system, state)
    removed = leftover_files(system, areas, state)
    diff = [file_diff(system, path, text) for path, text in files.items()]
    if to_end:
        used = "".join(f"{area['name']}\n" for area in areas)
        left = "".join(f"{area['name']}\n" for area in areas if area["name"] not in to_end)
        diff.append({"before_header": "/proc/swaps", "after_header": "/proc/swaps", "before": used, "after": left})
    if not check_mode:
        # Configuration first: after a cut in between, the next boot brings no swap.
        for path, text in files.items():
            mode = 0o644 if not os.path.exists(path) else os.stat(path).st_mode & 0o7777
            place.write(place.Wanted(path, text.encode(), mode))
        for unit in units:
            # What is in a unit of swap goes below, with a sentence of its own when it cannot.
            now = () if unit.name.endswith(".swap") else ("--now",)
            command(system, "systemctl", unit.verb, *now, unit.name)
        if files:
            command(system, "systemctl", "daemon-reload")
        still = {area["name"] for area in parse.swaps(system.read("/proc/swaps"))}
        for name in to_end:
            if name not in still:
                continue
            done = system.call(["swapoff", name])
            if done.code != 0:
                raise Stop(
                    f"Swap on {name} cannot be switched off ({done.errors.strip()}): too little memory is free for "
                    "its content; stop some programs, or reboot, then run this again."
                )
        for name in removed:
            os.unlink(name)
    unknown = to_end and not (files or units)
    return {
        "changed": bool(to_end or files or units or removed),
        "warned": [
            f"Swap on {', '.join(to_end)} was on, but nothing was found that switches it on at boot; if it is there "
            "again later, 'journalctl --boot --grep swap' on the Pi may show what did that."
        ]
        if unknown
        else [],
        "switched_off": to_end,
        "files": sorted(files),
        "services": [unit.name for unit in units],
        "removed": removed,
        "diff": diff,
    }
