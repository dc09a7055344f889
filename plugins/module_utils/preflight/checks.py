# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What preflight looks at on each host: one table, from which come checks, sentences and docs/preflight.md."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common import os_releases
from ansible_collections.bramble.kube.plugins.module_utils.common.check import Check, Found, check
from ansible_collections.bramble.kube.plugins.module_utils.common.cluster_nodes import cluster_nodes
from ansible_collections.bramble.kube.plugins.module_utils.common.pod_networks import DEFAULT, NETWORKS, PodNetwork
from ansible_collections.bramble.kube.plugins.module_utils.common.wording import listing, short_reason
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.leftovers import is_link
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.versions import Version, parse_version
from ansible_collections.bramble.kube.plugins.module_utils.pi.clones import cloned
from ansible_collections.bramble.kube.plugins.module_utils.pi.facts import PRIVATE_CARDS
from ansible_collections.bramble.kube.plugins.module_utils.pi.firewall import MASTERS, SPEAKERS
from ansible_collections.bramble.kube.plugins.module_utils.pi.network import is_own
from ansible_collections.bramble.kube.plugins.module_utils.preflight.inventory import (
    Inventory,
    address_range,
    spare_network,
)

OK, WILL_CHANGE, MUST_CHANGE = "ok", "will_change", "must_change"

ARCHITECTURES = ("arm64", "amd64")
#: kubeadm's own limit for a control plane is 1700 MB (cmd/kubeadm/app/constants); a Pi with 1 GB reports from 870 on.
MEMORY_MB = {"master": 1700, "node": 850}
#: Packages, images and logs of a first run; once it is done, what a kubelet needs before it evicts pods.
DISK_MB, DISK_MB_IN_CLUSTER = 4000, 1000
PORTS = {"master": (2379, 2380, 6443, 10250, 10257, 10259), "node": (10250,)}
#: etcd's advice: the 99th percentile of a write to its log below 10 ms.
FSYNC_MS = 10
#: From this release on the kubelet refuses cgroup v1 unless it is told not to (KEP-4569).
CGROUP_V2_FROM = Version(1, 35, 0)
#: From this release on kube-proxy does not start in mode ipvs, unless a feature gate allows it (KEP-5495).
NO_IPVS_FROM = Version(1, 40, 0)
#: What Ansible's SSH connection says when sudo does not ask for the password in Ansible's own words.
_UNANSWERED = "waiting for privilege escalation prompt"
#: Interfaces that engine and cluster make themselves; their addresses and MACs say nothing about the host.
_OWN_INTERFACES = re.compile(
    "|".join(
        (
            r"lo|docker\d+|cni\d+|veth\S*|br-\S+|kube-\S+|cali\S*|dummy\d*|tunl\d+|nodelocaldns",
            *(network.links for network in NETWORKS.values() if network.links),
        )
    )
)


@dataclass(frozen=True)
class Host:
    """What is known of one host.

    :param facts: the module pi_facts' facts; empty when they could not be read.
    :param trouble: why they could not be read, as Ansible said it; empty otherwise.
    :param reachable: whether SSH answered.
    :param sources: of each address that was tried, its name, its URL and the trouble ("" for none).
    """

    name: str
    role: str
    address: str
    facts: Mapping[str, Any]
    reachable: bool = True
    trouble: str = ""
    sources: tuple[Mapping[str, Any], ...] = ()

    def fact(self, name: str, default: Any = None) -> Any:
        """A fact, without its prefix."""
        value = self.facts.get("pi_" + name, default)
        return default if value is None else value

    @property
    def in_cluster(self) -> bool:
        """Whether the host is part of a cluster already."""
        return bool((self.fact("kubernetes") or {}).get("kubelet_server"))

    @property
    def interfaces(self) -> list[Mapping[str, Any]]:
        """The network interfaces that are the host's own."""
        return [entry for entry in self.fact("interfaces", []) if not _OWN_INTERFACES.fullmatch(entry.get("name", ""))]


@dataclass(frozen=True)
class Cluster:
    """All hosts, and what the inventory wants of them.

    :ivar cards: fingerprint of a host key that was made for a card, to the card's host.
    """

    hosts: tuple[Host, ...]
    inventory: Inventory
    cards: Mapping[str, str] = field(default_factory=dict)

    def setting(self, host: Host, name: str) -> Any:
        """A host's resolved setting."""
        return self.inventory.value(host.name, name)

    @property
    def master(self) -> Host | None:
        """A control plane's host: the first that has one, else the first that gets one."""
        masters = [host for host in self.hosts if host.role == "master"]
        return next(filter(_has_control_plane, masters), masters[0] if masters else None)

    @property
    def unseen_masters(self) -> list[str]:
        """Masters that are not looked at, while none of those that are has a control plane."""
        if any(host.role == "master" and _has_control_plane(host) for host in self.hosts):
            return []
        seen = {host.name for host in self.hosts}
        return [name for name in self.inventory.groups.get("master", ()) if name not in seen]


def _has_control_plane(host: Host) -> bool:
    return bool((host.fact("kubernetes") or {}).get("control_plane"))


def _result(found: str, wanted: str, outcome: str = "", values: Mapping[str, Any] | None = None) -> Found:
    """What a check found on a host, and what is wanted there; ``outcome`` is empty for a plain ok."""
    return Found(outcome, values={"found": found, "wanted": wanted, **(values or {})})


CHECKS: list[Check] = []


def _check(name: str, wants: str, **outcomes: tuple[str, str]) -> Callable[[Callable], Callable]:
    """Make a check of a function that looks at one host; it may know nothing, or find several things."""

    def add(function: Callable[[Host, Cluster], Found | list[Found] | None]) -> Callable:
        def examine(host: Host, cluster: Cluster) -> Iterator[Found]:
            results = function(host, cluster) or []
            for result in results if isinstance(results, list) else [results]:
                yield Found(result.outcome, host.name, {"host": host.name, **result.values})

        CHECKS.append(check(name, wants, **outcomes)(examine))
        return function

    return add


