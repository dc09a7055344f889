# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the cluster stands against the CIS Kubernetes Benchmark 1.12: one table, from which docs/security.md comes, too.

Of the benchmark's 130 items those are here that an installer decides about. Section 5 (what runs in the cluster) is
its owner's, but for two of its items about who may do everything.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.wording import listing
from ansible_collections.bramble.kube.plugins.module_utils.status.model import Pi, Scene

#: Verdicts: as the benchmark wants it; not so; not so, for a reason that docs/security.md has; could not be read.
PASS, FAIL, ACCEPTED, UNKNOWN = "pass", "fail", "accepted", "unknown"
LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class Result:
    """What was found for one item.

    :ivar found: what is not as the benchmark wants it, or a word about what is.
    :ivar reason: why a deviation is accepted, empty for none.
    """

    id: str
    title: str
    verdict: str
    found: str
    reason: str = ""

    def public(self) -> dict[str, str]:
        """As data."""
        return {"id": self.id, "title": self.title, "verdict": self.verdict, "found": self.found, "reason": self.reason}


@dataclass(frozen=True)
class Item:
    """One item of the benchmark, or (B…) one of our own.

    :ivar faults: finds what is not as wanted on the Pis and in the cluster; None when nothing could be read.
    :ivar reason: why this collection leaves it so all the same; empty when a fault is a fault.
    """

    id: str
    title: str
    faults: Callable[[Scene], list[str] | None]
    reason: str = ""


# How items look ---------------------------------------------------------------------------------------------------


def _pis(scene: Scene, role: str | None) -> list[Pi]:
    return [pi for pi in scene.pis if pi.audit and role in (None, pi.role)]


def _files(pattern: str, mode: int | None, owner: str | None, role: str | None = "master") -> Callable:
    """Files that match a pattern have at most this mode, and belong to this owner."""

    def faults(scene: Scene) -> list[str] | None:
        pis = _pis(scene, role)
        if not pis:
            return None
        found = []
        for pi in pis:
            for file in pi.audit["files"]:
                if not fnmatch.fnmatch(file["path"], pattern):
                    continue
                if mode is not None and file["mode"] & ~mode:
                    found.append(f"{pi.name}: {file['path']} has mode {file['mode']:04o}")
                if owner is not None and file["owner"] != owner:
                    found.append(f"{pi.name}: {file['path']} belongs to {file['owner']}")
        return found

    return faults


def _keys(scene: Scene) -> list[str] | None:
    """Private keys that somebody else than their owner may read."""
    pis = _pis(scene, None)
    if not pis:
        return None
    return [
        f"{pi.name}: {file['path']} has mode {file['mode']:04o}"
        for pi in pis
        for file in pi.audit["files"]
        if file["private_key"] and file["mode"] & 0o077
    ]


def _argument(component: str, name: str, right: Callable[[str | None], bool]) -> Callable:
    """An argument of a part of the control plane has a value that is right (None: it is not set)."""

    def faults(scene: Scene) -> list[str] | None:
        pis = [pi for pi in _pis(scene, "master") if component in pi.audit["arguments"]]
        if not pis:
            return None
        found = []
        for pi in pis:
            value = pi.audit["arguments"][component].get(name)
            if not right(value):
                found.append(f"{component}: --{name} is {value if value is not None else 'not set'}")
        return found

    return faults


def _kubelet(path: str, right: Callable[[Any], bool]) -> Callable:
    """A setting of every kubelet is right (None: it is not set)."""

    def faults(scene: Scene) -> list[str] | None:
        pis = [pi for pi in _pis(scene, None) if pi.audit["kubelet"]]
        if not pis:
            return None
        found = []
        for pi in pis:
            value: Any = pi.audit["kubelet"]
            for key in path.split("."):
                value = value.get(key) if isinstance(value, Mapping) else None
            value = None if value == "" else value
            if not right(value):
                found.append(f"{pi.name}: {path} is {value if value is not None else 'not set'}")
        return found

    return faults


def _ports(ports: Mapping[int, str], role: str) -> Callable:
    """These ports are listened on at no other addresses than the loopback's, and for "own" the node's."""

    def faults(scene: Scene) -> list[str] | None:
        pis = _pis(scene, role)
        if not pis:
            return None
        found = []
        for pi in pis:
            node = scene.node(pi) or {}
            own = {*node.get("addresses", ()), pi.fact("address"), pi.address}
            for entry in pi.audit["listening"]:
                where = ports.get(entry["port"])
                allowed = {*LOOPBACK, *(own if where == "own" else ())}
                if where and entry["address"] not in allowed:
                    found.append(f"{pi.name}: port {entry['port']} is open on {entry['address']}")
        return found

    return faults


