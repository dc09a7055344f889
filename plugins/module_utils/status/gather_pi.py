# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What goes on on a Pi right now, read on the Pi itself, so that it is known when the API server is silent, too.

One function for each thing; whatever is missing on the machine gives an empty answer, never a failure.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import socket
import ssl
import struct
import time
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.bramble.kube.plugins.module_utils.backup import drill
from ansible_collections.bramble.kube.plugins.module_utils.backup.counting import Loopback
from ansible_collections.bramble.kube.plugins.module_utils.common.http import BODY_MAX, TransportError, fetch
from ansible_collections.bramble.kube.plugins.module_utils.common.pod_networks import NETWORKS, configurations
from ansible_collections.bramble.kube.plugins.module_utils.common.redact import TOKEN
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import kubelet_journal
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.ca import CertificateError, ca_cert_hashes
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.etcd import MANIFEST, EtcdError, parse_pod
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import KubeconfigError, parse_kubeconfig
from ansible_collections.bramble.kube.plugins.module_utils.status.log_tail import last_words

KUBERNETES = "/etc/kubernetes"
SERVICES = ("containerd", "docker", "kubelet")
#: Packages whose versions are shown.
PACKAGES = ("containerd", "containerd.io", "docker-ce", "docker.io", "kubeadm", "kubectl", "kubelet")
#: The static Pods of a control plane: manifest's name, and name of the program in it.
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
#: Folders that fill up, each on whatever disk it lies.
FOLDERS = ("/", "/var/lib/containerd", "/var/lib/kubelet", "/var/lib/etcd")
#: Files with certificates, beside those in KUBERNETES/pki.
KUBELET_CERTIFICATES = (
    "/var/lib/kubelet/pki/kubelet-client-current.pem",
    "/var/lib/kubelet/pki/kubelet-server-current.pem",
)
KUBECONFIGS = ("admin.conf", "controller-manager.conf", "kubelet.conf", "scheduler.conf", "super-admin.conf")
#: Where etcd tells its sizes, in plain HTTP on the loopback alone, as kubeadm sets it up.
ETCD_METRICS = "http://127.0.0.1:2381/metrics"

#: Seconds from 1900, where NTP begins to count, to 1970.
_NTP_EPOCH = 2208988800
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)
_PULL = re.compile(r'Failed to pull image \\?"(?P<image>[^"\\]+)\\?": (?P<reason>.*)')


def memory(system: System) -> dict[str, int]:
    """MiB of memory in all, and available to new programs."""
    values = dict(re.findall(r"^(\w+):\s+(\d+) kB", system.read("/proc/meminfo"), re.MULTILINE))
    return {
        "total_mb": int(values.get("MemTotal", 0)) // 1024,
        "available_mb": int(values.get("MemAvailable", 0)) // 1024,
    }


def disks(system: System) -> list[dict[str, Any]]:
    """MiB in all and free on each disk that one of FOLDERS lies on."""
    found, seen = [], set()
    for folder in FOLDERS:
        path = system.path(folder)
        try:
            status, device = os.statvfs(path), os.stat(path).st_dev
        except OSError:
            continue
        if device not in seen:
            seen.add(device)
            found.append(
                {
                    "folder": folder,
                    "total_mb": status.f_blocks * status.f_frsize // 2**20,
                    "free_mb": status.f_bavail * status.f_frsize // 2**20,
                    "read_only": bool(status.f_flag & os.ST_RDONLY),
                }
            )
    return found


def temperature(system: System) -> float | None:
    """Degrees Celsius of the processor, None without a sensor."""
    text = system.read("/sys/class/thermal/thermal_zone0/temp").strip()
    return round(int(text) / 1000, 1) if text.isdigit() else None


def load(system: System) -> dict[str, Any]:
    """Load of the last minute, number of cores, and seconds since the last boot."""
    average, uptime = system.read("/proc/loadavg").split(), system.read("/proc/uptime").split()
    return {
        "one_minute": float(average[0]) if average else None,
        "cores": os.cpu_count() or 1,
        "uptime_s": int(float(uptime[0])) if uptime else None,
    }


