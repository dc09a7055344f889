# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What Kubernetes, its Pod network and this collection leave on a machine, told apart from what is somebody else's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from ansible_collections.bramble.kube.plugins.module_utils.common.pod_networks import NETWORKS

_NETWORKS = tuple(NETWORKS.values())
#: Chains of kube-proxy and the kubelet, of the CNI plugins bridge and portmap, and of the Pod networks.
_CHAIN = re.compile("|".join(f"{start}.+" for start in ("KUBE-", "CNI-", *(one.chains for one in _NETWORKS)) if start))
#: nft tables of kube-proxy in its mode nftables, of the CNI plugins, and of the Pod networks.
_TABLES = {"kube-proxy", "cni_hostport", "cni_plugins_masquerade", *(name for one in _NETWORKS for name in one.tables)}
#: Sets of addresses that rules of the Pod networks name.
_SET = re.compile("|".join(one.sets for one in _NETWORKS if one.sets))
#: Links of the CNI plugin bridge, of kube-proxy in its mode ipvs, and of the Pod networks.
_LINK = re.compile("|".join(filter(None, ("cni0", "kube-ipvs0", "nodelocaldns", *(one.links for one in _NETWORKS)))))
#: Option of an iptables rule → what of the cluster's own its value may name.
_NAMES = {**dict.fromkeys(("-j", "--jump", "-g", "--goto"), _CHAIN), "-i": _LINK, "-o": _LINK, "--match-set": _SET}
#: Folders that belong to the cluster as a whole. Those that are mounts of their own are emptied.
FOLDERS = (
    "/etc/kubernetes",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/lib/cni",
    "/var/lib/bramble.kube/backup",
    "/var/lib/bramble.kube/before-restore",
    "/var/lib/bramble.kube/drill",
    *(folder for one in _NETWORKS for folder in one.folders),
)
#: Files in folders that are not the cluster's alone: a cut restore leaves the first, Pod networks bring the others.
FILES = (
    "/var/lib/bramble.kube/restoring",
    "/var/lib/bramble.kube/last-drill.json",
    *(file for one in _NETWORKS for file in (one.configuration, *one.files)),
)


#: What the role master gives keepalived; the first is in no keepalived of somebody else's.
API_READY = "/etc/keepalived/api-ready"
KEEPALIVED = ("/etc/keepalived/keepalived.conf", "/etc/systemd/system/keepalived.service.d/bramble.conf")
#: Snapshots of etcd, which hold every Secret.
SNAPSHOTS = "/var/lib/bramble.kube/*.db"


def _is_own(chain: str) -> bool:
    return bool(_CHAIN.fullmatch(chain))


def is_link(name: str) -> bool:
    """Whether a network interface is the cluster's own."""
    return bool(_LINK.fullmatch(name))


def _is_ours(rule: str) -> bool:
    """Whether a rule in somebody else's chain jumps to a chain of the cluster's, or names a set or link of its own."""
    words = re.sub(r'"[^"]*"', '""', rule).split()  # nothing of a comment
    return any(option in _NAMES and _NAMES[option].fullmatch(value) for option, value in zip(words, words[1:]))


def iptables_removal(saved: str) -> str:
    """What `iptables-restore --noflush` has to read to take the cluster's chains and its rules in other chains away.

    :param saved: what `iptables-save` printed.
    :returns: empty when there is nothing of the cluster's.
    """
    lines: list[str] = []
    table, chains, jumps = "", [], []

    def close() -> None:
        if chains or jumps:
            lines.extend([f"*{table}", *jumps, *(f"-F {name}" for name in chains), *(f"-X {name}" for name in chains)])
            lines.append("COMMIT")

    for line in saved.splitlines():
        if line.startswith("*"):
            table, chains, jumps = line[1:], [], []
        elif line.startswith(":") and _is_own(line[1:].split()[0]):
            chains.append(line[1:].split()[0])
        elif line.startswith("-A "):
            chain = line.split()[1]
            if not _is_own(chain) and _is_ours(line):
                jumps.append("-D " + line[3:])
        elif line == "COMMIT":
            close()
    return "\n".join(lines) + "\n" if lines else ""


def nft_tables(listed: str) -> list[tuple[str, str]]:
    """The cluster's own tables among those that `nft list tables` printed, as family and name."""
    found = re.findall(r"^table (\S+) (\S+)\s*$", listed, re.MULTILINE)
    return [(family, name) for family, name in found if name in _TABLES]


def links(listed: str) -> list[str]:
    """The cluster's own network interfaces among those that `ip -json link` printed, and what hangs on its bridges."""
    names = []
    for link in json.loads(listed or "[]"):
        name = link.get("ifname", "")
        if _LINK.fullmatch(name) or (name.startswith("veth") and _LINK.fullmatch(link.get("master", ""))):
            names.append(name)
    # What hangs on a bridge goes before it.
    return sorted(names, key=lambda name: (not name.startswith("veth"), name))


def mounts(table: str) -> list[str]:
    """Mount points below the cluster's folders in /proc/mounts, the deepest first; not those folders themselves."""
    points = []
    for line in table.splitlines():
        point = line.split(" ")[1].encode().decode("unicode_escape") if line.count(" ") > 1 else ""
        if any(point.startswith(folder + "/") for folder in FOLDERS):
            points.append(point)
    return sorted(set(points), key=lambda point: (-point.count("/"), point))


def network_namespaces(names: Iterable[str]) -> list[str]:
    """Those that CNI made for Pods, among the entries of /run/netns."""
    return sorted(name for name in names if name.startswith("cni-"))
