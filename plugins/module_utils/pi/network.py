# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Who manages a Pi's network, and what each manager has to be told for a fixed address and for name servers."""

from __future__ import annotations

import ipaddress
import json
import re
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi import parse

HEADER = "# Written by bramble.kube; changes here are overwritten.\n"
BEGIN = "# bramble.kube: begin (changes between these lines are overwritten)"
END = "# bramble.kube: end"
NETPLAN_FILE = "/etc/netplan/95-bramble-kube-address.yaml"
DHCPCD_FILE = "/etc/dhcpcd.conf"
NM_DNS_FILE = "/etc/NetworkManager/conf.d/90-bramble-kube-dns.conf"
RESOLVED_DNS_FILE = "/etc/systemd/resolved.conf.d/90-bramble-kube.conf"
#: Where systemd-resolved tells the servers that it asks itself.
RESOLVED_SERVERS = "/run/systemd/resolve/resolv.conf"
CLOUD_INIT_FILE = "/etc/cloud/cloud.cfg.d/99-bramble-kube-network.cfg"
CLOUD_INIT_TEXT = HEADER + "network: {config: disabled}\n"
#: What of a connection NetworkManager is told, in this order.
NM_FIELDS = ("ipv4.method", "ipv4.addresses", "ipv4.gateway", "ipv4.dns", "ipv4.ignore-auto-dns")


@dataclass(frozen=True)
class Route:
    """Where the machine's packets for others go: the interface, its own address there, and the next hop."""

    interface: str = ""
    address: str = ""
    gateway: str = ""


def default_route(system: System) -> Route:
    """The default route; empty without one."""
    try:
        found = json.loads(system.run(["ip", "-json", "-4", "route", "get", "198.51.100.1"]))[0]
    except (ValueError, IndexError, KeyError, TypeError):
        return Route()
    return Route(found.get("dev", ""), found.get("prefsrc", ""), found.get("gateway", ""))


def addresses_of(system: System, interface: str) -> list[str]:
    """The IPv4 addresses of an interface, with their prefix length."""
    entries = parse.interfaces(system.run(["ip", "-json", "-4", "address", "show", "dev", interface]))
    return [address for entry in entries for address in entry["addresses"]]


def nameservers(system: System) -> list[str]:
    """The name servers that the machine asks, those behind systemd-resolved rather than its own address."""
    text = system.read("/etc/resolv.conf")
    if re.search(r"^\s*nameserver\s+127\.0\.0\.53\b", text, re.MULTILINE):
        text = system.read(RESOLVED_SERVERS) or text
    return re.findall(r"^\s*nameserver\s+(\S+)", text, re.MULTILINE)


