# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What on a Pi bears on its security: modes of files, settings of the components, addresses that are listened on."""

from __future__ import annotations

import glob
import grp
import ipaddress
import json
import os
import pwd
import re
import stat
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import KubeconfigError, load_plain_yaml
from ansible_collections.bramble.kube.plugins.module_utils.pi.system import System
from ansible_collections.bramble.kube.plugins.module_utils.status.gather_pi import CONTROL_PLANE, KUBERNETES

#: Files and folders whose mode and owner matter, as glob patterns.
FILES = (
    f"{KUBERNETES}/manifests/*.yaml",
    f"{KUBERNETES}/*.conf",
    f"{KUBERNETES}/*.yaml",
    f"{KUBERNETES}/pki",
    f"{KUBERNETES}/pki/*",
    f"{KUBERNETES}/pki/etcd/*",
    "/etc/cni/net.d/*",
    "/var/lib/etcd",
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/pki/*",
    "/usr/lib/systemd/system/kubelet.service",
    "/usr/lib/systemd/system/kubelet.service.d/*.conf",
    "/home/*/.kube/config",
    "/root/.kube/config",
    "/var/log/kubernetes/audit/*",
)


def files(system: System) -> list[dict[str, Any]]:
    """Mode and owner of each of FILES that is there; links are followed, and told as what they lead to."""
    found = []
    for pattern in FILES:
        for path in sorted(glob.glob(system.path(pattern))):
            try:
                status = os.stat(path)
            except OSError:
                continue
            shown = path if system.root == "/" else "/" + os.path.relpath(path, system.root)
            found.append(
                {
                    "path": shown,
                    "mode": stat.S_IMODE(status.st_mode),
                    "owner": _name(status.st_uid, status.st_gid),
                    "folder": stat.S_ISDIR(status.st_mode),
                    "private_key": not stat.S_ISDIR(status.st_mode) and _holds_key(path),
                }
            )
    return found


def _name(user: int, group: int) -> str:
    """ "user:group", numbers where there are no names."""
    try:
        first = pwd.getpwuid(user).pw_name
    except KeyError:
        first = str(user)
    try:
        second = grp.getgrgid(group).gr_name
    except KeyError:
        second = str(group)
    return f"{first}:{second}"


def _holds_key(path: str) -> bool:
    """Whether a private key, or a kubeconfig's one, is in the file."""
    try:
        with open(path, "rb") as file:
            text = file.read(2**20)
    except OSError:
        return False
    return b"PRIVATE KEY-----" in text or b"client-key-data:" in text or b"kind: EncryptionConfiguration" in text


def arguments(manifest: str) -> dict[str, str]:
    """The arguments of the program in a static Pod's manifest as kubeadm writes it: name to value."""
    found = {}
    for line in manifest.splitlines():
        match = re.fullmatch(r"\s+- [\"']?--([a-z0-9-]+)(?:=(.*?))?[\"']?", line)
        if match:
            found[match.group(1)] = match.group(2) if match.group(2) is not None else "true"
    return found


def kubelet_configuration(system: System) -> dict[str, Any]:
    """The kubelet's KubeletConfiguration; empty when it is not there or cannot be read."""
    text = system.read("/var/lib/kubelet/config.yaml")
    try:
        return load_plain_yaml(text) if text else {}
    except KubeconfigError:
        return {}


def _address(text: str) -> str:
    """An address of /proc/net/tcp and tcp6: 32-bit words in the machine's byte order."""
    words = [bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def listening(*tables: str) -> list[dict[str, Any]]:
    """Addresses and ports in state LISTEN in the text of /proc/net/tcp and tcp6."""
    found = set()
    for table in tables:
        for line in table.splitlines()[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == "0A":
                address, _colon, port = fields[1].rpartition(":")
                try:
                    found.add((int(port, 16), _address(address)))
                except ValueError:
                    continue
    return [{"port": port, "address": address} for port, address in sorted(found)]


def encryption_providers(system: System, path: str) -> list[str]:
    """Names of the providers in the API server's EncryptionConfiguration, in their order; never the keys."""
    text = system.read(path) if path else ""
    try:
        resources = json.loads(text).get("resources") or []
        return [name for entry in resources for provider in entry.get("providers") or [] for name in provider]
    except (ValueError, AttributeError):
        return re.findall(r"^\s+- (aescbc|aesgcm|identity|kms|secretbox):", text, re.MULTILINE)


def gather(system: System) -> dict[str, Any]:
    """Read all of it."""
    components = {name: arguments(system.read(f"{KUBERNETES}/manifests/{name}.yaml")) for name in CONTROL_PLANE}
    components = {name: found for name, found in components.items() if found}
    provider_file = components.get("kube-apiserver", {}).get("encryption-provider-config", "")
    return {
        "files": files(system),
        "arguments": components,
        "kubelet": kubelet_configuration(system),
        "listening": listening(system.read("/proc/net/tcp"), system.read("/proc/net/tcp6")),
        "encryption_providers": encryption_providers(system, provider_file),
        "audit_policy": system.read(components.get("kube-apiserver", {}).get("audit-policy-file", "")) != "",
    }
