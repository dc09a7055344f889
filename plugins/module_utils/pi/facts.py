# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What is known of a Pi: one function for each fact, each content with whatever is missing on this machine."""

from __future__ import annotations

import base64
import binascii
import contextlib
import ctypes
import hashlib
import ipaddress
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..common.errors import Stop
from ..common.pod_networks import NETWORKS, configurations
from ..common.system import System
from ..kubeadm.ca import CertificateError, ca_cert_hashes, common_name
from ..kubeadm.kubeconfig import KubeconfigError, parse_kubeconfig
from ..kubeadm.kubelet import CLUSTER_CA, KUBELET_CLIENT, kubelet_lacks
from ..kubeadm.leftovers import API_READY, KEEPALIVED
from . import config_txt, firewall, network, parse
from .bootfile import backup_path
from .cmdline import is_stub
from .packages import holder

_NAMES = {"type": "list", "elements": "str", "default": []}
OPTIONS = {
    "packages": _NAMES,
    "modules": _NAMES,
    "sysctls": _NAMES,
    "services": _NAMES,
    "measure_fsync": {"type": "str", "choices": ["never", "new", "always"], "default": "never"},
    "ask": {"type": "list", "elements": "str", "default": []},
    "first_boot_timeout": {"type": "int", "default": 0},
    "only": {"type": "list", "elements": "str"},
}

#: Where the firmware's partition is, newest place first: bookworm moved it.
BOOT_FOLDERS = ("/boot/firmware", "/boot")
#: Each of these is on a control plane alone.
CONTROL_PLANE_FILES = (
    *(
        f"/etc/kubernetes/manifests/{name}.yaml"
        for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
    ),
    "/etc/kubernetes/pki/ca.key",
)
#: Time services by unit, in the order in which the first active one counts.
TIME_UNITS = ("chrony", "chronyd", "ntpsec", "ntp", "openntpd", "systemd-timesyncd")
#: Services that set up a firewall.
FIREWALLS = ("ufw", "firewalld", "nftables", "netfilter-persistent")
#: Where a feature shows that its module is in the kernel although neither /proc/modules nor modules.builtin has it.
MODULE_SIGNS = {
    "br_netfilter": "/proc/sys/net/bridge/bridge-nf-call-iptables",
    "nf_conntrack": "/proc/sys/net/netfilter/nf_conntrack_max",
}
#: Parameters by which an image marks the boot in which it sets itself up.
_FIRST_BOOT = re.compile(r"(init=\S*(firstboot|init_resize\.sh)|systemd\.run=\S+)")


def cmdline_file(system: System) -> str:
    """The file that this OS's firmware reads kernel parameters from, as config.txt says; "" when there is none."""
    board = config_txt.Board(model(system), system.read("/proc/cpuinfo"))
    for folder in BOOT_FOLDERS:
        settings = config_txt.values(
            system.read(f"{folder}/config.txt"), board, lambda name, folder=folder: system.read(f"{folder}/{name}")
        )
        named = config_txt.cmdline_name(settings, lambda name, folder=folder: system.exists(f"{folder}/{name}"))
        for path in dict.fromkeys((f"{folder}/{named}", f"{folder}/cmdline.txt")):
            if system.exists(path) and not is_stub(system.read(path)):
                return path
            if not system.exists(path) and system.exists(backup_path(path)):
                return path  # a cut in a rename on FAT can leave the backup alone
    return ""


def model(system: System) -> str:
    """The board's name of the device tree; that of a PC's firmware elsewhere."""
    for path in (
        "/proc/device-tree/model",
        "/sys/firmware/devicetree/base/model",
        "/sys/devices/virtual/dmi/id/product_name",
    ):
        text = system.read(path).strip("\0 \n")
        if text:
            return text
    return ""