def services(system: System) -> dict[str, dict[str, Any]]:
    """Services by name: state by systemd, why and how often one ended, how long it is up, whether it starts at boot."""
    properties = "Id,LoadState,ActiveState,SubState,Result,UnitFileState,NRestarts,ActiveEnterTimestampMonotonic"
    uptime = float((system.read("/proc/uptime").split() or ["0"])[0])
    text = system.run(["systemctl", "show", "-p", properties, "--", *(f"{name}.service" for name in SERVICES)])
    found = {}
    for paragraph in text.split("\n\n"):
        values = dict(line.split("=", 1) for line in paragraph.splitlines() if "=" in line)
        name = values.get("Id", "").rpartition(".service")[0]
        if name:
            found[name] = {
                "loaded": values.get("LoadState") == "loaded",
                "state": values.get("ActiveState", "unknown"),
                "substate": values.get("SubState", ""),
                "result": values.get("Result", ""),
                "restarts": int(values.get("NRestarts") or 0),
                "up_s": int(uptime - int(values.get("ActiveEnterTimestampMonotonic") or 0) / 1e6),
                "enabled": values.get("UnitFileState", "") in ("enabled", "enabled-runtime", "static"),
            }
    return found


def image_failures(journal: str) -> list[dict[str, str]]:
    """Images that the kubelet could not pull, with the last reason for each."""
    reasons: dict[str, str] = {}
    for line in journal.splitlines():
        match = _PULL.search(line)
        if match:
            reasons[match["image"]] = match["reason"].strip().strip('"')[:400]
    return [{"image": image, "reason": reason} for image, reason in reasons.items()]


def pod_network(system: System) -> dict[str, Any]:
    """The Pod network: CNI's configuration, the plugins that it names and that are missing, and the Pi's subnet."""
    files = configurations(system)
    types = re.findall(r'"type"\s*:\s*"([\w.-]+)"', system.read(files[0])) if files else []
    network = next((one for one in NETWORKS.values() if one.configuration in files[:1]), None)
    kept = system.read(network.subnet_file) if network and network.subnet_file else ""
    subnet = re.search(network.subnet, kept, re.MULTILINE) if kept else None
    return {
        "configuration": files,
        "network": network.name if network else "",
        "plugins_missing": sorted({name for name in types if not system.exists(f"/opt/cni/bin/{name}")}),
        "subnet": subnet.group(1) if subnet else "",
    }


def _log_files(system: System, folder: str) -> list[str]:
    """A container's log files, the oldest first; the number is that of its restarts."""
    return sorted((name for name in system.names(folder) if re.fullmatch(r"\d+\.log", name)), key=lambda n: int(n[:-4]))


