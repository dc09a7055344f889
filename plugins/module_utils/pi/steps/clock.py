# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that brings a synchronised clock, which shows the same time as that of the computer that runs Ansible."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.step import command, file_diff
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi import facts, ntp

OPTIONS = {
    "servers": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "int", "default": 120},
    "reference": {"type": "float", "default": 0.0},
    "tolerance": {"type": "int", "default": 300},
}
#: Seconds in which a time service sets the clock once it has found its servers.
_SETTING = 10

_HEADER = "# Written by bramble.kube; changes here are overwritten.\n"
CHRONY_FILE = "/etc/chrony/sources.d/bramble-kube.sources"
TIMESYNCD_FILE = "/etc/systemd/timesyncd.conf.d/bramble-kube.conf"


def service_to_use(states: dict) -> str:
    """The time service: the one that runs, else one that is installed; "" when there is none."""
    for wish in ("active", "loaded"):
        for name in facts.TIME_UNITS:
            if states.get(name + ".service", {}).get(wish):
                return name
    return ""


def wanted_file(service: str, servers: list[str]) -> tuple[str, str] | None:
    """The file that tells the service its servers, and its text; None when the service is left as it is."""
    if not servers:
        return None
    if service in ("chrony", "chronyd"):
        return CHRONY_FILE, _HEADER + "".join(f"server {name} iburst prefer\n" for name in servers)
    if service == "systemd-timesyncd":
        return TIMESYNCD_FILE, _HEADER + "[Time]\nNTP=" + " ".join(servers) + "\n"
    return None


def _told(seconds: float) -> str:
    """A time, for people."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


class _Reference:
    """What time it is by the computer that runs Ansible, if that is to be compared."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.at, self.since, self.tolerance = options["reference"], time.monotonic(), options["tolerance"]

    def now(self) -> float:
        """Its time now."""
        return self.at + time.monotonic() - self.since

    def agrees(self, other: float) -> bool:
        """Whether another time is the same, as far as it has to be."""
        return not self.at or not self.tolerance or abs(other - self.now()) <= self.tolerance

    def refuse(self, what: str, other: float) -> str:
        """The sentence on another time."""
        return (
            f"{what} {_told(other)}, but on the computer that runs Ansible it is {_told(self.now())}: one of the two "
            "is wrong, and no certificate is valid when the time is wrong."
        )


def _right(clock: Mapping[str, Any], reference: _Reference) -> bool:
    """Whether the clock shows the right time, and not only that the service is still to set it."""
    return reference.agrees(time.time()) and reference.agrees(reference.now() - (clock["offset_s"] or 0.0))


def run(system: System, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Set the service up, and wait until the clock is synchronised."""
    servers = options["servers"]
    for server in servers:
        if not server or any(letter.isspace() for letter in server):
            raise Stop(f"servers: {server!r} is not the name or address of one time server.")
    states = facts.units(system, facts.TIME_UNITS)
    service = service_to_use(states)
    if not service:
        if check_mode:
            return {"changed": True, "service": "", "synchronized": False, "waited": 0.0}
        raise Stop("No time service is installed: 'sudo apt install systemd-timesyncd' installs one.")
    state = states[service + ".service"]
    file = wanted_file(service, servers)
    different = file is not None and system.read(file[0]) != file[1]
    start = not (state["active"] and state["enabled"])
    reference = _Reference(options)
    if different and not check_mode:
        for server in servers:
            said = ntp.ask(server)
            if said is not None and not reference.agrees(said):
                raise Stop(
                    reference.refuse(f"By the time server {server} it is", said) + " Set others with base_ntp_servers."
                )
    diff = [file_diff(system, *file)] if different else []
    result = {"changed": different or start, "service": service, "waited": 0.0, "diff": diff}
    if check_mode:
        now = facts.clock(system, states)
        return {"synchronized": now["synchronized"] and _right(now, reference), **result}
    if different:
        place.write(place.Wanted(file[0], file[1].encode()))
    if start:
        command(system, "systemctl", "enable", "--now", service)
    if different and state["active"]:
        command(system, "systemctl", "restart", service)
    started = time.monotonic()
    while True:
        now = facts.clock(system, facts.units(system, facts.TIME_UNITS))
        result["waited"] = round(time.monotonic() - started, 1)
        if now["synchronized"] and _right(now, reference):
            return {"synchronized": True, **result}
        if result["waited"] >= (min(_SETTING, options["timeout"]) if now["synchronized"] else options["timeout"]):
            break
        time.sleep(0.5)
    if now["synchronized"]:
        raise Stop(
            reference.refuse("By the clock, which is synchronised, it is", time.time() - (now["offset_s"] or 0.0))
            + f" 'chronyc sources' or 'timedatectl timesync-status' shows which servers {service} asks;"
            " set others with base_ntp_servers.",
            synchronized=True,
            **result,
        )
    asked = f"The servers {', '.join(servers)} do" if servers else f"The servers that {service} knows do"
    raise Stop(
        f"The clock is not synchronised after {options['timeout']} seconds. {asked} not answer (NTP, UDP port 123): is "
        "the network there? Set others with base_ntp_servers, such as the router's address.",
        synchronized=False,
        **result,
    )


def is_due(system: System, options: Mapping[str, Any]) -> bool:
    """Whether there is something to change, or to wait for."""
    result = run(system, options, check_mode=True)
    return result["changed"] or not result["synchronized"]
