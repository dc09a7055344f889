# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Wi-Fi on a Pi, in the configuration of whoever manages its network. Pure functions on text."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.bramble.kube.plugins.module_utils.common.system import System

HEADER = "# Written by bramble.kube; changes here are overwritten.\n"
NM_FILE = "/etc/NetworkManager/system-connections/bramble-kube-wifi.nmconnection"


@dataclass(frozen=True)
class File:
    """A configuration file: its path, text, permissions, and whether its text is a secret."""

    path: str
    text: str
    mode: int = 0o644
    secret: bool = False


def problem(country: str, ssid: str, password: str) -> str | None:
    """Say what is wrong with the settings, None when nothing is. The password is never in the sentence."""
    if country and not re.fullmatch(r"[A-Z]{2}", country):
        return f"country: {country!r} is not a country's code of two capital letters, such as GB."
    if ssid and len(ssid.encode()) > 32:
        return "ssid: the name of a Wi-Fi network has at most 32 bytes."
    if ssid and not country:
        return "country: without it the radio of a Pi stays off; give your country's code, such as GB."
    if password and not ssid:
        return "ssid: a password is given, but no network to use it for."
    if ssid and not (re.fullmatch(r"[\x20-\x7e]{8,63}", password) or re.fullmatch(r"[0-9a-fA-F]{64}", password)):
        return "password: must have 8 to 63 letters, digits and signs of ASCII, as the WPA standard requires."
    return None


def psk(ssid: str, password: str) -> str:
    """The key that password and network name give (IEEE 802.11i, as wpa_passphrase prints it)."""
    if re.fullmatch(r"[0-9a-fA-F]{64}", password):
        return password.lower()
    return hashlib.pbkdf2_hmac("sha1", password.encode(), ssid.encode(), 4096, 32).hex()


def manager(system: System) -> str:
    """Who manages the network: NetworkManager, netplan, or dhcpcd with wpa_supplicant."""
    if any(name.endswith((".yaml", ".yml")) for name in system.names("/etc/netplan")):
        return "netplan"
    if system.exists("/etc/NetworkManager/NetworkManager.conf"):
        return "NetworkManager"
    return "wpa_supplicant"


def ipv4_of_keyfile(text: str) -> str:
    """The IPv4 settings of a connection in NetworkManager's keyfile, where they have a fixed address; else ""."""
    found = re.search(r"^\[ipv4\]\n(.*?)(?=^\[|\Z)", text, re.DOTALL | re.MULTILINE)
    return found[1].strip() if found and re.search(r"^method=manual$", found[1], re.MULTILINE) else ""


def ipv4_keyfile(values: Mapping[str, str]) -> str:
    """A fixed address in the words of NetworkManager's keyfile; "" for none.

    :param values: what nmcli says of a connection (network.NM_FIELDS).
    """
    if values.get("ipv4.method") != "manual" or not values.get("ipv4.addresses"):
        return ""
    addresses = [address.strip() for address in values["ipv4.addresses"].split(",")]
    if values.get("ipv4.gateway"):
        addresses[0] += f",{values['ipv4.gateway']}"
    lines = [f"address{number}={address}" for number, address in enumerate(addresses, 1)]
    servers = [server.strip() for server in values.get("ipv4.dns", "").split(",") if server.strip()]
    lines += [f"dns={''.join(f'{server};' for server in servers)}"] if servers else []
    lines += ["ignore-auto-dns=true"] if values.get("ipv4.ignore-auto-dns") == "yes" else []
    return "\n".join([*lines, "method=manual"])


def files(
    kind: str,
    country: str,
    ssid: str,
    key: str,
    power_save: bool,
    interface: str = "wlan0",
    ipv4: str = "",
) -> list[File]:
    """The files that the network's manager has to have.

    :param key: the network's key as ``psk`` gives it.
    :param power_save: whether the radio may sleep, which makes a Pi hard to reach.
    :param ipv4: the fixed address that NetworkManager's connection has or is to have, as in its keyfile; "" for DHCP.
    """
    if kind == "NetworkManager":
        found = [
            File(
                "/etc/NetworkManager/conf.d/90-bramble-kube-wifi.conf",
                f"{HEADER}[connection]\nwifi.powersave={3 if power_save else 2}\n",
            )
        ]
        if ssid:
            octets = "".join(f"{byte};" for byte in ssid.encode())
            found.append(
                File(
                    NM_FILE,
                    f"{HEADER}[connection]\nid=bramble-kube-wifi\ntype=wifi\nautoconnect-priority=10\n\n"
                    f"[wifi]\nmode=infrastructure\nssid={octets}\n\n[wifi-security]\nkey-mgmt=wpa-psk\npsk={key}\n\n"
                    f"[ipv4]\n{ipv4 or 'method=auto'}\n\n[ipv6]\nmethod=auto\n",
                    0o600,
                    True,
                )
            )
        return found
    found = []
    if not power_save:
        found.append(
            File(
                "/etc/systemd/system/bramble-kube-wifi-awake.service",
                f"{HEADER}[Unit]\nDescription=Keep the Wi-Fi radio awake\n"
                f"BindsTo=sys-subsystem-net-devices-{interface}.device\n"
                f"After=sys-subsystem-net-devices-{interface}.device\n\n[Service]\nType=oneshot\nRemainAfterExit=yes\n"
                f"ExecStart=/usr/sbin/iw dev {interface} set power_save off\n\n"
                f"[Install]\nWantedBy=sys-subsystem-net-devices-{interface}.device\n",
            )
        )
    if ssid and kind == "netplan":
        found.append(
            File(
                "/etc/netplan/90-bramble-kube-wifi.yaml",
                f"{HEADER}network:\n  version: 2\n  wifis:\n    {interface}:\n      dhcp4: true\n"
                f"      regulatory-domain: {country}\n      access-points:\n        {json.dumps(ssid)}:\n"
                f'          password: "{key}"\n',
                0o600,
                True,
            )
        )
    elif ssid:
        found.append(
            File(
                "/etc/wpa_supplicant/wpa_supplicant.conf",
                f"{HEADER}ctrl_interface=DIR=/var/run/wpa_supplicant GROUP=netdev\nupdate_config=1\ncountry={country}\n"
                f"network={{\n\tssid={ssid.encode().hex()}\n\tpsk={key}\n}}\n",
                0o600,
                True,
            )
        )
    return found