def operating_system(system: System) -> dict[str, str]:
    """The OS by os-release: id, version_id, codename, name; Raspberry Pi OS is told by its issue file."""
    release = parse.os_release(system.read("/etc/os-release") or system.read("/usr/lib/os-release"))
    name = release.get("PRETTY_NAME") or release.get("NAME", "")
    if system.exists("/etc/rpi-issue"):
        name = "Raspberry Pi OS" + (f" ({release['VERSION_CODENAME']})" if release.get("VERSION_CODENAME") else "")
    return {
        "id": release.get("ID", ""),
        "version_id": release.get("VERSION_ID", ""),
        "codename": release.get("VERSION_CODENAME", ""),
        "name": name,
    }


def root_device(system: System) -> dict[str, str]:
    """The device that / is on: source, and kind (sd, nvme, usb, other)."""
    source = number = ""
    for line in system.read("/proc/self/mountinfo").splitlines():
        before, _dash, after = line.partition(" - ")
        fields, tail = before.split(), after.split()
        if len(fields) > 4 and fields[4] == "/" and len(tail) > 1:
            number, source = fields[2], tail[1]
    block = system.real(f"/sys/dev/block/{number}") if number else ""
    if block and not os.path.isdir(block):
        block = ""
    name = os.path.basename(block) or os.path.basename(source)
    kind = "other"
    if name.startswith("mmcblk"):
        kind = "sd"
    elif name.startswith("nvme"):
        kind = "nvme"
    elif re.search(r"/usb\d+/", block):
        kind = "usb"
    return {"source": f"/dev/{name}" if block else source, "kind": kind}


def read_only(system: System) -> list[str]:
    """Folders of the OS that cannot be written to, because their file system is mounted so."""
    found = []
    for folder in ("/", "/etc", "/home", "/usr", "/var"):
        with contextlib.suppress(OSError):
            if os.statvfs(system.path(folder)).f_flag & os.ST_RDONLY:
                found.append(folder)
    return found


def in_memory(system: System) -> list[str]:
    """Folders of the OS whose content a restart takes away: their file system, or the one over it, is in memory.

    raspi-config and overlayroot lay it over / before the OS starts, where it is not seen later; they are told by the
    kernel's parameters.
    """
    asked = re.search(r"(^|\s)(boot=overlay|overlayroot=tmpfs)", system.read("/proc/cmdline"))
    mounts = {}
    for line in system.read("/proc/self/mountinfo").splitlines():
        before, _dash, after = line.partition(" - ")
        if len(before.split()) > 4 and after.split():
            mounts[before.split()[4]] = after.split()

    def under(path: str) -> str:
        return max((one for one in mounts if f"{path}/".startswith(one.rstrip("/") + "/")), key=len, default="")

    def is_lost(path: str) -> bool:
        point = under(path)
        kind, options = (mounts[point][0], mounts[point][-1]) if point else ("", "")
        upper = re.search(r"upperdir=([^,]+)", options) if kind == "overlay" else None
        if upper:
            return bool(asked and point == "/") or mounts.get(under(upper.group(1)), [""])[0] == "tmpfs"
        return kind in ("tmpfs", "ramfs")

    return [folder for folder in ("/", "/etc", "/home", "/usr", "/var", "/var/lib") if is_lost(folder)]


def disk_free_mb(system: System) -> int | None:
    """MB free for packages and images, below /var/lib."""
    for folder in ("/var/lib", "/var", "/"):
        try:
            status = os.statvfs(system.path(folder))
        except OSError:
            continue
        return status.f_bavail * status.f_frsize // (1024 * 1024)
    return None