@_check(
    "reachable",
    "SSH answers at the host's address",
    unreachable=(
        MUST_CHANGE,
        "{host} cannot be reached at {address} ({reason}): is it switched on and in the network (ping {address}), "
        "and does 'ssh {user}{address}' work without asking anything?",
    ),
    unknown_key=(
        MUST_CHANGE,
        "{host} at {address} shows a host key that this laptop does not know: run 'ssh {user}{address}' once and "
        "accept its key.",
    ),
    changed_key=(
        MUST_CHANGE,
        "{host} at {address} shows another host key than the one that this laptop knows: if the Pi is new or got a new "
        "card, run \"ssh-keygen -R '{name}'{file}\", then 'ssh {user}{address}' once and accept its key.",
    ),
    other_card=(
        MUST_CHANGE,
        "{host}: the Pi at {address} has the card of {other}: put the cards into the right Pis, or correct the "
        "addresses in the router or the inventory.",
    ),
    moved=(
        MUST_CHANGE,
        "{host} does not answer at {address} ({reason}), and may have its new address already: write 'ansible_host: "
        "{fixed}', from base_static_address, in the inventory.",
    ),
    refused=(
        MUST_CHANGE,
        "{host} at {address} does not accept this laptop's key: is ansible_user the user made with Raspberry Pi "
        "Imager, and was your public key given there (ssh-copy-id {user}{address} adds it)?",
    ),
    no_key=(
        MUST_CHANGE,
        "{host} at {address}: the key file {key} is not on this laptop: name the one that is "
        "(ansible_ssh_private_key_file), or make one with ssh-keygen and add it with 'ssh-copy-id {user}{address}'.",
    ),
    wrong_password=(
        MUST_CHANGE,
        "{host} at {address}: the SSH password that was given (--ask-pass or ansible_password) is wrong: give the one "
        "of ansible_user, or use a key (ssh-copy-id {user}{address}).",
    ),
)
def _reachable(host: Host, cluster: Cluster) -> Found | None:
    if host.reachable:
        return _result("yes", "yes")
    trouble = host.trouble
    given = cluster.inventory.values.get(host.name, {})
    user, port = given.get("ansible_user"), str(given.get("ansible_port") or 22)
    values = {
        "address": host.address,
        "user": ("" if port == "22" else f"-p {port} ") + (f"{user}@" if user else ""),
        "reason": short_reason(trouble),
    }
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in trouble:
        shown = [cluster.cards.get(key) for key in re.findall(r"SHA256:[A-Za-z0-9+/]{43}", trouble)]
        if other := next((name for name in shown if name not in (None, host.name)), None):
            return _result(f"the card of {other}", "yes", "other_card", {**values, "other": other})
        # SSH's own words: its configuration may know the host by another name, in another file.
        name = re.search(r"[Hh]ost key for (\S+) has changed", trouble)
        file = re.search(r"Offending \S+ key in (.+):\d+", trouble)
        key = {
            "name": name.group(1) if name else host.address if port == "22" else f"[{host.address}]:{port}",
            "file": f" -f '{file.group(1)}'" if file else "",
        }
        return _result("host key", "yes", "changed_key", {**values, **key})
    if "Host key verification failed" in trouble:
        return _result("host key", "yes", "unknown_key", values)
    if "Invalid/incorrect" in trouble:
        return _result("wrong password", "yes", "wrong_password", values)
    key_file = re.search(r"(?:no such identity: |Identity file )(.+?)(?:: No such| not accessible)", trouble)
    if "Permission denied" in trouble and key_file:
        return _result("no key", "yes", "no_key", {**values, "key": key_file.group(1)})
    if "Permission denied" in trouble:
        return _result("no access", "yes", "refused", values)
    fixed = str(cluster.setting(host, "base_static_address") or "").partition("/")[0]
    if fixed and fixed != host.address:
        return _result("no", "yes", "moved", {**values, "fixed": fixed})
    return _result("no", "yes", "unreachable", values)


@_check(
    "sudo",
    "the user can become root with sudo",
    password=(
        MUST_CHANGE,
        "{host}: sudo asks for a password: run with --ask-become-pass, or allow the user sudo without one.",
    ),
    wrong_password=(
        MUST_CHANGE,
        "{host}: sudo says that the password which was given is wrong: run again with the right one; where Pis have "
        "different ones, give each its own (ansible_become_password, in quotes, in an encrypted file).",
    ),
    other_words=(
        MUST_CHANGE,
        "{host}: a password was given, but sudo asks for it in words that Ansible does not know, as sudo-rs does on "
        "Ubuntu 25.10 and later: write 'ansible_become_exe: sudo.ws' in the inventory.",
    ),
    silent=(
        MUST_CHANGE,
        "{host}: a password was given, but {program} does not ask for it in time: is the Pi busy, or does 'sudo true' "
        "hang there? 'ansible_timeout: 60' in the inventory waits longer.",
    ),
    denied=(
        MUST_CHANGE,
        "{host}: the user may not use sudo ({reason}): add it to the group sudo, or set ansible_user.",
    ),
    absent=(
        MUST_CHANGE,
        "{host}: it has no {program}: install the package sudo there as root, or correct ansible_become_exe.",
    ),
)
def _sudo(host: Host, cluster: Cluster) -> Found | None:
    if not host.reachable:
        return None
    if not host.trouble:
        return _result("yes", "yes")
    values = {
        "program": str(cluster.setting(host, "ansible_become_exe") or "sudo"),
        "reason": short_reason(host.trouble),
    }
    # Ansible waits for a prompt only when it has a password.
    if _UNANSWERED in host.trouble:
        known = os.path.basename(values["program"]) not in ("sudo", "sudo-rs")
        outcome = "silent" if known else "other_words"
        return _result("asks for a password", "yes", outcome, values)
    if re.search(r"Incorrect sudo password|incorrect (password|authentication) attempt", host.trouble):
        return _result("wrong password", "yes", "wrong_password")
    if re.search(r"Missing sudo password|password is required|interactive authentication is required", host.trouble):
        return _result("asks for a password", "yes", "password")
    if re.search(rf"\b{re.escape(values['program'])}: (command )?not found", host.trouble):
        return _result("absent", "yes", "absent", values)
    if re.search(r"not in the sudoers|not allowed to|may not run sudo", host.trouble):
        return _result("no", "yes", "denied", values)
    return None


@_check(
    "facts",
    "Python 3.9 or newer, which Ansible needs to read the host's state",
    old_python=(
        MUST_CHANGE,
        "{host}: its Python is too old for Ansible ({reason}), as on Raspberry Pi OS stretch and buster, whose "
        "package archives are gone too: write a current 64-bit Raspberry Pi OS to the card, or take the host out of "
        "the inventory (what such an old cluster prints is still read by the filter bramble.kube.kubeadm_join).",
    ),
    no_python=(MUST_CHANGE, "{host}: it has no Python: run 'sudo apt install python3' there."),
    trouble=(MUST_CHANGE, "{host}: its state could not be read: {reason}"),
)
def _facts(host: Host, cluster: Cluster) -> Found | None:
    if not host.reachable or (_sudo(host, cluster) is None and not host.trouble):
        return None
    if not host.trouble:
        return _result("read", "read")
    if _sudo(host, cluster) is not None:
        return None
    if re.search(
        r"(minimum of|requires) Python|requires a minimum|SyntaxError: |future feature annotations", host.trouble
    ):
        version = re.search(r"[Cc]urrent version: ([\d.]+)", host.trouble)
        return _result(
            "old Python", "Python 3.9", "old_python", {"reason": version.group(1) if version else "before 3.9"}
        )
    if re.search(
        r"python\S*: (command )?not found|No such file or directory.*python|python.*No such file", host.trouble
    ):
        return _result("no Python", "Python 3.9", "no_python")
    return _result("unreadable", "read", "trouble", {"reason": short_reason(host.trouble)})