def _encryption(scene: Scene) -> list[str] | None:
    pis = [pi for pi in _pis(scene, "master") if pi.audit["arguments"]]
    if not pis:
        return None
    providers = pis[0].audit["encryption_providers"]
    if not providers:
        return ["Secrets lie in etcd as plain text (master_encrypt_secrets is off)"]
    return ["the first provider is identity, which does not encrypt"] if providers[0] == "identity" else []


#: What kubeadm itself allows people and machines that have not proved who they are (phases/bootstraptoken/clusterinfo).
_ANONYMOUS_ROLES = ("system:public-info-viewer", "kubeadm:bootstrap-signer-clusterinfo")


def _anonymous(scene: Scene) -> list[str] | None:
    bindings = scene.cluster.get("bindings")
    if bindings is None:
        return None
    found = ["kube-apiserver: --anonymous-auth is not set"]
    for binding in bindings:
        names = {subject.get("name") for subject in binding["subjects"]}
        if names & {"system:anonymous", "system:unauthenticated"} and binding["role"] not in _ANONYMOUS_ROLES:
            found.append(f"anybody may do what {binding['role']} allows ({binding['kind']} {binding['name']})")
    arguments = [pi.audit["arguments"].get("kube-apiserver", {}) for pi in _pis(scene, "master")]
    return [] if arguments and arguments[0].get("anonymous-auth") == "false" else found


def _anonymous_rights(scene: Scene) -> list[str] | None:
    found = _anonymous(scene)
    return None if found is None else [text for text in found if text.startswith("anybody")]


def _cluster_admins(scene: Scene) -> list[str] | None:
    bindings = scene.cluster.get("bindings")
    if bindings is None:
        return None
    known = {("Group", "system:masters"), ("Group", "kubeadm:cluster-admins")}
    return [
        f"{subject.get('kind')} {subject.get('name')} may do everything ({binding['name']})"
        for binding in bindings
        if binding["role"] == "cluster-admin" and binding["kind"] == "ClusterRoleBinding"
        for subject in binding["subjects"]
        if (subject.get("kind"), subject.get("name")) not in known
    ]


def _is(value: str) -> Callable[[str | None], bool]:
    return lambda found: found == value


def _is_not(value: str) -> Callable[[str | None], bool]:
    return lambda found: found != value


def _set(found: str | None) -> bool:
    return bool(found)


def _unset(found: str | None) -> bool:
    return found is None


def _has(word: str) -> Callable[[str | None], bool]:
    return lambda found: word in (found or "").split(",")


def _lacks(word: str) -> Callable[[str | None], bool]:
    return lambda found: word not in (found or "").split(",")


def _at_least(number: int) -> Callable[[str | None], bool]:
    return lambda found: bool(found) and found.isdigit() and int(found) >= number


# The items ----------------------------------------------------------------------------------------------------------

API, MANAGER, SCHEDULER, ETCD = "kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"
_MANIFESTS = (
    (API, "1.1.1", "1.1.2"),
    (MANAGER, "1.1.3", "1.1.4"),
    (SCHEDULER, "1.1.5", "1.1.6"),
    (ETCD, "1.1.7", "1.1.8"),
)
_CONFS = (
    ("admin.conf", "1.1.13", "1.1.14"),
    ("scheduler.conf", "1.1.15", "1.1.16"),
    ("controller-manager.conf", "1.1.17", "1.1.18"),
)
_NO_SECRET = "the file holds no secret; who may write it is root alone"
_AUDIT_OFF = "a log of every request wears out a card; switch it on with master_audit_log"


def _pairs() -> Iterable[Item]:
    for name, mode, owner in _MANIFESTS:
        path = f"/etc/kubernetes/manifests/{name}.yaml"
        yield Item(mode, f"the manifest of {name} is root's alone (600)", _files(path, 0o600, None))
        yield Item(owner, f"the manifest of {name} belongs to root", _files(path, None, "root:root"))
    for name, mode, owner in _CONFS:
        path = f"/etc/kubernetes/{name}"
        yield Item(mode, f"{name} is root's alone (600)", _files(path, 0o600, None))
        yield Item(owner, f"{name} belongs to root", _files(path, None, "root:root"))


