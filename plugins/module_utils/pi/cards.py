# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What a Pi's card needs at its first boot, in cloud-init's words. Pure functions on plain data."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.pi import network, wifi
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps.settings import with_generated

WITHHELD = "(content withheld)"
_SECRETS = ("ed25519_private", "hashed_passwd", "password")
#: By which a boot partition of a Raspberry Pi is known, with a file of each kind for a newcomer to look for.
_BOOT_FILES = {"config.txt": r"config\.txt", "cmdline.txt": r"cmdline\.txt", "bcm2711-rpi-4-b.dtb": r"bcm27.*\.dtb"}
_FAT = ("vfat", "msdos", "fat", "exfat")
#: Raspberry Pi OS makes new host keys at the first boot (raspberrypi-sys-mods), after cloud-init has written these. Its
#: service is to start in this very boot already, so it takes both.
_KEEP_HOST_KEYS = (
    "unit=regenerate_ssh_host_keys.service; if systemctl cat $unit >/dev/null 2>&1; then "
    "systemctl disable $unit; systemctl mask --runtime $unit; fi"
)
_PUBLIC_KEY = re.compile(r"((?:sk-)?(?:ssh|ecdsa)-\S+) ([A-Za-z0-9+/]+=*)(?: .*)?")


@dataclass(frozen=True)
class Card:
    """What one host is to have.

    :ivar public_keys: lines that may log in.
    :ivar password_hash: of the user's password; "" for a user who needs none for sudo and has none.
    :ivar host_key: the host's key, private and public.
    :ivar wifi_password: the network's password or key.
    :ivar address: a fixed address with its prefix length; "" for DHCP.
    """

    hostname: str
    user: str
    public_keys: tuple[str, ...]
    host_key: tuple[str, str]
    password_hash: str = ""
    timezone: str = ""
    locale: str = ""
    wifi_country: str = ""
    wifi_ssid: str = ""
    wifi_password: str = ""
    address: str = ""
    gateway: str = ""
    nameservers: tuple[str, ...] = ()
    interface: str = ""


def problem(card: Card) -> str | None:
    """Say what is wrong with what the inventory wants, None when nothing is; no secret is in the sentence."""
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", card.user) or card.user == "root":
        return f"user: {card.user!r} cannot be the user of a Pi; use a name of small letters, such as pi."
    if not card.public_keys:
        return "public_key: the file has no public key, such as a line that begins with ssh-ed25519."
    for line in card.public_keys:
        if not _PUBLIC_KEY.fullmatch(line):
            return "public_key: the file has a line that is not a public key; use the one whose name ends in .pub."
    if trouble := wifi.problem(card.wifi_country, card.wifi_ssid, card.wifi_password):
        return f"wifi_{trouble}"
    if not card.address:
        return None
    if card.interface.startswith("wl") and not card.wifi_ssid:
        return f"interface: {card.interface} is a radio, but wifi_ssid names no network for it."
    if not card.gateway:
        return "gateway: a card with a fixed address needs the router's, such as 192.168.13.1."
    if not card.nameservers:
        return "nameservers: a card with a fixed address needs one or more, such as 192.168.13.1."
    return network.problem(card.address, card.gateway, card.nameservers)


def user_data(card: Card) -> dict[str, Any]:
    """cloud-init's user-data."""
    private, public = card.host_key
    user: dict[str, Any] = {
        "name": card.user,
        "shell": "/bin/bash",
        "ssh_authorized_keys": list(card.public_keys),
        "lock_passwd": not card.password_hash,
        # Over the image's own default, which is a rule without a password.
        "sudo": None if card.password_hash else ["ALL=(ALL) NOPASSWD:ALL"],
    }
    if card.password_hash:
        user["hashed_passwd"] = card.password_hash
    settings: dict[str, Any] = {"timezone": card.timezone, "locale": card.locale}
    if card.locale:
        # Debian's locale-gen generates what this file lists; the name that cloud-init tells it means nothing to it.
        line = with_generated("", card.locale)
        settings["write_files"] = [{"path": "/etc/locale.gen", "content": line, "append": True}]
    return {
        "hostname": card.hostname,
        "manage_etc_hosts": "localhost",
        **{name: value for name, value in settings.items() if value},
        # Not a list of users: one that is added by it lacks the groups of the image's own user.
        "user": user,
        "ssh_pwauth": False,
        "ssh_keys": {"ed25519_private": private, "ed25519_public": public},
        "bootcmd": [["sh", "-c", _KEEP_HOST_KEYS]],
        "runcmd": [
            ["systemctl", "enable", "--now", "ssh"],
            # Everybody on the Pi may read the boot partition.
            ["sh", "-c", "printf '#cloud-config\\n' >/boot/firmware/user-data"],
        ],
    }


def fixed_interface(card: Card) -> str:
    """The network interface for the fixed address."""
    return card.interface or ("wlan0" if card.wifi_ssid else "eth0")