@_check(
    "first boot",
    "the OS has finished its first boot",
    unfinished=(
        MUST_CHANGE,
        "{host}: its first boot does not finish (base_first_boot_timeout): look at its screen, or at 'cloud-init "
        "status --long' there.",
    ),
)
def _first_boot(host: Host, cluster: Cluster) -> Found | None:
    if "pi_first_boot_done" not in host.facts:
        return None
    return _result("done", "done") if host.fact("first_boot_done") else _result("running", "done", "unfinished")


@_check(
    "architecture",
    "64-bit programs (dpkg's architecture: the kernel's says nothing about them)",
    userland_32=(
        MUST_CHANGE,
        "{host}: its programs are 32-bit ({found}), although its kernel is 64-bit ({kernel}): Kubernetes and Docker "
        "are no longer built for that; write the 64-bit Raspberry Pi OS to the card.",
    ),
    other=(
        MUST_CHANGE,
        "{host}: its architecture is {found}, for which there are no Kubernetes packages: a Pi 3 or later with the "
        "64-bit Raspberry Pi OS has arm64.",
    ),
)
def _architecture(host: Host, cluster: Cluster) -> Found | None:
    found, kernel = host.fact("architecture", ""), host.fact("kernel_architecture", "")
    if not found:
        return None
    if found in ARCHITECTURES:
        return _result(found, "64-bit")
    outcome = "userland_32" if found in ("armhf", "armel", "i386") and kernel in ("aarch64", "x86_64") else "other"
    return _result(found, "64-bit", outcome, {"kernel": kernel})


@_check(
    "OS release",
    os_releases.known(),
    too_old=(
        MUST_CHANGE,
        "{host}: {found} is too old: its Python does not run Ansible's modules and its package archive is gone. Write "
        "a current 64-bit Raspberry Pi OS to the card, or take the host out of the inventory (what such an old "
        "cluster prints is still read by the filter bramble.kube.kubeadm_join).",
    ),
    unknown=(MUST_CHANGE, "{host}: {found} is not an OS that the roles know: use {known}."),
    ending=(OK, "{host}: {found} gets no more updates; its packages come from the archive. Plan to move to {newest}."),
)
def _os_release(host: Host, cluster: Cluster) -> Found | None:
    os = host.fact("os")
    if not os:
        return None
    words = (str(os.get("id") or "unknown"), str(os.get("version_id") or ""))
    found = " ".join([word for word in words if word] + ([f"({os['codename']})"] if os.get("codename") else []))
    release = os_releases.find(os)
    if release.tested:
        newest = os_releases.of_kind(release.kind)[-1].codename
        return _result(found, "a current release", "ending" if release.archive else "", {"newest": newest})
    outcome = "too_old" if os_releases.is_outdated(release) else "unknown"
    return _result(found, "a current release", outcome, {"known": os_releases.known()})


@_check(
    "kernel pages",
    "the memory page size, for information",
    large=(
        OK,
        "{host}: its kernel has pages of {found}, and a few container images fail with that (jemalloc); "
        "'kernel=kernel8.img' in config.txt gives 4 KiB.",
    ),
)
def _page_size(host: Host, cluster: Cluster) -> Found | None:
    size = host.fact("page_size")
    if not size:
        return None
    return _result(f"{int(size) // 1024} KiB", "any", "" if int(size) == 4096 else "large")


@_check(
    "kernel modules",
    "those that carry the Pod network's packets",
    absent=(
        MUST_CHANGE,
        "{host}: its kernel has no module {found}, by which {network} carries packets from Pi to Pi: install the "
        "package with the rest of this kernel's modules (on Ubuntu for the Raspberry Pi, 'sudo apt install "
        "linux-modules-extra-raspi'), or set {variable} to another way.",
    ),
)
def _kernel_modules(host: Host, cluster: Cluster) -> Found | None:
    absent = host.fact("kernel_modules_absent")
    network = NETWORKS.get(str(cluster.setting(host, "kubeadm_cni") or DEFAULT))
    if absent is None or not network or not _has_default_backend(host, cluster, network):
        return None
    lacking = [name for name in network.modules if name in absent]
    values = {"network": network.name, "variable": f"master_{network.name}_backend"}
    return _result(listing(lacking) or "all", "all", "absent" if lacking else "", values)


def _has_default_backend(host: Host, cluster: Cluster, network: PodNetwork) -> bool:
    return cluster.setting(host, f"master_{network.name}_backend") in (None, "vxlan")


@_check(
    "memory",
    "1700 MB for the master (a Pi with 2 GB), 850 MB for a node (a Pi with 1 GB)",
    too_little=(
        MUST_CHANGE,
        "{host}: {found} of memory is too little for a {role}, which needs {wanted}: use a Pi with more.",
    ),
)
def _memory(host: Host, cluster: Cluster) -> Found | None:
    found = host.fact("memory_mb")
    if not found:
        return None
    wanted = MEMORY_MB[host.role]
    ignored = cluster.setting(host, "kubeadm_ignore_preflight_errors") or []
    enough = int(found) >= wanted or "mem" in [str(entry).lower() for entry in ignored]
    return _result(f"{found} MB", f"{wanted} MB", "" if enough else "too_little", {"role": host.role})


@_check(
    "disk",
    "4000 MB free, 1000 MB on a host that is in the cluster already; mounted read-write, and kept over a restart",
    read_only=(
        MUST_CHANGE,
        "{host}: on its disk, {found} cannot be written to (read-only), as the kernel mounts a card with errors or one "
        "that is worn out: 'sudo dmesg' there shows it; restart it, and if that does not help, use another card.",
    ),
    in_memory=(
        MUST_CHANGE,
        "{host}: what is written to {found} is kept in memory alone and lost at a restart, as with the overlay file "
        "system of raspi-config: switch that off ('sudo raspi-config', Performance Options, Overlay File System) and "
        "restart it.",
    ),
    too_little=(
        MUST_CHANGE,
        "{host}: {found} are free on its disk, but {wanted} are needed: free some ('sudo apt clean'), or use a larger "
        "card.",
    ),
)
def _disk(host: Host, cluster: Cluster) -> Found | None:
    if host.fact("read_only"):
        return _result(listing(host.fact("read_only")), "writable", "read_only")
    if host.fact("in_memory"):
        return _result(listing(host.fact("in_memory")), "on the disk", "in_memory")
    found = host.fact("disk_free_mb")
    if found is None:
        return None
    wanted = DISK_MB_IN_CLUSTER if host.in_cluster else DISK_MB
    enough = int(found) >= wanted
    shown = f"{int(found) // 1000} GB free" if enough else f"{found} MB free"
    return _result(shown, f"{wanted} MB", "" if enough else "too_little")


