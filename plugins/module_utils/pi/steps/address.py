# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that gives a Pi a fixed address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.step import file_diff, value_diff
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi import network, trial
from ansible_collections.bramble.kube.plugins.module_utils.pi.clones import public_keys

OPTIONS = {
    "address": {"type": "str", "default": ""},
    "gateway": {"type": "str", "default": ""},
    "nameservers": {"type": "list", "elements": "str", "default": []},
    "interface": {"type": "str", "default": ""},
    "timeout": {"type": "int", "default": 90},
    "state": {"type": "str", "choices": ["tried", "confirmed"], "default": "tried"},
}


def wanted(system: System, options: Mapping[str, Any]) -> network.Wanted:
    """The fixed address, with what was not given as it is now.

    :raises Stop: when it cannot work.
    """
    route = network.default_route(system)
    interface = options["interface"] or route.interface
    if not interface or not system.exists(f"/sys/class/net/{interface}"):
        names = ", ".join(name for name in system.names("/sys/class/net") if name != "lo")
        raise Stop(f"interface: {interface or 'the one of the default route'} is not there; the machine has {names}.")
    gateway = options["gateway"] or (route.gateway if route.interface == interface else "")
    servers = options["nameservers"] or [one for one in network.nameservers(system) if not network.is_own(one)]
    trouble = network.problem(options["address"], gateway, servers)
    if trouble:
        raise Stop(trouble)
    if not gateway:
        raise Stop("gateway: the machine has no default route now; give the router's address, such as 192.168.13.1.")
    return network.Wanted(interface, options["address"], gateway, tuple(servers))


def run(system: System, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Start the trial of an address, or confirm it."""
    if options["state"] == "confirmed":
        if not check_mode:
            trial.confirm(system)
        return {"changed": True}
    if not options["address"]:
        return {"changed": False, "manager": "", "interface": "", "moved": False, "diff": []}
    goal = wanted(system, options)
    plan = network.plan(system, goal)
    if not plan.manager:
        raise Stop(
            f"address: {goal.interface} is not managed by NetworkManager, netplan or dhcpcd, which this role knows: "
            "set the address there yourself, or reserve it in the router."
        )
    cloud_init = network.cloud_init_file(system)
    told = cloud_init is not None and system.read(cloud_init[0]) != cloud_init[1]
    before = network.addresses_of(system, goal.interface)
    moved = bool(plan) and goal.address.partition("/")[0] not in [one.partition("/")[0] for one in before]
    diff = [file_diff(system, path, text) for path, text in plan.files.items()]
    if plan:
        diff.append(value_diff(f"address of {goal.interface}", ", ".join(before), goal.address))
    if told:
        diff.append(file_diff(system, *cloud_init))
    if plan and moved:
        mac = system.read(f"/sys/class/net/{goal.interface}/address").strip()
        owner = network.somebody_at(goal.interface, mac, goal.address.partition("/")[0])
        if owner:
            raise Stop(
                f"address: another machine (network card {owner}) has {goal.address.partition('/')[0]} already: choose "
                "a free one, outside the range that the router gives out."
            )
    if not check_mode:
        if told:
            place.write(place.Wanted(cloud_init[0], cloud_init[1].encode()))
        if plan:
            trial.start(system, plan, options["timeout"])
    return {
        "changed": bool(plan) or told,
        "trial": bool(plan) and not check_mode,
        "manager": plan.manager,
        "interface": goal.interface,
        "moved": moved,
        "host_keys": public_keys(system, "/etc/ssh"),
        "diff": diff,
    }