def fsync_ms(folder: str, writes: int = 100, seconds: float = 5) -> float | None:
    """How long a record takes to reach the disk: the 99th percentile in milliseconds of records as large as etcd's.

    :param writes: how many records are written at most.
    :param seconds: how long this may take at most.
    """
    path = os.path.join(folder, f".bramble-fsync-{os.getpid()}")
    record, spans, started = os.urandom(2300), [], time.monotonic()
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return None
    try:
        for _count in range(writes):
            before = time.monotonic()
            os.write(number, record)
            os.fdatasync(number)
            spans.append((time.monotonic() - before) * 1000)
            if time.monotonic() - started > seconds:
                break
    except OSError:
        return None
    finally:
        os.close(number)
        os.unlink(path)
    spans.sort()
    return round(spans[max(0, -(-99 * len(spans) // 100) - 1)], 3)


def throttled(system: System) -> int | None:
    """The firmware's bits of under-voltage and throttling; None without its tool."""
    match = re.search(r"throttled=(0x[0-9a-fA-F]+)", system.run(["vcgencmd", "get_throttled"]))
    return int(match.group(1), 16) if match else None


def firmware(system: System) -> str | None:
    """The firmware's version; None without its tool."""
    match = re.search(r"^version (\S+)", system.run(["vcgencmd", "version"]), re.MULTILINE)
    return match.group(1) if match else None


def cgroup(system: System) -> dict[str, Any]:
    """The cgroup hierarchy: version, and whether memory and cpuset are on."""
    controllers = system.read("/sys/fs/cgroup/cgroup.controllers").split()
    if controllers or system.exists("/sys/fs/cgroup/cgroup.controllers"):
        return {"version": 2, "memory": "memory" in controllers, "cpuset": "cpuset" in controllers}
    enabled = parse.cgroups_v1(system.read("/proc/cgroups"))
    return {"version": 1, "memory": enabled.get("memory", False), "cpuset": enabled.get("cpuset", False)}


def swap_manager(system: System, packages: dict[str, dict[str, str]]) -> str:
    """Who switches swap on at boot: rpi-swap, zram-generator, dphys-swapfile, zram-tools, fstab, or none."""

    def installed(name: str) -> bool:
        return packages.get(name, {}).get("state") not in (None, "config-files", "not-installed")

    if installed("rpi-swap") or system.exists("/etc/rpi/swap.conf"):
        return "rpi-swap"
    if installed("systemd-zram-generator") or system.exists("/usr/lib/systemd/system-generators/zram-generator"):
        return "zram-generator"
    if installed("dphys-swapfile") or system.exists("/sbin/dphys-swapfile"):
        return "dphys-swapfile"
    if installed("zram-tools"):
        return "zram-tools"
    if parse.fstab_swaps(system.read("/etc/fstab")):
        return "fstab"
    return "none"


def first_boot_done(system: System) -> bool:
    """Whether the image has finished setting itself up: no first-boot parameter is left, and cloud-init is through."""
    path = cmdline_file(system)
    if _FIRST_BOOT.search(system.read("/proc/cmdline")) or (path and _FIRST_BOOT.search(system.read(path))):
        return False
    return not system.exists("/run/cloud-init/enabled") or system.exists("/run/cloud-init/result.json")


def wait_for_first_boot(system: System, seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait until the image has finished setting itself up; it may reboot meanwhile, and that ends the wait, too."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not first_boot_done(system):
        sleep(1)


def machine_id_sha256(system: System) -> str:
    """A hash of the machine-id, which itself is confidential (machine-id(5)); "" when there is none."""
    return parse.machine_id_sha256(system.read("/etc/machine-id"))


def host_key_fingerprints(system: System) -> list[str]:
    """Fingerprints of the SSH host keys, in OpenSSH's form."""
    found = []
    for name in system.names("/etc/ssh"):
        if not re.fullmatch(r"ssh_host_\w+_key\.pub", name):
            continue
        fields = system.read(f"/etc/ssh/{name}").split()
        try:
            key = base64.b64decode(fields[1], validate=True)
        except (IndexError, ValueError, binascii.Error):
            continue
        found.append("SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("="))
    return found


def interfaces(system: System) -> list[dict[str, Any]]:
    """The network interfaces: name, mac, addresses with prefix length."""
    found = parse.interfaces(system.run(["ip", "-json", "address"]))
    if found:
        return found
    return [
        {"name": name, "mac": system.read(f"/sys/class/net/{name}/address").strip(), "addresses": []}
        for name in system.names("/sys/class/net")
    ]


#: Networks that the other Pis are not in: tunnels, and the network of a USB cable.
PRIVATE_CARDS = re.compile(r"(lo|tun|tap|wg|tailscale|zt|ppp|usb)")


def reached_address(system: System, cards: Iterable[Mapping[str, Any]]) -> str:
    """The machine's address to which Ansible's SSH connection goes; "" if the other Pis cannot use it, or without SSH.

    sshd names it in its session's SSH_CONNECTION (ssh(1), ENVIRONMENT). sudo drops that, but the processes above sudo
    keep it, and root may read theirs.

    A Pi whose name stands for an IPv6 address, too, is reached by that; the networks of Pods and services are IPv4's,
    and the API server takes no address of the other family than its services have.

    :param cards: the machine's network interfaces, as in the fact of that name.
    """
    process = "self"
    while process not in ("", "0"):
        surroundings = system.read(f"/proc/{process}/environ")
        found = re.search(r"(?:^|\0)SSH_CONNECTION=\S+ \d+ ([0-9A-Fa-f.:]+)\S* \d+", surroundings)
        if found:
            break
        parent = re.search(r"^PPid:\s*(\d+)", system.read(f"/proc/{process}/status"), re.MULTILINE)
        process = parent.group(1) if parent else ""
    else:
        return ""
    address = ipaddress.ip_address(found.group(1))
    if address.version != 4 or address.is_link_local or address.is_loopback:
        return ""
    own = {entry.partition("/")[0]: card["name"] for card in cards for entry in card["addresses"]}
    # Without an address of any card nothing is known of them; sshd may name one that is a tunnel's or a router's.
    is_usable = not PRIVATE_CARDS.match(own[str(address)]) if str(address) in own else not own
    return str(address) if is_usable else ""


def network_state(system: System, route: network.Route) -> dict[str, Any]:
    """How the machine reaches others: interface, gateway, who manages the interface, name servers."""
    return {
        "interface": route.interface,
        "gateway": route.gateway,
        "manager": network.manager(system, route.interface) if route.interface else "",
        "nameservers": network.nameservers(system),
    }


def _kernel_clock_synchronised() -> bool:
    """Ask the kernel by adjtimex(2), which changes nothing with modes 0."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return False
    return 0 <= state < 5  # TIME_ERROR is 5


def clock(system: System, units: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The time service, whether the clock is synchronised by it, and the offset in seconds where it says one."""
    service = next((name for name in TIME_UNITS if units.get(name + ".service", {}).get("active")), "")
    offset: float | None = None
    if service in ("chrony", "chronyd"):
        synchronised, offset = parse.chrony_tracking(system.run(["chronyc", "-n", "-c", "tracking"]))
    elif service == "systemd-timesyncd":
        synchronised = system.exists("/run/systemd/timesync/synchronized")
    elif service:
        synchronised = _kernel_clock_synchronised()
    else:
        synchronised = False
    installed = [name for name in TIME_UNITS if units.get(name + ".service", {}).get("loaded")]
    return {"service": service, "synchronized": synchronised, "offset_s": offset, "installed": installed}


def units(system: System, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """State of systemd units (.service unless named otherwise) by full name, asked of systemd in one go."""
    full = [name if "." in name else name + ".service" for name in names]
    if not full:
        return {}
    return parse.units(system.run(["systemctl", "show", "-p", "Id,LoadState,ActiveState,UnitFileState", "--", *full]))


def modules_missing(system: System, wanted: Sequence[str]) -> list[str]:
    """Those of the kernel modules that are neither loaded nor built in."""
    existing = system.names("/sys/module") + [name for name, path in MODULE_SIGNS.items() if system.exists(path)]
    existing += [line.split()[-1] for line in system.read("/proc/filesystems").splitlines() if line.strip()]
    builtin = system.read(f"/lib/modules/{os.uname().release}/modules.builtin")
    return parse.missing_modules(wanted, system.read("/proc/modules"), builtin, existing)


def modules_absent(system: System, wanted: Sequence[str]) -> list[str]:
    """Those of the kernel modules that the running kernel neither has in it nor could load; none where nobody knows."""
    lines = system.read(f"/lib/modules/{os.uname().release}/modules.dep").splitlines()
    loadable = "\n".join(line.partition(":")[0] for line in lines)
    return parse.missing_modules(modules_missing(system, wanted), "", loadable, ()) if loadable else []


def firewall_state(system: System, states: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Who keeps a firewall, and what the other Pis need and it drops, such as 10250/tcp."""
    dropped = firewall.iptables(system.run(["iptables-save"])).dropped(firewall.PACKETS)
    dropped += firewall.nft(system.run(["nft", "--json", "list", "ruleset"])).dropped(firewall.PACKETS)
    return {
        "service": next((name for name in FIREWALLS if states.get(name + ".service", {}).get("active")), ""),
        "drops": [str(packet) for packet in firewall.PACKETS if str(packet) in dropped],
    }


def sysctls(system: System, names: Sequence[str]) -> dict[str, str]:
    """Values of kernel settings; those that this kernel does not have are left out."""
    found = {}
    for name in names:
        path = "/proc/sys/" + name.replace(".", "/")
        if system.exists(path):
            found[name] = " ".join(system.read(path).split())
    return found


def answering(system: System, addresses: Iterable[str]) -> dict[str, str]:
    """The MAC addresses of other machines that answer at these addresses of the machine's own network."""
    found = {}
    for address in addresses:
        system.run(["ping", "-c", "1", "-W", "1", address])
        with contextlib.suppress(ValueError):
            for entry in json.loads(system.run(["ip", "-json", "neighbour", "show", "to", address])):
                # An entry that nobody has confirmed just now may be of a machine that is gone.
                if "REACHABLE" in entry.get("state", ()) and entry.get("lladdr"):
                    found[address] = entry["lladdr"]
    return found


def api_address(system: System) -> str | None:
    """The address that the machine's finished control plane shares with others: "" for none, None without one."""
    config = system.read("/etc/kubernetes/kubeadm-init.yaml")
    found = re.search(r'^controlPlaneEndpoint: "(.+):\d+"$', config, re.MULTILINE)
    return None if not config else found.group(1) if found else ""


def kubernetes(system: System) -> dict[str, Any]:
    """Which cluster the machine belongs to, and as which node."""
    server, pem = "", ""
    text = system.read("/etc/kubernetes/kubelet.conf")
    if text:
        try:
            cluster = parse_kubeconfig(text)
            server, pem = cluster.server, cluster.ca_pem or system.read(cluster.ca_file)
        except KubeconfigError:
            match = re.search(r"^\s*server:\s*\"?(https://[^\s\"]+)", text, re.MULTILINE)
            server = match.group(1) if match else ""
    pin = ""
    for candidate in (pem, system.read(CLUSTER_CA)):
        try:
            pin = ca_cert_hashes(candidate)[0]
            break
        except CertificateError:
            continue
    name = ""
    with contextlib.suppress(CertificateError):
        name = common_name(system.read(KUBELET_CLIENT)).removeprefix("system:node:")
    return {
        "kubelet_server": server,
        "node_name": name,
        "cluster_ca_sha256": pin,
        "kubelet_lacks": kubelet_lacks(system, time.time()),
        "control_plane": system.exists("/etc/kubernetes/manifests/kube-apiserver.yaml"),
        "api_address": api_address(system),
        "foreign_keepalived": system.exists(KEEPALIVED[0]) and not system.exists(API_READY),
        "control_plane_remains": any(map(system.exists, CONTROL_PLANE_FILES)),
        "cni_config": configurations(system),
    }


#: Packages by whose versions and holds roles and playbooks decide: of the container engine, and of Kubernetes.
PACKAGES = (
    *("containerd", "containerd.io", "docker-ce", "docker-ce-cli", "docker-cli", "docker.io", "runc"),
    *("cri-tools", "kubeadm", "kubectl", "kubelet", "kubernetes-cni"),
)
#: Services that are to run.
SERVICES = ("containerd", "docker", "keepalived", "kubelet")


def gather(
    system: System,
    packages: Sequence[str] = (),
    modules: Sequence[str] = (),
    settings: Sequence[str] = (),
    services: Sequence[str] = (),
    measure_fsync: str = "never",
    ask: Sequence[str] = (),
    first_boot_timeout: float = 0,
) -> dict[str, Any]:
    """Read every fact.

    :param packages: packages to tell versions of, beside PACKAGES.
    :param modules: kernel modules to look for.
    :param settings: kernel settings to read.
    :param services: systemd units to tell the state of, beside SERVICES.
    :param measure_fsync: whether the disk's write latency is measured, which takes up to 5 seconds: never, always, or
        on a new machine, which is in no cluster.
    :param ask: addresses at which another machine may answer.
    :param first_boot_timeout: seconds to wait for the end of the first boot.
    :returns: the facts, each with the prefix ``pi_``.
    """
    wait_for_first_boot(system, first_boot_timeout)
    packages, services = [*PACKAGES, *packages], [*SERVICES, *services]
    known = parse.dpkg_status(system.read("/var/lib/dpkg/status"))
    states = units(system, [*TIME_UNITS, *FIREWALLS, *services])
    route = network.default_route(system)
    cards = interfaces(system)
    asked = {name: states.get(name if "." in name else name + ".service", {}) for name in services}
    facts: dict[str, Any] = {
        "model": model(system),
        "memory_mb": parse.memory_mb(system.read("/proc/meminfo")),
        "page_size": os.sysconf("SC_PAGE_SIZE"),
        "architecture": system.run(["dpkg", "--print-architecture"]).strip(),
        "kernel_architecture": os.uname().machine,
        "os": operating_system(system),
        "root_device": root_device(system),
        "disk_free_mb": disk_free_mb(system),
        "read_only": read_only(system),
        "in_memory": in_memory(system),
        "throttled": throttled(system),
        "firmware": firmware(system),
        "cgroup": cgroup(system),
        "cmdline_file": cmdline_file(system),
        "swaps": parse.swaps(system.read("/proc/swaps")),
        "swap_manager": swap_manager(system, known),
        "time": clock(system, states),
        "first_boot_done": first_boot_done(system),
        "interfaces": cards,
        "address": route.address,
        "reached_address": reached_address(system, cards),
        "network": network_state(system, route),
        "machine_id_sha256": machine_id_sha256(system),
        "host_key_fingerprints": host_key_fingerprints(system),
        "firewall": firewall_state(system, states),
        "listening_tcp": parse.listening_ports(system.read("/proc/net/tcp"), system.read("/proc/net/tcp6")),
        "hostname": os.uname().nodename,
        "apt_lock_held": bool(holder(system)),
        "packages": {
            name: {"version": known[name]["version"], "held": known[name]["want"] == "hold"}
            for name in packages
            if known.get(name, {}).get("state") == "installed"
        },
        "packages_unfinished": parse.unfinished_packages(known),
        "kernel_modules_missing": modules_missing(system, modules),
        "kernel_modules_absent": modules_absent(system, [name for one in NETWORKS.values() for name in one.modules]),
        "sysctl": sysctls(system, settings),
        "services": {
            name: {"active": state.get("active", False), "enabled": state.get("enabled", False)}
            for name, state in asked.items()
        },
        "kubernetes": kubernetes(system),
        "answering": answering(system, ask),
    }
    if measure_fsync == "always" or (measure_fsync == "new" and not facts["kubernetes"]["kubelet_server"]):
        facts["fsync_ms"] = fsync_ms(system.path("/var/lib"))
    return {"pi_" + name: value for name, value in facts.items()}


def run(system: System, options: Mapping[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Read the facts, and return all or those that are asked for.

    :raises Stop: for a fact that there is not.
    """
    facts = gather(
        system,
        packages=options["packages"],
        modules=options["modules"],
        settings=options["sysctls"],
        services=options["services"],
        measure_fsync=options["measure_fsync"],
        ask=options["ask"],
        first_boot_timeout=options["first_boot_timeout"],
    )
    if options["only"] is None:
        return {"changed": False, "ansible_facts": {**facts, "pi_complete": True}}
    for name in options["only"]:
        if "pi_" + name not in facts:
            known = ", ".join(fact.removeprefix("pi_") for fact in sorted(facts))
            raise Stop(f"only: there is no fact {name}; known are {known}.")
    return {"changed": False, "ansible_facts": {"pi_" + name: facts["pi_" + name] for name in options["only"]}}