@_check(
    "disk speed",
    "a written record reaches the disk within 10 ms on the master, where etcd keeps the cluster's state; when measured",
    slow=(
        OK,
        "{host}: a write reaches its disk after {found}, etcd wants {wanted}: an SSD on USB makes the cluster "
        "more stable.",
    ),
)
def _disk_speed(host: Host, cluster: Cluster) -> Found | None:
    found = host.fact("fsync_ms")
    if found is None:
        return None
    slow = host.role == "master" and float(found) > FSYNC_MS
    return _result(f"{float(found):.1f} ms", f"{FSYNC_MS} ms", "slow" if slow else "")


@_check(
    "power",
    "the firmware reports no under-voltage, where its tool is installed",
    under_voltage=(
        OK,
        "{host}: its firmware reports {found}: use the power supply made for this Pi and a short cable.",
    ),
)
def _power(host: Host, cluster: Cluster) -> Found | None:
    throttled = host.fact("throttled")
    if throttled is None:
        return None
    flags = throttled if isinstance(throttled, int) else int(str(throttled).rpartition("=")[2] or "0", 16)
    words = [
        word
        for bit, word in ((0, "under-voltage now"), (16, "under-voltage since boot"), (2, "throttling now"))
        if flags >> bit & 1
    ]
    return _result(listing(words) or "steady", "steady", "under_voltage" if words else "")


@_check(
    "clock",
    "synchronised, before certificates are needed",
    unsynchronised=(
        WILL_CHANGE,
        "{host}: its clock is not synchronised; base sets up a time service and waits for it.",
    ),
)
def _clock(host: Host, cluster: Cluster) -> Found | None:
    time = host.fact("time")
    if not time:
        return None
    service = time.get("service") or "no time service"
    if time.get("synchronized"):
        return _result(f"synchronised ({service})", "synchronised")
    return _result(f"not synchronised ({service})", "synchronised", "unsynchronised")


@_check(
    "cgroups",
    "memory and cpuset controllers; cgroup v2 from Kubernetes 1.35 on",
    memory_off=(
        WILL_CHANGE,
        "{host}: its kernel has no {missing} cgroup; base puts the parameters into {file} and reboots.",
    ),
    no_file=(
        MUST_CHANGE,
        "{host}: its kernel has no {missing} cgroup, and this OS has no cmdline.txt to switch it on: add "
        "'cgroup_enable=cpuset cgroup_enable=memory' to the kernel's parameters and reboot.",
    ),
    version_1=(
        MUST_CHANGE,
        "{host}: it has cgroup v1, which the kubelet of Kubernetes {version} refuses: take "
        "'systemd.unified_cgroup_hierarchy=0' out of the kernel's parameters and reboot.",
    ),
)
def _cgroups(host: Host, cluster: Cluster) -> Found | None:
    cgroup = host.fact("cgroup")
    if not cgroup:
        return None
    missing = [name for name in ("memory", "cpuset") if not cgroup.get(name)]
    found = f"v{cgroup.get('version')}" + (f", {listing(missing)} off" if missing else ", memory and cpuset on")
    wanted = "memory and cpuset on"
    if missing:
        file = host.fact("cmdline_file", "")
        values = {"missing": listing(missing), "file": file}
        return _result(found, wanted, "memory_off" if file else "no_file", values)
    kubelet = cluster.setting(host, "kubeadm_kubelet_config") or {}
    version = _wanted_version(host, cluster)
    if cgroup.get("version") == 1 and version and version >= CGROUP_V2_FROM and kubelet.get("failCgroupV1", True):
        return _result(found, "v2", "version_1", {"version": version})
    return _result(found, wanted)


@_check(
    "swap",
    "off, unless base_swap says otherwise",
    on=(WILL_CHANGE, "{host}: it swaps to {found}; base switches that off for good."),
    kept=(OK, "{host}: it swaps to {found}, and will keep doing so (base_swap: {setting})."),
)
def _swap(host: Host, cluster: Cluster) -> Found | None:
    if "pi_swaps" not in host.facts:
        return None
    names = [str(swap.get("name")) for swap in host.fact("swaps", [])]
    setting = cluster.setting(host, "base_swap") or "off"
    setting = "off" if setting is False else str(setting)
    found = listing(names) or "off"
    if not names:
        return _result(found, setting)
    kept = setting == "keep" or (setting == "zram" and all("zram" in name for name in names))
    return _result(found, setting, "kept" if kept else "on", {"setting": setting})


@_check(
    "hostname",
    "the node's name",
    other=(WILL_CHANGE, "{host}: its name is {found}; base changes it to {wanted}."),
    of_another=(
        WILL_CHANGE,
        "{host}: its name is {found}, which the inventory gives to {other}: was the card of {other} put into this Pi? "
        "If so, swap the cards; if not, base changes the name to {wanted}.",
    ),
    renamed=(
        MUST_CHANGE,
        "{host}: it is in the cluster as {found}, and a node cannot be renamed: name it {found} in the inventory, or "
        "take it out of the cluster first.",
    ),
)
def _hostname(host: Host, cluster: Cluster) -> Found | None:
    found, wanted = host.fact("hostname"), cluster.inventory.node(host.name)["hostname"]
    if not found:
        return None
    same = str(found).lower() in (wanted.lower(), wanted.lower().partition(".")[0])
    if same:
        return _result("that of the inventory", "that of the inventory")
    if host.in_cluster:
        return _result(str(found), wanted, "renamed")
    others = [name for name in cluster.inventory.hosts if name != host.name]
    names = {cluster.inventory.node(name)["hostname"].lower(): name for name in others}
    other = names.get(str(found).lower())
    return _result(str(found), wanted, "of_another" if other else "other", {"other": other or ""})


