# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What a cluster remembers of a node: its object, and the requests by which it got its certificates."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.manifests.retry import PATIENCE
from ansible_collections.bramble.kube.plugins.module_utils.nodes.api import Cluster, asking
from ansible_collections.bramble.kube.plugins.module_utils.pi import parse

OPTIONS = {
    "names": {"type": "list", "elements": "str", "required": True},
    "addresses": {"type": "dict", "default": {}},
    "machine_ids": {"type": "dict", "default": {}},
    "kubeconfig": {"type": "path", "required": True},
}
VOLUMES = "/api/v1/persistentvolumes"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


def is_ready(node: Mapping[str, Any]) -> bool:
    """Whether the cluster takes the node for alive."""
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def addresses(node: Mapping[str, Any]) -> list[str]:
    """Addresses by which the cluster knows the node."""
    listed = (node.get("status") or {}).get("addresses") or []
    return [entry["address"] for entry in listed if entry.get("type") == "InternalIP"]


def someone_else(node: Mapping[str, Any], address: str) -> str:
    """Why a node's object is not to be cleared for a new machine with its name; empty when it may be.

    :param address: of the machine that wants to join.
    """
    known = addresses(node)
    if not address or not known or address in known or not is_ready(node):
        return ""
    name = node["metadata"]["name"]
    return (
        f"the cluster has a node {name} at {', '.join(known)}, which is alive, and the machine that is to join at "
        f"{address} has the same name: give this one another name in the inventory, or take the old one out with "
        "reset.yml first (if the old one is switched off, wait a minute until the cluster notices)"
    )


def same_machine(node: Mapping[str, Any], machine_id_sha256: str) -> bool:
    """Whether the machine that joins is the one that the node's object tells of: only its card's content was damaged.

    :param machine_id_sha256: of the machine that wants to join; empty when it is not known.
    """
    known = ((node.get("status") or {}).get("nodeInfo") or {}).get("machineID") or ""
    return bool(machine_id_sha256) and parse.machine_id_sha256(known) == machine_id_sha256


@dataclass(frozen=True)
class Folder:
    """A folder of a node in which a volume's data lies.

    :ivar claim: the volume claim, as namespace/name; the volume's own name where nobody claims it.
    """

    path: str
    claim: str


def folders_on(volumes: Iterable[Mapping[str, Any]], node: str) -> list[Folder]:
    """Folders of PersistentVolumes that no other node but this one has.

    :param volumes: PersistentVolumes, as the API has them.
    """
    found = []
    for volume in volumes:
        spec = volume["spec"]
        path = (spec.get("hostPath") or spec.get("local") or {}).get("path")
        if path and _only_node(spec) == node:
            claim = spec.get("claimRef") or {}
            told = f"{claim['namespace']}/{claim['name']}" if claim else volume["metadata"]["name"]
            found.append(Folder(path, told))
    return sorted(found, key=lambda folder: folder.path)


def _only_node(spec: Mapping[str, Any]) -> str:
    """The one node that a volume is bound to by its host name; empty when there is none or more than one."""
    terms = ((spec.get("nodeAffinity") or {}).get("required") or {}).get("nodeSelectorTerms") or []
    names = {
        name
        for term in terms
        for rule in term.get("matchExpressions") or []
        if rule["key"] == "kubernetes.io/hostname" and rule["operator"] == "In"
        for name in rule.get("values") or []
    }
    return names.pop() if len(names) == 1 else ""


def _common_name(name: str) -> bytes:
    """An X.509 name's value as it stands in a request: a string's tag aside, its length and its text (DER)."""
    text = f"system:node:{name}".encode()
    return bytes([len(text)]) + text if len(text) < 128 else text


def is_request_of(request: Mapping[str, Any], node: str) -> bool:
    """Whether a CertificateSigningRequest was for a node's kubelet, its first one by a bootstrap token included."""
    spec = request.get("spec") or {}
    if spec.get("username") == f"system:node:{node}":
        return True
    if spec.get("signerName") not in ("kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/kubelet-serving"):
        return False
    try:
        pem = base64.b64decode(spec.get("request") or "", validate=True).decode("ascii")
        body = re.search(r"-----BEGIN[^-]+-----(.*?)-----END", pem, re.DOTALL)
        return body is not None and _common_name(node) in base64.b64decode(body.group(1))
    except (binascii.Error, ValueError):
        return False


def requests_of(items: Iterable[Mapping[str, Any]], nodes: Iterable[str]) -> list[str]:
    """Names of the requests that were for one of the nodes."""
    wanted = list(nodes)
    return [item["metadata"]["name"] for item in items if any(is_request_of(item, node) for node in wanted)]


def act(cluster: Cluster, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Find what there is, and delete it."""
    names, joining, machines = options["names"], options["addresses"], options["machine_ids"]

    def patiently(ask: Callable[[], Any]) -> Any:
        return cluster.patiently(ask, PATIENCE)

    known = {name: patiently(lambda name=name: cluster.found(f"/api/v1/nodes/{name}")) for name in names}
    for name, node in known.items():
        trouble = someone_else(node, str(joining.get(name, ""))) if node else ""
        if trouble:
            raise Stop(f"{trouble[0].upper()}{trouble[1:]}.")
    removed = [name for name, node in known.items() if node and not same_machine(node, str(machines.get(name, "")))]
    # A node that is gone already counts, too: an earlier run may have come no further.
    blank = [name for name in names if name in removed or not known[name]]
    volumes = patiently(lambda: cluster.items(VOLUMES)) if blank else []
    folders = {name: [asdict(one) for one in folders_on(volumes, name)] for name in blank}
    requests = requests_of(patiently(lambda: cluster.items(REQUESTS)), names)
    # The requests first: as long as the node's object is there, the next run finds what a cut left.
    doomed = [*(f"{REQUESTS}/{name}" for name in requests), *(f"/api/v1/nodes/{name}" for name in removed)]
    for path in [] if check else doomed:
        patiently(lambda path=path: cluster.remove(path))
    return {
        "changed": bool(removed or requests),
        "removed": removed,
        "requests": requests,
        "folders": {name: found for name, found in folders.items() if found},
    }


def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Let the cluster forget nodes."""
    if check and not system.exists(options["kubeconfig"]):
        return {"changed": False, "removed": [], "requests": [], "folders": {}}
    with asking(f" about {', '.join(options['names'])}"):
        return act(Cluster.of(options), options, check)