def _tail(system: System, path: str, size: int = 65536) -> str:
    try:
        with open(system.path(path), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def containers(system: System) -> list[dict[str, Any]]:
    """What each container on this Pi said last, the latest first: Pod, container, restarts, last words."""
    found = []
    for pod in system.names("/var/log/pods"):
        namespace, _underscore, rest = pod.partition("_")
        name = rest.rpartition("_")[0]
        for container in system.names(f"/var/log/pods/{pod}"):
            folder = f"/var/log/pods/{pod}/{container}"
            files = _log_files(system, folder)
            if not files:
                continue
            said = next(
                (line for line in (last_words(_tail(system, f"{folder}/{n}")) for n in files[::-1]) if line), ""
            )
            try:
                written = os.stat(system.path(f"{folder}/{files[-1]}")).st_mtime
            except OSError:
                continue
            found.append(
                {
                    "namespace": namespace,
                    "pod": name,
                    "container": container,
                    "restarts": int(files[-1][:-4]),
                    "said": said,
                    "written": int(written),
                }
            )
    found.sort(key=lambda entry: -entry["written"])
    return found[:100]


def running_programs(system: System) -> set[str]:
    """Names of the programs that run on this machine."""
    found = set()
    for name in system.names("/proc"):
        if name.isdigit():
            first = system.read(f"/proc/{name}/cmdline").partition("\0")[0]
            found.add(os.path.basename(first))
    return found - {""}


def control_plane(system: System) -> dict[str, dict[str, bool]]:
    """For each part of a control plane whether its manifest is there and whether its program runs."""
    programs = running_programs(system)
    return {
        name: {"manifest": system.exists(f"{KUBERNETES}/manifests/{name}.yaml"), "running": name in programs}
        for name in CONTROL_PLANE
    }


def _certificates_of(text: str) -> str:
    return "".join(_CERTIFICATE.findall(text))


def _embedded(text: str) -> str:
    """The client certificate inside a kubeconfig."""
    match = re.search(r"client-certificate-data:\s*\"?([A-Za-z0-9+/=]+)", text)
    try:
        return _certificates_of(base64.b64decode(match.group(1)).decode("ascii")) if match else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""


def certificates(system: System) -> list[dict[str, str]]:
    """Every certificate of Kubernetes on this Pi, as PEM text; keys never leave it."""
    paths = list(KUBELET_CERTIFICATES)
    for folder in (f"{KUBERNETES}/pki", f"{KUBERNETES}/pki/etcd"):
        paths += [f"{folder}/{name}" for name in system.names(folder) if name.endswith(".crt")]
    found = [(path, _certificates_of(system.read(path))) for path in paths]
    for name in KUBECONFIGS:
        found.append((f"{KUBERNETES}/{name}", _embedded(system.read(f"{KUBERNETES}/{name}"))))
    return [{"file": path, "pem": pem} for path, pem in found if pem]


def membership(system: System) -> dict[str, Any]:
    """What kubelet.conf says: the API server and the CA by which it is known; and an unfinished join's token id."""
    text = system.read(f"{KUBERNETES}/kubelet.conf")
    bootstrap = system.read(f"{KUBERNETES}/bootstrap-kubelet.conf")
    server = pem = trouble = ""
    for source in (text, bootstrap):
        if not source:
            continue
        try:
            cluster = parse_kubeconfig(source)
        except KubeconfigError as error:
            trouble = str(error)
            continue
        server, pem = cluster.server, cluster.ca_pem or system.read(cluster.ca_file)
        break
    token = TOKEN.search(bootstrap)
    # The kubelet writes kubelet.conf before the cluster has accepted it; the certificate comes after that.
    joined = bool(text) and ("client-certificate:" not in text or system.exists(KUBELET_CERTIFICATES[0]))
    return {
        "joined": joined,
        "server": server,
        "ca_pem": _certificates_of(pem),
        "trouble": trouble,
        "bootstrapping": bool(bootstrap),
        "token_id": token.group(1) if token and not joined else "",
    }


def reach(server: str, ca_pem: str, timeout: float = 5) -> dict[str, str]:
    """Try the API server from here, as the kubelet does.

    :returns: ``outcome``, one of none, ok, refused, silent, unknown_name, untrusted, failed; and what was ``said``.
    """
    address = re.fullmatch(r"https://\[?([^\]/]+?)\]?(?::(\d+))?/?", server)
    if not address:
        return {"outcome": "none", "said": ""}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=ca_pem)
        plain = socket.create_connection((address.group(1), int(address.group(2) or 443)), timeout)
        with plain, context.wrap_socket(plain, server_hostname=address.group(1)):
            return {"outcome": "ok", "said": ""}
    except ssl.SSLCertVerificationError as error:
        return {"outcome": "untrusted", "said": error.verify_message}
    except ConnectionRefusedError:
        return {"outcome": "refused", "said": "connection refused"}
    except socket.gaierror:
        return {"outcome": "unknown_name", "said": "the name cannot be resolved"}
    except (TimeoutError, socket.timeout):
        return {"outcome": "silent", "said": f"no answer in {timeout:.0f} seconds"}
    except (OSError, ValueError) as error:
        return {"outcome": "failed", "said": str(getattr(error, "strerror", None) or error)}


def time_server(system: System) -> str:
    """Address of the server by which this Pi sets its clock; empty when it has none."""
    sources = [line.split(",") for line in system.run(["chronyc", "-n", "-c", "sources"]).splitlines()]
    chosen = [fields for fields in sources if len(fields) > 5 and fields[1] == "*"]
    asked = chosen or [fields for fields in sources if len(fields) > 5 and fields[5] not in ("", "0")]
    if asked:
        return asked[0][2]
    return system.run(["timedatectl", "show-timesync", "--property=ServerAddress", "--value"]).strip()