@_check(
    "identity",
    "every host is a machine of its own",
    same_machine=(
        MUST_CHANGE,
        "{host}: it is the same machine as {others} (network card {mac}): give each host of the inventory its own "
        "address.",
    ),
    same_address=(
        MUST_CHANGE,
        "{host}: it has the same address as {others}, {address}: give each its own (DHCP reservations in the router, "
        "or base_static_address).",
    ),
    cloned=(WILL_CHANGE, "{host}: it has the {what} of {others}, as copies of one card have; base gives it new ones."),
    copied_from=(
        OK,
        "{host}: it has the {what} of {others}, as copies of one card have, and keeps it; base gives the "
        "others new ones.",
    ),
)
def _identity(host: Host, cluster: Cluster) -> Found | None:
    if "pi_interfaces" not in host.facts:
        return None
    macs = {str(entry.get("mac")).lower() for entry in host.interfaces if entry.get("mac")} - {"00:00:00:00:00:00"}
    for other in cluster.hosts:
        if other is host:
            continue
        shared = macs & {str(entry.get("mac")).lower() for entry in other.interfaces}
        if shared:
            return _result("shared", "its own", "same_machine", {"others": other.name, "mac": min(shared)})
    own = _lan_addresses(host)
    for other in cluster.hosts:
        both = own & _lan_addresses(other) if other is not host else set()
        if both:
            return _result("shared", "its own", "same_address", {"others": other.name, "address": min(both)})
    copies = {}
    for what, name in (("machine-id", "machine_id_sha256"), ("SSH host keys", "host_key_fingerprints")):
        own = host.fact(name)
        sharers = [
            other.name for other in cluster.hosts if other is not host and own and _shares(own, other.fact(name))
        ]
        if sharers:
            copies[what] = sharers
    if copies:
        values = {
            "what": listing(copies),
            "others": listing(sorted({name for names in copies.values() for name in names})),
        }
        known = {other.name: {"ansible_facts": other.facts} for other in cluster.hosts}
        changes = cloned(list(known), known, host.name)
        return _result("copied", "its own", "cloned" if changes else "copied_from", values)
    return _result("its own", "its own")


def _shares(own: Any, other: Any) -> bool:
    if isinstance(own, (list, tuple)):
        return bool(set(map(str, own)) & set(map(str, other or ())))
    if isinstance(own, Mapping):
        return bool(set(map(str, own.values())) & set(map(str, (other or {}).values())))
    return own == other


@_check(
    "node address",
    "the address for the cluster's traffic is one of the host's own",
    not_here=(
        MUST_CHANGE,
        "{host}: {wanted} ({variable}) is not one of its addresses ({found}): set kubeadm_node_ip to the one by which "
        "the other hosts reach it.",
    ),
    private=(
        MUST_CHANGE,
        "{host}: its address for the cluster would be {wanted} ({card}), which is not in the other Pis' network: set "
        "kubeadm_node_ip to the one by which they reach it ({found}), or to {wanted} if they do reach it there.",
    ),
    no_ipv4=(
        MUST_CHANGE,
        "{host}: it has no IPv4 address ({found}), but Pods and Services have IPv4 networks: give it one, as a "
        "router does by DHCP.",
    ),
)
def _node_address(host: Host, cluster: Cluster) -> Found | None:
    if "pi_interfaces" not in host.facts:
        return None
    addresses = _own_addresses(host)
    own = [str(interface.ip) for interface in addresses]
    if not any(interface.version == 4 for interface in addresses):
        return _result(listing(own) or "none", "IPv4", "no_ipv4")
    known = cluster.inventory.addresses(host.name)
    variable = "kubeadm_node_ip" if "kubeadm_node_ip" in known else "ansible_host"
    wanted = str(known[variable]) if variable in known else _address(host, cluster)
    if variable in known and wanted not in own:
        return _result(listing(own) or "none", wanted, "not_here", {"variable": variable})
    private = {str(each.ip): card for card, each in _addresses(host) if PRIVATE_CARDS.match(card) or each.is_link_local}
    if wanted in private and variable != "kubeadm_node_ip" and not host.in_cluster:
        others = [str(each.ip) for each in addresses if each.version == 4 and str(each.ip) not in private]
        return _result(listing(others, "or") or "none yet", wanted, "private", {"card": private[wanted]})
    return _result("one of its own", "one of its own")


def _address(host: Host, cluster: Cluster) -> str:
    """The address that the roles will take, "" when none is known."""
    values = {**cluster.inventory.values.get(host.name, {}), "ansible_facts": host.facts}
    return cluster_nodes([host.name], {host.name: values})[host.name]["address"]


def _lan_addresses(host: Host) -> set[str]:
    """The addresses by which others know the host; bridges for virtual machines may well be alike on all."""
    interface = (host.fact("network") or {}).get("interface")
    return {str(address.ip) for address in _own_addresses(host, interface)} if interface else set()


def _lans(host: Host) -> list[ipaddress.IPv4Network]:
    """The networks in which the host has an address and others may have one."""
    return [own.network for own in _own_addresses(host) if own.version == 4 and own.network.prefixlen < 32]


def _own_addresses(host: Host, card: str = "") -> list[Any]:
    return [address for name, address in _addresses(host) if card in ("", name)]


def _addresses(host: Host) -> list[tuple[str, Any]]:
    """The host's addresses, each with its network card's name."""
    found = []
    for entry in host.interfaces:
        for address in entry.get("addresses") or ():
            try:
                interface = ipaddress.ip_interface(str(address))
            except ValueError:
                continue
            if interface.version == 4 or not interface.is_link_local:
                found.append((str(entry.get("name")), interface))
    return found


@_check(
    "fixed address",
    "base_static_address, where it is set",
    unmanaged=(
        MUST_CHANGE,
        "{host}: its network card {interface} is not managed by NetworkManager, netplan or dhcpcd, so base "
        "cannot set base_static_address: set it there yourself or reserve it in the router, and leave "
        "base_static_address out.",
    ),
    in_cluster=(
        MUST_CHANGE,
        "{host}: it is in the cluster with the address {found}, which certificates and other nodes use: set "
        "base_static_address to that, or take the Pi out of the cluster first ('sudo kubeadm reset').",
    ),
    moves=(
        WILL_CHANGE,
        "{host}: it has the address {found}; base gives it {wanted}, and undoes that unless it answers there.",
    ),
)
def _fixed_address(host: Host, cluster: Cluster) -> Found | None:
    wanted, state = str(cluster.setting(host, "base_static_address") or ""), host.fact("network")
    if not wanted or not state:
        return None
    interface = str(cluster.setting(host, "base_static_interface") or "") or state.get("interface") or "none"
    own = [str(entry) for entry in _own_addresses(host, interface)]
    if not state.get("manager"):
        return _result("unmanaged", wanted, "unmanaged", {"interface": interface})
    if wanted in own:
        return _result(wanted, wanted)
    return _result(listing(own) or "none", wanted, "in_cluster" if host.in_cluster else "moves")