ITEMS: tuple[Item, ...] = (
    *_pairs(),
    Item("1.1.9", "CNI's files are root's alone (600)", _files("/etc/cni/net.d/*", 0o600, None, None), _NO_SECRET),
    Item("1.1.10", "CNI's files belong to root", _files("/etc/cni/net.d/*", None, "root:root", None)),
    Item("1.1.11", "etcd's folder is its owner's alone (700)", _files("/var/lib/etcd", 0o700, None)),
    Item(
        "1.1.12",
        "etcd's folder belongs to a user etcd",
        _files("/var/lib/etcd", None, "etcd:etcd"),
        "kubeadm runs etcd in a container as root, and nobody else gets at the folder (1.1.11)",
    ),
    Item(
        "1.1.19",
        "everything in the PKI folder belongs to root",
        _files("/etc/kubernetes/pki*", None, "root:root", None),
    ),
    Item(
        "1.1.20",
        "certificates can be written by root alone (644)",
        _files("/etc/kubernetes/pki/*.crt", 0o644, None, None),
    ),
    Item("1.1.21", "keys are root's alone (600)", _files("/etc/kubernetes/pki/*.key", 0o600, None, None)),
    Item(
        "1.2.1",
        "requests without proof of identity are refused (--anonymous-auth=false)",
        _anonymous,
        "a joining Pi, and the kubelet that asks whether the API server lives, have no identity yet; what they may do "
        "is checked below (B.4)",
    ),
    Item("1.2.2", "no tokens from a file (--token-auth-file)", _argument(API, "token-auth-file", _unset)),
    Item(
        "1.2.3",
        "DenyServiceExternalIPs is on",
        _argument(API, "enable-admission-plugins", _has("DenyServiceExternalIPs")),
        "it defends against users who may make Services but do not trust each other; on Pis of one owner they do",
    ),
    Item(
        "1.2.4",
        "the API server proves itself to kubelets (--kubelet-client-certificate)",
        _argument(API, "kubelet-client-certificate", _set),
    ),
    Item(
        "1.2.5",
        "kubelets prove themselves to the API server (--kubelet-certificate-authority)",
        _argument(API, "kubelet-certificate-authority", _set),
        "needs serving certificates by the cluster's CA; see kubeadm_kubelet_server_tls in docs/security.md",
    ),
    Item(
        "1.2.6",
        "not everything is allowed (--authorization-mode)",
        _argument(API, "authorization-mode", _lacks("AlwaysAllow")),
    ),
    Item("1.2.7", "nodes may do a node's work only (Node)", _argument(API, "authorization-mode", _has("Node"))),
    Item("1.2.8", "roles decide who may do what (RBAC)", _argument(API, "authorization-mode", _has("RBAC"))),
    Item(
        "1.2.9",
        "EventRateLimit is on",
        _argument(API, "enable-admission-plugins", _has("EventRateLimit")),
        "it defends the API server against tenants who flood it; a home cluster has none",
    ),
    Item("1.2.10", "AlwaysAdmit is off", _argument(API, "enable-admission-plugins", _lacks("AlwaysAdmit"))),
    Item(
        "1.2.11",
        "AlwaysPullImages is on",
        _argument(API, "enable-admission-plugins", _has("AlwaysPullImages")),
        "after a power cut no Pod would start until the internet is back",
    ),
    Item("1.2.12", "ServiceAccount is on", _argument(API, "disable-admission-plugins", _lacks("ServiceAccount"))),
    Item(
        "1.2.13", "NamespaceLifecycle is on", _argument(API, "disable-admission-plugins", _lacks("NamespaceLifecycle"))
    ),
    Item("1.2.14", "NodeRestriction is on", _argument(API, "enable-admission-plugins", _has("NodeRestriction"))),
    Item("1.2.15", "the API server's profiling is off", _argument(API, "profiling", _is("false"))),
    Item("1.2.16", "an audit log is written", _argument(API, "audit-log-path", _set), _AUDIT_OFF),
    Item("1.2.17", "it is kept for 30 days", _argument(API, "audit-log-maxage", _at_least(30)), _AUDIT_OFF),
    Item("1.2.18", "10 old files of it are kept", _argument(API, "audit-log-maxbackup", _at_least(10)), _AUDIT_OFF),
    Item(
        "1.2.19",
        "a file of it has up to 100 MB",
        _argument(API, "audit-log-maxsize", _at_least(100)),
        "11 files of 100 MB are too much for a card; with master_audit_log they have 10 MB",
    ),
    Item("1.2.21", "deleted service accounts are noticed", _argument(API, "service-account-lookup", _is_not("false"))),
    Item(
        "1.2.22", "service accounts' tokens have a key of their own", _argument(API, "service-account-key-file", _set)
    ),
    Item("1.2.23", "the API server proves itself to etcd", _argument(API, "etcd-certfile", _set)),
    Item("1.2.24", "the API server speaks TLS", _argument(API, "tls-cert-file", _set)),
    Item("1.2.25", "clients prove themselves by certificates of the CA", _argument(API, "client-ca-file", _set)),
    Item("1.2.26", "the API server knows etcd's CA", _argument(API, "etcd-cafile", _set)),
    Item(
        "1.2.27",
        "Secrets are encrypted in etcd (--encryption-provider-config)",
        _argument(API, "encryption-provider-config", _set),
    ),
    Item("1.2.28", "the first provider encrypts", _encryption),
    Item(
        "1.2.29",
        "a list of strong ciphers is set",
        _argument(API, "tls-cipher-suites", _set),
        "Go's own list, which holds without one, has no weak ciphers, and is kept current with each release",
    ),
    Item(
        "1.2.30",
        "old service account tokens end in time (--service-account-extend-token-expiration)",
        _argument(API, "service-account-extend-token-expiration", _is("false")),
        "programs of Kubeflow's age read their token only once, and would stop after an hour",
    ),
    Item(
        "1.3.1",
        "a limit of finished Pods is set",
        _argument(MANAGER, "terminated-pod-gc-threshold", _set),
        "the built-in one (12,500) is far above what a few Pis can run, and Jobs clean up after themselves",
    ),
    Item("1.3.2", "the controller manager's profiling is off", _argument(MANAGER, "profiling", _is("false"))),
    Item(
        "1.3.3",
        "each controller has an account of its own",
        _argument(MANAGER, "use-service-account-credentials", _is("true")),
    ),
    Item("1.3.4", "service accounts' tokens are signed", _argument(MANAGER, "service-account-private-key-file", _set)),
    Item("1.3.5", "Pods get the CA", _argument(MANAGER, "root-ca-file", _set)),
    Item(
        "1.3.6",
        "kubelets' serving certificates may rotate",
        _argument(MANAGER, "feature-gates", lambda found: "RotateKubeletServerCertificate=false" not in (found or "")),
    ),
    Item(
        "1.3.7", "the controller manager listens on the loopback", _argument(MANAGER, "bind-address", _is("127.0.0.1"))
    ),
    Item("1.4.1", "the scheduler's profiling is off", _argument(SCHEDULER, "profiling", _is("false"))),
    Item("1.4.2", "the scheduler listens on the loopback", _argument(SCHEDULER, "bind-address", _is("127.0.0.1"))),
    Item("2.1", "etcd speaks TLS", _argument(ETCD, "cert-file", _set)),
    Item("2.2", "etcd's clients prove themselves", _argument(ETCD, "client-cert-auth", _is("true"))),
    Item("2.3", "etcd does not make its own certificates", _argument(ETCD, "auto-tls", _is_not("true"))),
    Item("2.4", "etcd speaks TLS to its peers", _argument(ETCD, "peer-cert-file", _set)),
    Item("2.5", "etcd's peers prove themselves", _argument(ETCD, "peer-client-cert-auth", _is("true"))),
    Item("2.6", "etcd does not make its own peer certificates", _argument(ETCD, "peer-auto-tls", _is_not("true"))),
    Item("2.7", "etcd has a CA of its own", _argument(ETCD, "trusted-ca-file", _is("/etc/kubernetes/pki/etcd/ca.crt"))),
    Item(
        "3.2.1",
        "there is an audit policy",
        _argument(API, "audit-policy-file", _set),
        _AUDIT_OFF,
    ),
    Item(
        "4.1.1",
        "the kubelet's unit is root's alone (600)",
        _files("/usr/lib/systemd/system/kubelet.service*", 0o600, None, None),
        _NO_SECRET,
    ),
    Item(
        "4.1.2",
        "the kubelet's unit belongs to root",
        _files("/usr/lib/systemd/system/kubelet.service*", None, "root:root", None),
    ),
    Item("4.1.5", "kubelet.conf is root's alone (600)", _files("/etc/kubernetes/kubelet.conf", 0o600, None, None)),
    Item("4.1.6", "kubelet.conf belongs to root", _files("/etc/kubernetes/kubelet.conf", None, "root:root", None)),
    Item("4.1.7", "the CA can be written by root alone (644)", _files("/etc/kubernetes/pki/ca.crt", 0o644, None, None)),
    Item("4.1.8", "the CA belongs to root", _files("/etc/kubernetes/pki/ca.crt", None, "root:root", None)),
    Item(
        "4.1.9",
        "the kubelet's configuration is root's alone (600)",
        _files("/var/lib/kubelet/config.yaml", 0o600, None, None),
        _NO_SECRET,
    ),
    Item(
        "4.1.10",
        "the kubelet's configuration belongs to root",
        _files("/var/lib/kubelet/config.yaml", None, "root:root", None),
    ),
    Item(
        "4.2.1", "kubelets refuse requests without identity", _kubelet("authentication.anonymous.enabled", _is("false"))
    ),
    Item(
        "4.2.2", "kubelets ask the API server who may do what", _kubelet("authorization.mode", _is_not("AlwaysAllow"))
    ),
    Item("4.2.3", "kubelets know the CA of their clients", _kubelet("authentication.x509.clientCAFile", _set)),
    Item("4.2.4", "kubelets have no read-only port", _kubelet("readOnlyPort", lambda found: found in (None, "0", 0))),
    Item(
        "4.2.6",
        "kubelets keep the firewall chains that they need",
        _kubelet("makeIPTablesUtilChains", _is_not("false")),
    ),
    Item(
        "4.2.9",
        "kubelets have serving certificates by the cluster's CA",
        _kubelet("serverTLSBootstrap", _is("true")),
        "a certificate that nobody approves in time ends 'kubectl logs'; switch it on with kubeadm_kubelet_server_tls "
        "if you run site.yml at least twice a year",
    ),
    Item("4.2.10", "kubelets renew their client certificates", _kubelet("rotateCertificates", _is("true"))),
    Item(
        "4.2.12",
        "a list of strong ciphers is set",
        _kubelet("tlsCipherSuites", _set),
        "as 1.2.29",
    ),
    Item(
        "4.2.13",
        "a Pod may start only so many processes (podPidsLimit)",
        _kubelet("podPidsLimit", lambda found: found not in (None, "-1")),
        "notebooks and Java start thousands of threads; the kernel's own limit keeps the Pi alive",
    ),
    Item(
        "4.2.14",
        "containers may make only the usual system calls (seccompDefault)",
        _kubelet("seccompDefault", _is("true")),
        "the cluster is older than this default, or old images fail with it; docs/security.md has the way to it",
    ),
    Item("4.3.1", "kube-proxy's metrics are on the loopback", _ports({10249: "loopback"}, "master")),
    Item(
        "5.1.1",
        "nobody but administrators may do everything (cluster-admin)",
        _cluster_admins,
        "",
    ),
    Item(
        "B.1",
        "etcd listens only on the loopback and, for kubeadm upgrade, on the master's own address",
        _ports({2379: "own"}, "master"),
    ),
    Item(
        "B.2",
        "etcd's ports for peers, of which there are none, and for metrics are on the loopback",
        _ports({2380: "loopback", 2381: "loopback"}, "master"),
    ),
    Item("B.3", "no private key, kubeconfig or encryption key can be read by others", _keys),
    Item(
        "B.4", "who has no identity may read the cluster's address and its health, and nothing else", _anonymous_rights
    ),
    Item(
        "B.5",
        "the administrator's kubeconfig of users on the Pis is theirs alone (600)",
        _files("/home/*/.kube/config", 0o600, None, None),
    ),
)


def _place(item: Item) -> list[tuple[bool, int, str]]:
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in item.id.split(".")]


def _together(faults: list[str]) -> str:
    """One text for all faults; Pis that share one are named together."""
    pis_of: dict[str, list[str]] = {}
    for fault in faults:
        pi, _colon, text = fault.rpartition(": ")
        pis_of.setdefault(text, []).append(pi)
    return "; ".join(f"{listing(pis)}: {text}" if pis[0] else text for text, pis in pis_of.items())


ITEMS_IN_ORDER = sorted(ITEMS, key=_place)


def audit(scene: Scene) -> list[Result]:
    """Look at every item, in the benchmark's order."""
    results = []
    for item in ITEMS_IN_ORDER:
        found = item.faults(scene)
        if found is None:
            results.append(Result(item.id, item.title, UNKNOWN, "could not be read"))
        elif not found:
            results.append(Result(item.id, item.title, PASS, ""))
        else:
            verdict = ACCEPTED if item.reason else FAIL
            results.append(Result(item.id, item.title, verdict, _together(found), item.reason))
    return results