def is_own(server: str) -> bool:
    """Whether a name server is the machine that asks: a container asks itself there, and CoreDNS stops with "Loop"."""
    try:
        address = ipaddress.ip_address(server.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def manager(system: System, interface: str) -> str:
    """Who gives an interface its address: NetworkManager, netplan, dhcpcd, or "" for somebody else."""
    if nm_connection(system, interface):
        return "NetworkManager"
    if any(name.endswith((".yaml", ".yml")) for name in system.names("/etc/netplan")):
        return "netplan"
    if system.run(["systemctl", "is-active", "dhcpcd"]).strip() == "active":
        return "dhcpcd"
    return ""


def nm_connection(system: System, interface: str) -> str:
    """The id of NetworkManager's connection on an interface; "" when it has none there."""
    found = system.run(["nmcli", "-g", "GENERAL.CON-UUID", "device", "show", interface]).strip()
    return found if re.fullmatch(r"[0-9a-f-]{36}", found) else ""


def nm_values(system: System, connection: str) -> dict[str, str]:
    """What NetworkManager knows of a connection."""
    lines = system.run(["nmcli", "-g", ",".join(NM_FIELDS), "connection", "show", "uuid", connection]).split("\n")
    return {name: line.strip().replace("\\", "") for name, line in zip(NM_FIELDS, lines)}


@dataclass(frozen=True)
class Wanted:
    """A fixed address.

    :ivar address: with its prefix length.
    """

    interface: str
    address: str
    gateway: str
    nameservers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """How to get to a fixed address, and back.

    :ivar files: text by path, of files that have to be written.
    :ivar apply: commands that make the manager use it.
    :ivar restore: commands that make it use what it had, once the files are as they were.
    """

    manager: str
    files: Mapping[str, str] = field(default_factory=dict)
    apply: Sequence[Sequence[str]] = ()
    restore: Sequence[Sequence[str]] = ()

    def __bool__(self) -> bool:
        return bool(self.files or self.apply)


def problem(address: str, gateway: str, servers: Sequence[str]) -> str | None:
    """Say what is wrong with a fixed address, None when nothing is.

    :param address: with its prefix length.
    :param gateway: "" when it is still to be found.
    """
    try:
        interface = ipaddress.IPv4Interface(address)
    except ValueError:
        return f"address: {address!r} is not an IPv4 address with the length of its network, such as 192.168.13.7/24."
    network = interface.network
    if "/" not in address or network.prefixlen > 30:
        return f"address: {address!r} does not include the network's length; write it like 192.168.13.7/24."
    if interface.ip in (network.network_address, network.broadcast_address):
        return f"address: {interface.ip} is the network {network} itself or its broadcast address; use one in between."
    if gateway:
        try:
            hop = ipaddress.IPv4Address(gateway)
        except ValueError:
            return f"gateway: {gateway!r} is not an IPv4 address, such as 192.168.13.1."
        if hop not in network:
            return f"gateway: {gateway} is not in the network {network} of {interface.ip}; use the router's address."
        if hop == interface.ip:
            return f"gateway: {gateway} is the Pi's own address; use the router's."
    for server in servers:
        try:
            ipaddress.ip_address(server)
        except ValueError:
            return f"nameservers: {server!r} is not an IP address, such as 192.168.13.1."
    return None


def netplan_text(wanted: Wanted) -> str:
    """The fixed address in netplan's words."""
    kind = "wifis" if wanted.interface.startswith("wl") else "ethernets"
    servers = f"      nameservers: {{addresses: [{', '.join(wanted.nameservers)}]}}\n" if wanted.nameservers else ""
    return (
        f"{HEADER}network:\n  version: 2\n  {kind}:\n    {wanted.interface}:\n      dhcp4: false\n"
        f"      addresses: [{wanted.address}]\n      routes:\n      - {{to: default, via: {wanted.gateway}}}\n{servers}"
    )


def with_block(text: str, lines: Sequence[str]) -> str:
    """A text with our block at its end, in place of an earlier one; without lines, without a block."""
    kept = re.sub(rf"{re.escape(BEGIN)}\n.*?{re.escape(END)}\n?", "", text, flags=re.DOTALL)
    if not lines:
        return kept
    return kept + ("" if not kept or kept.endswith("\n") else "\n") + "\n".join([BEGIN, *lines, END]) + "\n"


def dhcpcd_lines(wanted: Wanted) -> list[str]:
    """The fixed address in dhcpcd's words."""
    lines = [f"interface {wanted.interface}", f"static ip_address={wanted.address}", f"static routers={wanted.gateway}"]
    if wanted.nameservers:
        lines.append(f"static domain_name_servers={' '.join(wanted.nameservers)}")
    return lines


def _nm_modify(connection: str, values: Mapping[str, str]) -> list[str]:
    return [
        "nmcli",
        "connection",
        "modify",
        "uuid",
        connection,
        *(word for pair in values.items() for word in pair),
    ]


def plan(system: System, wanted: Wanted) -> Plan:
    """Work out what has to change; an empty plan when nothing has."""
    kind = manager(system, wanted.interface)
    here = wanted.address in addresses_of(system, wanted.interface)
    if kind == "NetworkManager":
        connection = nm_connection(system, wanted.interface)
        before = nm_values(system, connection)
        after = {
            "ipv4.method": "manual",
            "ipv4.addresses": wanted.address,
            "ipv4.gateway": wanted.gateway,
            "ipv4.dns": ",".join(wanted.nameservers),
            "ipv4.ignore-auto-dns": "yes" if wanted.nameservers else "no",
        }
        if here and before == after:
            return Plan(kind)
        up = ["nmcli", "connection", "up", "uuid", connection]
        return Plan(kind, {}, [_nm_modify(connection, after), up], [_nm_modify(connection, before), up])
    if kind == "netplan":
        files = {NETPLAN_FILE: netplan_text(wanted)}
        commands = [["netplan", "apply"]]
    elif kind == "dhcpcd":
        files = {DHCPCD_FILE: with_block(system.read(DHCPCD_FILE), dhcpcd_lines(wanted))}
        commands = [["systemctl", "restart", "dhcpcd"]]
    else:
        return Plan(kind)
    files = {path: text for path, text in files.items() if system.read(path) != text}
    return Plan(kind, files, commands, commands) if files or not here else Plan(kind)


def somebody_at(interface: str, mac: str, address: str, seconds: float = 2.0) -> str:
    """The hardware address of whoever answers for an IPv4 address on an interface's network, "" when nobody does.

    Asks as RFC 5227 has it, without claiming the address.

    :param mac: the interface's own hardware address.
    """
    own, target = bytes.fromhex(mac.replace(":", "")), socket.inet_aton(address)
    request = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, own, b"\0" * 4, b"\0" * 6, target)
    frame = b"\xff" * 6 + own + b"\x08\x06" + request
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806)) as link:
        link.bind((interface, 0))
        deadline = time.monotonic() + seconds
        for count in range(3):
            link.send(frame)
            until = deadline if count == 2 else time.monotonic() + seconds / 4
            while time.monotonic() < until:
                link.settimeout(max(0.01, until - time.monotonic()))
                try:
                    packet = link.recv(128)
                except OSError:  # the time is up
                    break
                # An answer, or another's claim, with this address as its sender's.
                if packet[28:32] == target and packet[22:28] != own:
                    return ":".join(f"{byte:02x}" for byte in packet[22:28])
    return ""