@_check(
    "name servers",
    "one to three, usable by containers, too",
    none=(MUST_CHANGE, "{host}: it has no name server: is it in the network? set base_nameservers."),
    itself=(
        MUST_CHANGE,
        "{host}: one of its name servers is itself ({own}), which no container can reach (CoreDNS stops with "
        "'Loop'): set base_nameservers, for example to the router's address.",
    ),
    many=(OK, "{host}: it has the name servers {found}, of which a container uses only the first three."),
    other=(WILL_CHANGE, "{host}: its name servers are {found}; base changes them to {wanted}."),
)
def _name_servers(host: Host, cluster: Cluster) -> Found | None:
    state = host.fact("network")
    if not state or "nameservers" not in state:
        return None
    found = [str(server) for server in state["nameservers"]]
    wanted = [str(server) for server in cluster.setting(host, "base_nameservers") or ()]
    if wanted:
        return _result(listing(found) or "none", listing(wanted), "" if found == wanted else "other")
    if not found:
        return _result("none", "one at least", "none")
    own = [server for server in found if is_own(server)]
    if own:
        return _result(listing(found), "other machines", "itself", {"own": listing(own)})
    return _result(listing(found), "one to three", "many" if len(found) > 3 else "")


@_check(
    "networks",
    "the host is in neither the pod nor the service network",
    overlap=(
        MUST_CHANGE,
        "{host}: its network {lan} ({interface}) overlaps the {kind} network {network} ({variable}): choose another "
        "one for the cluster, such as {spare}.",
    ),
)
def _networks(host: Host, cluster: Cluster) -> Found | None:
    if "pi_interfaces" not in host.facts:
        return None
    lans = {}
    for entry in host.fact("interfaces", []):
        # docker0 is not the cluster's: pods in its network could not be reached either.
        if _OWN_INTERFACES.fullmatch(entry.get("name", "")) and not str(entry.get("name")).startswith("docker"):
            continue
        for address in entry.get("addresses") or ():
            try:
                network = ipaddress.ip_interface(str(address)).network
            except ValueError:
                continue
            if network.version == 4:
                lans[network] = entry["name"]
    wanted = []
    for kind, variable in (("pod", "kubeadm_pod_cidr"), ("service", "kubeadm_service_cidr")):
        try:
            network = ipaddress.ip_network(str(cluster.setting(host, variable)))
        except ValueError:
            continue
        wanted.append(network)
        for lan, interface in lans.items():
            if network.version == 4 and lan.overlaps(network):
                values = {"lan": lan, "interface": interface, "kind": kind, "network": network, "variable": variable}
                return _result(
                    str(lan), f"not {network}", "overlap", {**values, "spare": spare_network([*lans, *wanted])}
                )
    return _result(listing(map(str, lans)) or "none", f"not {listing(map(str, wanted), 'or')}")


@_check(
    "cluster",
    "no cluster yet, or the one of this inventory's master",
    other_cluster=(
        MUST_CHANGE,
        "{host}: it belongs to another cluster, that of {found}: remove it there and run 'sudo kubeadm reset' on "
        "it, or remove it from this inventory.",
    ),
    own_control_plane=(
        MUST_CHANGE,
        "{host}: it runs its own control plane, but is in group node: put it into group master, or run 'sudo "
        "kubeadm reset' on it.",
    ),
    still_node=(
        MUST_CHANGE,
        "{host}: it is a node of this cluster, but is in group master: take it out with 'ansible-playbook reset.yml "
        "--limit {host}', after which site.yml joins it as a master.",
    ),
    not_master=(
        MUST_CHANGE,
        "{host}: it is a worker of the cluster of {found}, but is in group master: put that cluster's master there "
        "instead, or run 'sudo kubeadm reset' on it.",
    ),
    left_out=(
        MUST_CHANGE,
        "{host}: it is to become a master, but --limit leaves out {found}, so nothing says which cluster it has to "
        "join: run this without --limit, or with a master in it that has a control plane.",
    ),
)
def _cluster(host: Host, cluster: Cluster) -> Found | None:
    state = host.fact("kubernetes")
    if state is None:
        return None
    server, pin = state.get("kubelet_server") or "", state.get("cluster_ca_sha256") or ""
    master = cluster.master
    if not server:
        if host.role == "master" and cluster.unseen_masters:
            return _result(listing(cluster.unseen_masters), "a cluster to join", "left_out")
        return _result("none", "none or this one")
    of_master = (master.fact("kubernetes") or {}) if master else {}
    wanted_pin = of_master.get("cluster_ca_sha256") or ""
    stranger = "other_cluster" if pin and wanted_pin and pin != wanted_pin else ""
    if host.role == "master":
        if not state.get("control_plane_remains"):
            same = host is not master and of_master.get("control_plane") and pin == wanted_pin
            return _result(server, "this one", "still_node" if same else "not_master")
        return _result(server, "this one", stranger)
    if state.get("control_plane"):
        return _result(server, "this one", "own_control_plane")
    if master is None or not master.facts:
        return _result(server, "this one")
    if not of_master.get("kubelet_server") and not wanted_pin:
        return _result(server, "none", "other_cluster")
    return _result(server, "this one", stranger)


@_check(
    "API address",
    "kubeadm_api_address, where it is set: a free address in the masters' network, or the one that the cluster has",
    later=(
        WILL_CHANGE,
        "{host}: the cluster was created without kubeadm_api_address; site.yml gives it {wanted}, for which etcd "
        "restarts once.",
    ),
    dropped=(
        MUST_CHANGE,
        "{host}: kubeadm_api_address is empty, but the cluster was created with {found}, which its certificates and "
        "kubeconfigs name: set it to {found}.",
    ),
    other=(
        MUST_CHANGE,
        "{host}: kubeadm_api_address is {wanted}, but the cluster was created with {found}, which its certificates and "
        "kubeconfigs name: set it to {found}.",
    ),
    outside=(
        MUST_CHANGE,
        "{host}: kubeadm_api_address is {wanted}, which is in none of its networks ({found}): use a free address there "
        "that the router gives to nobody.",
    ),
    taken=(
        MUST_CHANGE,
        "{host}: kubeadm_api_address is {wanted}, where another machine answers ({found}): use a free address that the "
        "router gives to nobody.",
    ),
    keepalived=(
        MUST_CHANGE,
        "{host}: something else has configured keepalived on it (/etc/keepalived/keepalived.conf), which would be "
        "overwritten: take keepalived's package and configuration off it, or leave kubeadm_api_address empty.",
    ),
)
def _api_address(host: Host, cluster: Cluster) -> Found | None:
    wanted = str(cluster.setting(host, "kubeadm_api_address") or "")
    kept = (host.fact("kubernetes") or {}).get("api_address")
    if host.role != "master" or not host.facts or not (wanted or kept):
        return None
    if kept and kept != wanted:
        return _result(kept, wanted or "none", "other" if wanted else "dropped")
    if (host.fact("kubernetes") or {}).get("foreign_keepalived"):
        return _result("somebody else's keepalived", wanted, "keepalived")
    lans = _lans(host)
    if not any(_inside(wanted, lan) for lan in lans):
        return _result(listing(map(str, lans)) or "none", wanted, "outside")
    ours = any(
        wanted in ((other.fact("kubernetes") or {}).get("api_address"), *(str(own.ip) for own in _own_addresses(other)))
        for other in cluster.hosts
    )
    mac = "" if ours or cluster.unseen_masters else host.fact("answering", {}).get(wanted, "")
    if mac:
        return _result(mac, wanted, "taken")
    return _result("none", wanted, "later") if kept == "" else _result("kept" if ours else "free", wanted)