def network_config(card: Card) -> dict[str, Any]:
    """cloud-init's network-config, in netplan's words. The Wi-Fi's password is in it as a key alone."""
    interfaces: dict[str, dict[str, Any]] = {"eth0": {"dhcp4": True, "dhcp6": True, "optional": True}}
    if card.wifi_ssid:
        interfaces["wlan0"] = {
            "dhcp4": True,
            "optional": True,
            "regulatory-domain": card.wifi_country,
            "access-points": {card.wifi_ssid: {"password": wifi.psk(card.wifi_ssid, card.wifi_password)}},
        }
    if card.address:
        fixed = interfaces.setdefault(fixed_interface(card), {"optional": True})
        fixed.pop("dhcp6", None)
        fixed["dhcp4"] = False
        fixed["addresses"] = [card.address]
        fixed["routes"] = [{"to": "default", "via": card.gateway}]
        fixed["nameservers"] = {"addresses": list(card.nameservers)}
    radios = {name: found for name, found in interfaces.items() if "access-points" in found}
    cables = {name: found for name, found in interfaces.items() if name not in radios}
    return {"network": {"version": 2, "ethernets": cables, **({"wifis": radios} if radios else {})}}


def meta_data(card: Card, texts: Iterable[str]) -> dict[str, Any]:
    """cloud-init's meta-data. With other texts, cloud-init takes the card for a new one and applies them."""
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
    return {"instance-id": f"bramble-{card.hostname}-{digest[:16]}", "local-hostname": card.hostname}


def masked(value: Any) -> Any:
    """Data without the values that are secret."""
    if isinstance(value, Mapping):
        return {name: WITHHELD if name in _SECRETS else masked(inner) for name, inner in value.items()}
    return [masked(inner) for inner in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Mount:
    """A file system and where it is."""

    folder: str
    kind: str


def mounts(text: str) -> list[Mount]:
    """What is mounted, read from Linux' /proc/self/mounts or from what macOS' mount prints."""
    found = []
    for line in text.splitlines():
        if apple := re.fullmatch(r"/dev/\S+ on (.+) \((\w+),.*\)", line):
            found.append(Mount(apple.group(1), apple.group(2)))
        elif len(words := line.split()) > 3:
            folder = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code.group(1), 8)), words[1])
            found.append(Mount(folder, words[2]))
    return found


def boot_problem(
    folder: str, names: Sequence[str] | None, mounted: Sequence[Mount], release: str = "trixie"
) -> str | None:
    """Say why a folder is not the boot partition of a card with this release, None when it is.

    :param folder: its real path.
    :param names: of the files in it; None when there is no such folder.
    """
    if names is None:
        return f"boot: there is no folder {folder}; put the card into this computer, and name where bootfs is mounted."
    if folder in ("/boot", "/boot/firmware"):
        return f"boot: {folder} belongs to this computer itself; name where the card's partition is mounted."
    kind = next((mount.kind for mount in reversed(mounted) if mount.folder == folder), None)
    if kind is None:
        return f"boot: nothing is mounted at {folder}; name the folder where the card's partition bootfs is mounted."
    if kind not in _FAT:
        return f"boot: {folder} has the file system {kind}, but a Pi's boot partition has FAT; name that of bootfs."
    names = {name.lower() for name in names}  # FAT does not tell them apart
    for example, pattern in _BOOT_FILES.items():
        if not any(re.fullmatch(pattern, name) for name in names):
            return f"boot: {folder} has no {example}, as a Pi's boot partition has; name the one of bootfs."
    has_cloud_init = {"user-data", "meta-data"} <= names
    if release == "trixie" and not has_cloud_init:
        return (
            f"boot: {folder} has no user-data and meta-data, so its system has no cloud-init; write the card with "
            "Raspberry Pi OS Lite (64-bit) of November 2025 or later, or set cards_release to bookworm if it has that."
        )
    if release == "bookworm" and has_cloud_init:
        return f"boot: {folder} has user-data and meta-data, so its system is newer than bookworm; unset cards_release."
    if release == "bookworm" and "initramfs8" not in names:
        return (
            f"boot: {folder} has no initramfs8, so its system is not bookworm; write the card with the "
            "64-bit Raspberry Pi OS Lite of bookworm."
        )
    return None


def imager_command(folder: str, release: str = "trixie") -> str:
    """The command of Raspberry Pi Imager 2 that writes a card with the files of a folder (its src/cli.cpp)."""
    if release == "bookworm":
        return f"sudo rpi-imager --cli --first-run-script {shlex.quote(folder + '/firstrun.sh')} IMAGE DEVICE"
    files = f"--cloudinit-userdata {shlex.quote(folder + '/user-data')} "
    files += f"--cloudinit-networkconfig {shlex.quote(folder + '/network-config')}"
    return f"sudo rpi-imager --cli {files} IMAGE DEVICE"


def fingerprint(public_key: str) -> str:
    """A public key's fingerprint as SSH prints it; "" for what is no key."""
    found = _PUBLIC_KEY.fullmatch(public_key.strip())
    try:
        body = base64.b64decode(found.group(2), validate=True) if found else b""
    except binascii.Error:
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(body).digest()).decode().rstrip("=") if body else ""
