# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Which requests for a kubelet's serving certificate may be approved: those that ask for nothing but their own.

The signer kubernetes.io/kubelet-serving signs any name that an approved request holds, so whoever approves is the only
one who checks that a node does not ask for another's name or address.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import Unreachable
from ansible_collections.bramble.kube.plugins.module_utils.manifests.retry import PATIENCE
from ansible_collections.bramble.kube.plugins.module_utils.nodes.api import Cluster, asking

try:
    from cryptography import x509

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False

OPTIONS = {
    "nodes": {"type": "dict", "required": True},
    "timeout": {"type": "int", "default": 90},
    "kubeconfig": {"type": "path", "required": True},
    "context": {"type": "str"},
}
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
KUBELET_PORT = 10250
SIGNER = "kubernetes.io/kubelet-serving"
#: What the signer allows (https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/).
USAGES = frozenset({"digital signature", "key encipherment", "server auth"})
GROUP = "system:nodes"


@dataclass(frozen=True)
class Verdict:
    """What is thought of one request.

    :ivar node: the node that asks; empty when it is none.
    :ivar objection: why it is not approved; empty when it may be.
    """

    request: str
    node: str
    objection: str = ""


def is_pending(request: Mapping[str, Any]) -> bool:
    """Whether it is a request for a serving certificate that nobody has decided about."""
    spec, status = request.get("spec") or {}, request.get("status") or {}
    return spec.get("signerName") == SIGNER and not status.get("conditions")


def judge(request: Mapping[str, Any], nodes: Mapping[str, Iterable[str]]) -> Verdict:
    """Look at one request.

    :param nodes: the known nodes, each with its names and addresses; its own name need not be among them.
    """
    spec = request.get("spec") or {}
    name, user = request["metadata"]["name"], str(spec.get("username") or "")
    node = user.removeprefix("system:node:") if user.startswith("system:node:") else ""
    return Verdict(name, node, _objection(spec, user, node, nodes))


def _objection(spec: Mapping[str, Any], user: str, node: str, nodes: Mapping[str, Iterable[str]]) -> str:
    if not node or GROUP not in (spec.get("groups") or ()):
        return f"it comes from {user or 'somebody unknown'}, which is not a node"
    if node not in nodes:
        return f"it comes from {node}, which is not a Pi of the inventory"
    unusual = set(spec.get("usages") or ()) - USAGES
    if unusual or "server auth" not in (spec.get("usages") or ()):
        return f"it would be valid for {', '.join(sorted(unusual)) or 'no server'}"
    try:
        asked = x509.load_pem_x509_csr(base64.b64decode(spec.get("request") or "", validate=True))
    except (ValueError, binascii.Error):
        return "it cannot be read"
    if not asked.is_signature_valid:
        return "its signature is wrong"
    subject = sorted((attribute.oid.dotted_string, str(attribute.value)) for attribute in asked.subject)
    wanted = sorted(
        ((x509.NameOID.COMMON_NAME.dotted_string, user), (x509.NameOID.ORGANIZATION_NAME.dotted_string, GROUP))
    )
    if subject != wanted:
        return f"it is for {asked.subject.rfc4514_string()}, not for {user}"
    return _wrong_names(asked, {node, *nodes[node]})


def _wrong_names(asked: x509.CertificateSigningRequest, known: set[str]) -> str:
    try:
        names = list(asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except (x509.ExtensionNotFound, ValueError):
        return "it names no name and no address"
    if not names:
        return "it names no name and no address"
    for entry in names:
        if not isinstance(entry, (x509.DNSName, x509.IPAddress)):
            return f"it is for {entry.value}, which is neither a host's name nor an address"
        if str(entry.value) not in known:
            return f"it is for {entry.value}, which is not one of that node's names and addresses"
    return ""


def approval(request: Mapping[str, Any], now: str) -> dict[str, Any]:
    """The request with the approval in it, for its subresource approval.

    :param now: RFC 3339.
    """
    condition = {
        "type": "Approved",
        "status": "True",
        "reason": "KnownNode",
        "message": "bramble.kube has checked its name and addresses against the inventory",
        "lastUpdateTime": now,
    }
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {key: request["metadata"][key] for key in ("name", "resourceVersion", "uid")},
        "spec": request["spec"],
        "status": {"conditions": [condition]},
    }