@_check(
    "addresses",
    "kubeflow_addresses, where it is set: in the Pis' network, without the router's own address",
    outside=(
        MUST_CHANGE,
        "{host}: kubeflow_addresses has {wanted}, which is not in its network ({found}): use addresses there that the "
        "router gives to nobody.",
    ),
    router=(
        MUST_CHANGE,
        "{host}: kubeflow_addresses has {wanted}, which contains {found}, its router: leave that out.",
    ),
)
def _service_addresses(host: Host, cluster: Cluster) -> Found | None:
    wanted = [str(value) for value in cluster.setting(host, "kubeflow_addresses") or ()]
    lans = _lans(host)
    if not wanted or not lans:
        return None
    router = str((host.fact("network") or {}).get("gateway") or "")
    for value in wanted:
        try:
            first, last = address_range(value)
        except ValueError:
            continue  # the inventory's own check says so
        if not any(first in lan and last in lan for lan in lans):
            return _result(listing(map(str, lans)), value, "outside")
        if router and first <= ipaddress.ip_address(router) <= last:
            return _result(router, value, "router")
    return _result("in its network", listing(wanted))


def _inside(address: str, network: ipaddress.IPv4Network) -> bool:
    """Whether a machine of the network may have the address."""
    try:
        wanted = ipaddress.ip_address(address)
    except ValueError:
        return False
    # Not by hosts(), which goes through all of them.
    reserved = (network.network_address, network.broadcast_address) if network.prefixlen < 31 else ()
    return wanted in network and wanted not in reserved


@_check(
    "node name",
    "the name that the node already has in the cluster",
    renamed=(
        MUST_CHANGE,
        "{host}: the cluster knows it as {found}, and the inventory calls it {wanted} now: a node's name is in its "
        "certificates and cannot be changed. Call it {found} again, or take it out with 'ansible-playbook reset.yml "
        "--limit {host}', after which it joins as {wanted}.",
    ),
    master_renamed=(
        MUST_CHANGE,
        "{host}: the cluster knows its master as {found}, and the inventory calls it {wanted} now: the name is in "
        "the certificates of the whole cluster and cannot be changed. Call it {found} again.",
    ),
)
def _node_name(host: Host, cluster: Cluster) -> Found | None:
    found = (host.fact("kubernetes") or {}).get("node_name") or ""
    if not found or not host.in_cluster:
        return None
    wanted = cluster.inventory.node(host.name)["name"]
    renamed = "master_renamed" if host.role == "master" else "renamed"
    return _result(found, wanted, "" if found == wanted else renamed)


@_check(
    "Kubernetes",
    "not newer than kubeadm_version",
    downgrade=(
        MUST_CHANGE,
        "{host}: it has Kubernetes {found}, and going back to {wanted} is not possible: set kubeadm_version to "
        "{found} or later.",
    ),
    other=(WILL_CHANGE, "{host}: it has Kubernetes {found}; the run installs {wanted}."),
    behind=(WILL_CHANGE, "{host}: it is in a cluster with Kubernetes {found}; upgrade.yml upgrades it to {wanted}."),
)
def _kubernetes(host: Host, cluster: Cluster) -> Found | None:
    packages, wanted = host.fact("packages"), _wanted_version(host, cluster)
    if packages is None or wanted is None:
        return None
    entry = packages.get("kubelet") or packages.get("kubeadm")
    if not entry:
        return _result("none", str(wanted))
    try:
        found = parse_version(str(entry.get("version")).partition("-")[0])
    except ValueError:
        return _result(str(entry.get("version")), str(wanted))
    older = "behind" if host.in_cluster else "other"
    return _result(str(found), str(wanted), "downgrade" if found > wanted else older if found < wanted else "")


def _wanted_version(host: Host, cluster: Cluster) -> Version | None:
    try:
        return parse_version(str(cluster.setting(host, "kubeadm_version")))
    except ValueError:
        return None


@_check(
    "kube-proxy",
    "a mode that Kubernetes keeps: nftables or iptables, not ipvs",
    ending=(
        OK,
        "{host}: master_kube_proxy_config has the mode ipvs, which Kubernetes 1.40 switches off and 1.43 removes: "
        "set it to nftables (docs/kubernetes.md).",
    ),
    ended=(
        MUST_CHANGE,
        "{host}: master_kube_proxy_config has the mode ipvs, with which kube-proxy of Kubernetes {version} does not "
        "start: set it to nftables (docs/kubernetes.md).",
    ),
)
def _kube_proxy(host: Host, cluster: Cluster) -> Found | None:
    if host.role != "master":
        return None
    settings = cluster.setting(host, "master_kube_proxy_config") or {}
    mode, version = settings.get("mode") or "iptables", _wanted_version(host, cluster)
    gates = settings.get("featureGates") or {}
    if mode != "ipvs" or version is None:
        return _result(mode, "not ipvs")
    ended = version >= NO_IPVS_FROM and not gates.get("KubeProxyIPVS")
    return _result(mode, "not ipvs", "ended" if ended else "ending", {"version": version})


@_check(
    "ports",
    "Kubernetes' ports are free: 2379, 2380, 6443, 10250, 10257, 10259 on the master, 10250 on a node",
    taken=(
        MUST_CHANGE,
        "{host}: another program listens on {found}, which Kubernetes needs: 'sudo ss -ltnp' there shows which; stop "
        "it.",
    ),
)
def _ports(host: Host, cluster: Cluster) -> Found | None:
    listening = host.fact("listening_tcp")
    if listening is None:
        return None
    # A control plane of which files are missing runs on, and says later on which.
    if host.in_cluster or (host.fact("kubernetes") or {}).get("control_plane_remains"):
        return _result("in use by the cluster", "free")
    taken = sorted(set(map(int, listening)) & set(PORTS[host.role]))
    found = f"port{'s' if len(taken) > 1 else ''} {listing(taken)}"
    return _result(found if taken else "free", "free", "taken" if taken else "")


