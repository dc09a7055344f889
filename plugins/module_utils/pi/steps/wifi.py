# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that connects a Pi to the Wi-Fi."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.step import command, file_diff
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi import network, wifi

OPTIONS = {
    "country": {"type": "str", "default": ""},
    "ssid": {"type": "str", "default": ""},
    "password": {"type": "str", "default": "", "no_log": True},
    "power_save": {"type": "bool", "default": False},
    "interface": {"type": "str", "default": "wlan0"},
}

#: What makes each manager read its files, without ending a connection that is up.
RELOAD = {
    # NetworkManager's own reload leaves out its connections.
    "NetworkManager": [["systemctl", "reload-or-restart", "NetworkManager"], ["nmcli", "connection", "reload"]],
    "netplan": [["netplan", "apply"]],
    "wpa_supplicant": [["wpa_cli", "-i", "{interface}", "reconfigure"]],
}


def fixed_address(system: System, ssid: str, interface: str) -> str:
    """The fixed address that step pi_address has given NetworkManager's connection to this Wi-Fi, as in its keyfile."""
    connection = network.nm_connection(system, interface)
    name = ["nmcli", "-e", "no", "-g", "802-11-wireless.ssid", "connection", "show", "uuid", connection]
    now = ""
    # Connected to another Wi-Fi, it has an address of another network.
    if connection and system.run(name).removesuffix("\n") == ssid:
        now = wifi.ipv4_keyfile(network.nm_values(system, connection))
    return now or wifi.ipv4_of_keyfile(system.read(wifi.NM_FILE))


def moved(system: System, key: str, interface: str) -> bool:
    """Whether NetworkManager has the Wi-Fi in a netplan file of its own.

    Raspberry Pi OS's takes a connection that it changes, such as for a fixed address, out of the file that it is from.
    """
    names = [name for name in system.names("/etc/netplan") if name.startswith("90-NM-") and name.endswith(".yaml")]
    texts = [system.read(f"/etc/netplan/{name}") for name in names]
    return any(key in text and f" {interface}:" in text for text in texts)


def run(system: System, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Make the network known, and keep the radio awake."""
    trouble = wifi.problem(options["country"], options["ssid"], options["password"])
    if trouble:
        raise Stop(trouble)
    kind = wifi.manager(system)
    key = wifi.psk(options["ssid"], options["password"]) if options["ssid"] else ""
    ipv4 = fixed_address(system, options["ssid"], options["interface"]) if key and kind == "NetworkManager" else ""
    files = wifi.files(
        kind, options["country"], options["ssid"], key, options["power_save"], options["interface"], ipv4
    )
    if key and kind == "netplan" and moved(system, key, options["interface"]):
        files = [file for file in files if not file.secret]
    targets = [place.Wanted(file.path, file.text.encode(), file.mode, secret=file.secret) for file in files]
    cloud_init = network.cloud_init_file(system)
    if options["ssid"] and cloud_init:
        targets.append(place.Wanted(cloud_init[0], cloud_init[1].encode()))
    different = [target for target in targets if place.differs(target)]
    withheld = {"before": "", "after": "(content withheld)\n"}
    diff = [
        {**file_diff(system, target.path, target.content.decode()), **(withheld if target.secret else {})}
        for target in different
    ]
    if different and not check_mode:
        for target in different:
            place.write(target)
        system.run(["rfkill", "unblock", "wifi"])  # absent where nothing can block the radio
        if any(target.path.startswith("/etc/systemd/system/") for target in different):
            command(system, "systemctl", "daemon-reload")
            command(system, "systemctl", "enable", "bramble-kube-wifi-awake.service")
        for line in RELOAD[kind]:
            command(system, *(part.format(interface=options["interface"]) for part in line))
    return {
        "changed": bool(different),
        "manager": kind,
        "files": [target.path for target in different],
        "diff": diff,
    }