def ahead_of(server: str, port: int = 123, timeout: float = 2) -> float | None:
    """Seconds by which this clock is ahead of a time server's (RFC 4330, SNTP); None when that does not answer.

    Asked for by itself, because a time service that may not set the clock does not tell how far off it is.
    """
    try:
        family = socket.getaddrinfo(server, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family[0], socket.SOCK_DGRAM) as channel:
            channel.settimeout(timeout)
            sent = time.time()
            channel.sendto(b"\x23" + 47 * b"\0", family[4])
            answer = channel.recv(512)
            received = time.time()
    except OSError:
        return None
    if len(answer) < 48 or answer[1] == 0:  # a kiss-o'-death: come back later
        return None
    there = [whole - _NTP_EPOCH + part / 2**32 for whole, part in struct.iter_unpack("!II", answer[32:48])]
    return round(-((there[0] - sent) + (there[1] - received)) / 2, 3)


def etcd(system: System) -> dict[str, int]:
    """Bytes of etcd's database on disk, in use, and allowed; what is not known is left out."""
    found: dict[str, int] = {}
    try:
        found["size"] = os.stat(system.path("/var/lib/etcd/member/snap/db")).st_size
    except OSError:
        return found
    try:
        text = fetch(ETCD_METRICS, BODY_MAX, timeout=3).decode("utf-8", "replace")
    except TransportError:
        return found
    for name, metric in (
        ("size", "etcd_mvcc_db_total_size_in_bytes"),
        ("in_use", "etcd_mvcc_db_total_size_in_use_in_bytes"),
        ("quota", "etcd_server_quota_backend_bytes"),
    ):
        match = re.search(rf"^{metric} (\S+)$", text, re.MULTILINE)
        if match:
            found[name] = int(float(match.group(1)))
    return found


def etcd_members(system: System) -> list[dict[str, Any]]:
    """The members that etcd has by what this one knows, also without a majority: name, address, whether it learns.

    A name is empty until that member has started for the first time. None are told when this one does not run.
    """
    try:
        flags = parse_pod(system.read(MANIFEST)).flags
        own = urlsplit(flags.get("listen-peer-urls", "").partition(",")[0])
        files = (system.path(flags[f"peer-{name}-file"]) for name in ("trusted-ca", "cert", "key"))
        server = Loopback(own.port or 2380, own.hostname or "", *files, address=own.hostname or "")
        status, text = server.get("/members", timeout=3)
        return [
            {
                "name": member.get("name", ""),
                "address": urlsplit(member["peerURLs"][0]).hostname or "",
                "learner": bool(member.get("isLearner")),
            }
            for member in (json.loads(text) if status == 200 else ())
        ]
    except (EtcdError, OSError, ValueError, LookupError, TypeError, AttributeError):
        return []


def last_drill(system: System, ca_pem: str) -> dict[str, Any]:
    """How the last drill with a backup of this cluster ended; empty when there was none."""
    try:
        return drill.record_of(system.read(drill.RECORD), ca_cert_hashes(ca_pem)[0])
    except CertificateError:
        return {}


def gather(system: System, laptop_time: float | None = None) -> dict[str, Any]:
    """Read all of it.

    :param laptop_time: seconds since 1970 by the laptop's clock when it began to ask.
    """
    journal = kubelet_journal.read(system)
    member, server = membership(system), time_server(system)
    master = system.exists(f"{KUBERNETES}/manifests/kube-apiserver.yaml") or system.exists("/var/lib/etcd/member")
    state: dict[str, Any] = {
        "now": int(time.time()),
        "memory": memory(system),
        "disks": disks(system),
        "temperature_c": temperature(system),
        "load": load(system),
        "services": services(system),
        "kubelet": {
            "configured": system.exists("/var/lib/kubelet/config.yaml"),
            "tolerates_swap": bool(re.search(r"^failSwapOn: false", system.read("/var/lib/kubelet/config.yaml"), re.M)),
            "errors": kubelet_journal.last_errors(journal),
        },
        "image_failures": image_failures(journal),
        "pod_network": pod_network(system),
        "containers": containers(system),
        "control_plane": control_plane(system) if master else {},
        "certificates": certificates(system),
        "membership": member,
        "api": reach(member["server"], member["ca_pem"]),
        "etcd": etcd(system) if master else {},
        "etcd_members": etcd_members(system) if master else [],
        "drill": last_drill(system, member["ca_pem"]) if master else {},
        "time_server": {"address": server, "ahead_s": ahead_of(server) if server else None},
    }
    if laptop_time is not None:
        state["ahead_of_laptop_s"] = round(time.time() - laptop_time, 1)
    return state