@_check(
    "firewall",
    "lets the other Pis in: 10250/tcp, on the master 6443/tcp (of several masters also 2379/tcp, 2380/tcp and VRRP), "
    "what the Pod network sends, and 7946/tcp and 7946/udp with kubeflow_addresses",
    drops=(
        MUST_CHANGE,
        "{host}: its firewall{by} blocks {found}, which the Pis need to reach each other: allow all traffic from their "
        "network ({lan}) and from Pods ({pods}){how}, or switch it off.",
    ),
)
def _firewall(host: Host, cluster: Cluster) -> Found | None:
    state = host.fact("firewall")
    if not state:
        return None
    wanted = ["6443/tcp"] if host.role == "master" else []
    if host.role == "master" and len(cluster.inventory.groups.get("master", ())) > 1:
        wanted += MASTERS
    wanted.append("10250/tcp")
    network = NETWORKS.get(str(cluster.setting(host, "kubeadm_cni") or DEFAULT))
    if network and _has_default_backend(host, cluster, network):
        wanted += network.ports
    if cluster.setting(host, "kubeflow_addresses"):
        wanted += SPEAKERS
    dropped = [packet for packet in state.get("drops") or () if packet in wanted]
    if not dropped:
        return _result("lets them in", "lets them in")
    lan = next(iter(_own_addresses(host, (host.fact("network") or {}).get("interface") or "")), None)
    network, service = lan.network if lan else "of the Pis", state.get("service") or ""
    values = {
        "by": f" ({service})" if service else "",
        "lan": network,
        "pods": cluster.setting(host, "kubeadm_pod_cidr"),
        "how": f" ('sudo ufw allow from {network}', for example)" if service == "ufw" and lan else "",
    }
    return _result(listing(dropped), "lets them in", "drops", values)


@_check(
    "Pod network",
    "nothing is left of an earlier one on a host that is in no cluster yet",
    left=(
        MUST_CHANGE,
        "{host}: {found} is left of an earlier cluster's Pod network, and Pods of the new one would get addresses that "
        "the other Pis do not reach: 'ansible-playbook reset.yml --limit {host}' takes it away.",
    ),
    other=(
        MUST_CHANGE,
        "{host}: {found} is the configuration of another Pod network, which containerd uses until (or instead of) that "
        "of {wanted}: delete it there and restart the Pi, or set kubeadm_cni to none if that network is yours.",
    ),
)
def _pod_network(host: Host, cluster: Cluster) -> Found | list[Found] | None:
    state = host.fact("kubernetes")
    chosen = str(cluster.setting(host, "kubeadm_cni") or DEFAULT)
    # Of a damaged member of a cluster, that cluster's Pod network stays.
    if (
        not state
        or chosen == "none"
        or any(
            state.get(name) for name in ("kubelet_server", "node_name", "cluster_ca_sha256", "control_plane_remains")
        )
    ):
        return None
    own = {network.configuration: name for name, network in NETWORKS.items()}
    left = [entry["name"] for entry in host.fact("interfaces", []) if is_link(str(entry.get("name")))]
    files = [path for path in state.get("cni_config") or () if own.get(path) != chosen]
    left += [path for path in files if path in own]
    others = [path for path in files if path not in own]
    found = []
    if left:
        found.append(_result(listing(left), chosen, "left"))
    if others:
        found.append(_result(listing(others), chosen, "other"))
    return found or _result("none yet", chosen)


@_check(
    "sources",
    "the addresses of packages and images answer, have this release, and are signed as this OS accepts it",
    unreachable=(
        MUST_CHANGE,
        "{host}: {what} cannot be reached at {url} ({reason}): check its network and name server, or the variable "
        "{variable}.",
    ),
    refused=(MUST_CHANGE, "{host}: {reason}"),
    unknown_release=(
        MUST_CHANGE,
        "{host}: there is no Kubernetes {version} at {url} ({known}): set kubeadm_version to a release that is there.",
    ),
)
def _sources(host: Host, cluster: Cluster) -> Found | list[Found] | None:
    if not host.sources:
        return None
    troubles = []
    for source in host.sources:
        if source.get("refused"):
            values = {"reason": source["refused"]}
            troubles.append(_result(f"not {source['name']}", "all answer", "refused", values))
        elif source.get("trouble"):
            known = listing((source.get("known") or [])[-5:])
            values = {
                "what": source["name"],
                "url": source["url"],
                "reason": source["trouble"],
                "variable": source.get("variable", ""),
                "version": source.get("version", ""),
                "known": f"the last ones there: {known}" if known else "it lists none",
            }
            outcome = "unknown_release" if source.get("unknown_release") else "unreachable"
            troubles.append(_result(f"not {source['name']}", "all answer", outcome, values))
    if troubles:
        return troubles
    return _result(f"{len(host.sources)} answer", "all answer")


@_check(
    "settings",
    "the inventory's role variables, now that facts are known",
    wrong=(MUST_CHANGE, "{problem}"),
)
def _settings(host: Host, cluster: Cluster) -> Found | None:
    unresolved = cluster.inventory.unresolved.get(host.name)
    if not host.facts:
        return None
    if unresolved:
        name, reason = next(iter(unresolved.items()))
        return _result(
            name,
            "resolved",
            "wrong",
            {"problem": f"{host.name}: {name} has a template that cannot be resolved: {reason}."},
        )
    return _result("resolved", "resolved")


def preflight_rows(cluster: Cluster) -> list[dict[str, str]]:
    """Run every check on every host.

    :returns: rows with host, check, found, wanted, verdict (ok, will_change, must_change) and message ("" for a
        plain ok), in the checks' order. A check that a host's facts say nothing about gives no row.
    """
    return list(_rows(cluster))


def _rows(cluster: Cluster) -> Iterator[dict[str, str]]:
    for each in CHECKS:
        for host in cluster.hosts:
            for said in each.said(host, cluster):
                yield {
                    "host": host.name,
                    "check": each.name,
                    "found": said.values["found"],
                    "wanted": said.values["wanted"],
                    "verdict": said.level or OK,
                    "message": said.sentence,
                }


def sentences(rows: Iterable[Mapping[str, str]], verdict: str) -> list[str]:
    """The messages of the rows with a verdict; the same one for several hosts is said once, of all of them."""
    hosts_of: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        if row["verdict"] == verdict and row["message"]:
            before, found, after = row["message"].partition(row["host"])
            hosts_of.setdefault((before, after) if found and not before else (row["message"],), []).append(row["host"])
    return [
        parts[0] if len(parts) == 1 else parts[0] + ("Each of " * (len(hosts) > 1)) + listing(hosts) + parts[1]
        for parts, hosts in hosts_of.items()
    ]