@dataclass(frozen=True)
class Resolver:
    """Who writes the list of name servers: the file to write, its text, and what makes it be read."""

    path: str
    text: str
    reload: Sequence[Sequence[str]] = ()


def resolver(system: System, servers: Sequence[str]) -> Resolver:
    """What has to be written so that exactly these name servers are asked."""
    if system.real("/etc/resolv.conf").endswith(("/systemd/resolve/stub-resolv.conf", "/systemd/resolve/resolv.conf")):
        text = f"{HEADER}[Resolve]\nDNS={' '.join(servers)}\nDomains=~.\n"
        return Resolver(RESOLVED_DNS_FILE, text, [["systemctl", "restart", "systemd-resolved"]])
    if system.run(["systemctl", "is-active", "NetworkManager"]).strip() == "active":
        text = f"{HEADER}[global-dns-domain-*]\nservers={','.join(servers)}\n"
        return Resolver(NM_DNS_FILE, text, [["systemctl", "reload", "NetworkManager"]])
    if system.run(["systemctl", "is-active", "dhcpcd"]).strip() == "active":
        text = system.read(DHCPCD_FILE)
        line = f"static domain_name_servers={' '.join(servers)}"
        # Above the first interface: what stands below one holds for that one alone.
        kept = re.sub(r"^static domain_name_servers=.*# bramble\.kube\n", "", text, flags=re.MULTILINE)
        return Resolver(DHCPCD_FILE, f"{line} # bramble.kube\n{kept}", [["dhcpcd", "--rebind"]])
    lines = system.read("/etc/resolv.conf").splitlines()
    others = [line for line in lines if not re.match(r"\s*nameserver\s", line) and line + "\n" != HEADER]
    text = HEADER + "".join(f"{line}\n" for line in others) + "".join(f"nameserver {server}\n" for server in servers)
    return Resolver("/etc/resolv.conf", text)


def cloud_init_file(system: System) -> tuple[str, str] | None:
    """What tells cloud-init to leave the network alone; None where it is not installed."""
    if system.exists("/etc/cloud/cloud.cfg") or system.exists("/etc/cloud/cloud.cfg.d"):
        return CLOUD_INIT_FILE, CLOUD_INIT_TEXT
    return None