def shows_certificate(address: str, ca: str, timeout: float = 5) -> bool:
    """Whether the kubelet at an address shows a certificate for it by this CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca)
    try:
        plain = socket.create_connection((address, KUBELET_PORT), timeout)
        with plain, context.wrap_socket(plain, server_hostname=address):
            return True
    except OSError:
        return False


@dataclass
class Decided:
    """What became of requests.

    :ivar approved: names of those that were approved, by node.
    :ivar refused: the objection to each of the others.
    """

    approved: dict[str, list[str]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def result(self) -> dict[str, Any]:
        """As the module returns it."""
        after = "".join(f"{name}: {', '.join(requests)} approved\n" for name, requests in self.approved.items())
        warned = [
            f"The certificate request {name} was not approved: {objection}." for name, objection in self.refused.items()
        ]
        return {
            "changed": bool(self.approved),
            "approved": self.approved,
            "refused": self.refused,
            "diff": {"before": "", "after": after},
            "warned": warned,
        }


def approve_pending(cluster: Cluster, nodes: Mapping[str, Iterable[str]], check: bool, decided: Decided) -> None:
    """Look at all pending requests once."""
    for request in filter(is_pending, cluster.patiently(lambda: cluster.items(REQUESTS), PATIENCE)):
        verdict = judge(request, nodes)
        if verdict.objection:
            decided.refused[verdict.request] = verdict.objection
            continue
        if not check:
            now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            cluster.send("PUT", f"{REQUESTS}/{verdict.request}/approval", approval(request, now))
        decided.approved.setdefault(verdict.node, []).append(verdict.request)


def act(cluster: Cluster, nodes: Mapping[str, list[str]], timeout: float, check: bool) -> dict[str, Any]:
    """Approve until all have their certificate.

    :param nodes: names and addresses of each node, its address first.
    :param timeout: seconds.
    """
    if not cluster.ca:
        raise Stop("The kubeconfig holds no CA (certificate-authority-data), by which kubelets could be checked.")
    decided, deadline = Decided(), time.monotonic() + timeout
    while True:
        approve_pending(cluster, nodes, check, decided)
        waiting = [name for name, addresses in nodes.items() if not shows_certificate(addresses[0], cluster.ca)]
        if not waiting or check:
            return decided.result()
        if time.monotonic() >= deadline:
            objections = "; ".join(f"{name}: {text}" for name, text in decided.refused.items())
            raise Stop(
                f"The kubelet of {waiting[0]} shows no certificate from the cluster's CA, and none of its requests may "
                f"be approved{' (' + objections + ')' if objections else ''}: see that serverTLSBootstrap is"
                " in its /var/lib/kubelet/config.yaml, and restart it."
            )
        time.sleep(1)


def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Read which nodes there are, and approve their requests."""
    if not HAS_CRYPTOGRAPHY:
        raise Stop(missing_required_lib("cryptography"))
    nodes = {name: [str(address) for address in addresses] for name, addresses in options["nodes"].items()}
    for name, addresses in nodes.items():
        try:
            ipaddress.ip_address((addresses or [""])[0])
        except ValueError:
            raise Stop(f"nodes: {name} has no address; its first entry must be the node's address.") from None
    try:
        with asking(" about certificates"):
            return act(Cluster.of(options), nodes, options["timeout"], check)
    except Unreachable:
        if not check:
            raise
        return {"changed": False, "approved": {}, "refused": {}, "msg": "There is no cluster yet."}
