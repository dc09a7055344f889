# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Reads the text in which kernel, firmware and Debian's tools keep their state. Pure functions that skip bad lines."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any


def os_release(text: str) -> dict[str, str]:
    """Read os-release(5) into a dict of its keys."""
    values = {}
    for line in text.splitlines():
        key, separator, value = line.strip().partition("=")
        if separator and not key.startswith("#"):
            values[key] = value.strip().strip("\"'")
    return values


def machine_id_sha256(text: str) -> str:
    """A hash of a machine-id, which itself is confidential (machine-id(5)); "" when the text is none."""
    text = text.strip()
    if not re.fullmatch(r"[0-9a-f]{32}", text):
        return ""
    return hashlib.sha256(b"bramble.kube:" + text.encode()).hexdigest()


def memory_mb(meminfo: str) -> int:
    """MemTotal of /proc/meminfo in MB (1000 kB each, as kubeadm counts), 0 when it is not there."""
    match = re.search(r"^MemTotal:\s+(\d+) kB", meminfo, re.MULTILINE)
    return int(match.group(1)) // 1024 if match else 0


def swaps(text: str) -> list[dict[str, Any]]:
    """The swap areas of /proc/swaps: name, size_kb, type (partition or file)."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) >= 3 and fields[2].isdigit():
            name = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code.group(1), 8)), fields[0])
            found.append({"name": name, "size_kb": int(fields[2]), "type": fields[1]})
    return found


def fstab_swaps(text: str) -> list[str]:
    """The devices and files that fstab(5) switches on as swap."""
    entries = (line.split() for line in text.splitlines() if not line.lstrip().startswith("#"))
    return [fields[0] for fields in entries if len(fields) >= 3 and fields[2] == "swap"]


def cgroups_v1(text: str) -> dict[str, bool]:
    """Controllers of /proc/cgroups, and whether each is enabled. Says nothing on a machine with cgroup v2."""
    found = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 4 and not line.startswith("#"):
            found[fields[0]] = fields[3] == "1"
    return found


def listening_ports(*tables: str) -> list[int]:
    """Ports in state LISTEN in the text of /proc/net/tcp and tcp6."""
    ports = set()
    for table in tables:
        for line in table.splitlines()[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == "0A":
                _address, _colon, port = fields[1].rpartition(":")
                try:
                    ports.add(int(port, 16))
                except ValueError:
                    continue
    return sorted(ports)


def interfaces(ip_json: str) -> list[dict[str, Any]]:
    """Interfaces of ``ip -json address``: name, mac, addresses (with prefix length)."""
    try:
        entries = json.loads(ip_json or "[]")
    except ValueError:
        return []
    found = []
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict) or not entry.get("ifname"):
            continue
        addresses = [
            f"{address['local']}/{address['prefixlen']}"
            for address in entry.get("addr_info") or ()
            if address.get("local") and address.get("prefixlen") is not None
        ]
        found.append({"name": entry["ifname"], "mac": entry.get("address", ""), "addresses": addresses})
    return found


def dpkg_status(text: str) -> dict[str, dict[str, str]]:
    """Packages of dpkg's status file: version, want (install, hold, ...), error, state (installed, unpacked, ...)."""
    packages: dict[str, dict[str, str]] = {}
    for paragraph in re.split(r"\n{2,}", text):
        name = version = status = ""
        for line in paragraph.splitlines():
            if line.startswith("Package: "):
                name = line[9:].strip()
            elif line.startswith("Status: "):
                status = line[8:].strip()
            elif line.startswith("Version: "):
                version = line[9:].strip()
        words = status.split()
        if name and len(words) == 3:
            entry = {"version": version, "want": words[0], "error": words[1], "state": words[2]}
            # With several architectures the installed one counts.
            if name not in packages or entry["state"] == "installed":
                packages[name] = entry
    return packages


#: States in which dpkg left a package that it has not finished with.
UNFINISHED = ("half-installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending")


def unfinished_packages(packages: dict[str, dict[str, str]]) -> list[str]:
    """Names of packages that dpkg has to go on with (``dpkg --configure -a``), or that want to be reinstalled."""
    return sorted(
        name for name, entry in packages.items() if entry["state"] in UNFINISHED or entry["error"] == "reinstreq"
    )


def chrony_tracking(text: str) -> tuple[bool, float | None]:
    """Whether chrony is synchronised, and its offset in seconds, of ``chronyc -c tracking``.

    The fields are in the order of the plain report: reference, its name, stratum, its time, system time, last offset,
    ..., leap status.
    """
    fields = text.strip().split(",")
    if len(fields) < 14:
        return False, None
    try:
        offset = float(fields[4])
        stratum = int(fields[2])
    except ValueError:
        return False, None
    return fields[-1] != "Not synchronised" and 0 < stratum < 16, offset


def units(text: str) -> dict[str, dict[str, Any]]:
    """Units of ``systemctl show -p Id,LoadState,ActiveState,UnitFileState``: loaded, active, enabled.

    Units come separated by empty lines, named with their suffix; an alias comes under its real name.
    """
    found = {}
    for paragraph in text.split("\n\n"):
        values = dict(line.split("=", 1) for line in paragraph.splitlines() if "=" in line)
        if values.get("Id"):
            found[values["Id"]] = {
                "loaded": values.get("LoadState") == "loaded",
                "active": values.get("ActiveState") in ("active", "reloading"),
                "enabled": values.get("UnitFileState", "").startswith(("enabled", "static", "alias", "generated")),
            }
    return found


def missing_modules(wanted: Iterable[str], loaded: str, builtin: str, existing: Iterable[str]) -> list[str]:
    """Kernel modules that are neither loaded nor built in.

    :param loaded: text of /proc/modules.
    :param builtin: text of modules.builtin.
    :param existing: names below /sys/module, and of modules that are known otherwise to be in the kernel.
    """
    present = {line.split()[0] for line in loaded.splitlines() if line.strip()}
    present |= {line.rpartition("/")[2].partition(".ko")[0] for line in builtin.splitlines()}
    present |= set(existing)
    present = {name.replace("-", "_") for name in present}
    return [name for name in wanted if name.replace("-", "_") not in present]
