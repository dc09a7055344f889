# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""All 131 items of the CIS Kubernetes Benchmark 1.12, and some of our own (B…): one table, from which docs/security.md
comes, too. Numbers are the benchmark's; words are ours.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..common.check import Check
from . import audit_cluster as cluster
from . import audit_loop, powers
from . import audit_pis as on_pis
from .audit import item
from .audit_cluster import BASELINE, RESTRICTED, admission, each_container, has, has_container, power
from .audit_pis import each, files, flag, given, kubelet, unset

API, MANAGER, SCHEDULER, ETCD = "kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"
ROOT = "root:root"
_MANIFESTS = (
    (API, "1.1.1", "1.1.2"),
    (MANAGER, "1.1.3", "1.1.4"),
    (SCHEDULER, "1.1.5", "1.1.6"),
    (ETCD, "1.1.7", "1.1.8"),
)
_CONFS = (("scheduler.conf", "1.1.15", "1.1.16"), ("controller-manager.conf", "1.1.17", "1.1.18"))
_NO_SECRET = "the file holds no secret, and only root can write it"
_AUDIT_OFF = "a log of every request wears out a card; switch it on with master_audit_log"
_OPERATORS = (
    "Kubeflow's parts create Pods, Secrets, volumes or webhooks for what they run; each account has a list of what it "
    "may do, and nothing else is explained"
)
_LEVELS = (
    "the cluster's own parts (kube-system, the Pod network's, local-path-storage) work on the machine itself, and only "
    "administrators create Pods there; kube-public and kube-node-lease have none, and default is left empty"
)
_STRICT = (
    f"{_LEVELS}; where Kubeflow runs training jobs, notebooks and models, the level is baseline, since their images "
    "start as root"
)


def _files() -> Iterable[Check]:
    for name, mode, owner in _MANIFESTS:
        path = f"/etc/kubernetes/manifests/{name}.yaml"
        yield item(mode, f"the manifest of {name} is root's alone (600)", files(path, 0o600))
        yield item(owner, f"the manifest of {name} belongs to root", files(path, owner=ROOT))
    for name, mode, owner in _CONFS:
        path = f"/etc/kubernetes/{name}"
        yield item(mode, f"{name} is root's alone (600)", files(path, 0o600))
        yield item(owner, f"{name} belongs to root", files(path, owner=ROOT))
    cni = "/etc/cni/net.d/*"
    yield item("1.1.9", "CNI's files are root's alone (600)", files(cni, 0o600, on="all", tolerated=0o644), _NO_SECRET)
    yield item("1.1.10", "CNI's files belong to root", files(cni, owner=ROOT, on="all"))
    yield item("1.1.11", "etcd's folder is its owner's alone (700)", files(on_pis.etcd_folder, 0o700))
    yield item(
        "1.1.12",
        "etcd's folder belongs to a user etcd",
        files(on_pis.etcd_folder, owner="etcd:etcd", tolerated=ROOT),
        "kubeadm runs etcd in a container as root, and nobody else can read the folder (1.1.11)",
    )
    for id_, kind, wanted in (
        ("1.1.13", "are root's alone (600)", {"mode": 0o600}),
        ("1.1.14", "belong to root", {"owner": ROOT}),
    ):
        admin = files("/etc/kubernetes/admin.conf", **wanted)
        yield item(
            id_,
            f"admin.conf and super-admin.conf {kind}",
            each(admin, files("/etc/kubernetes/super-admin.conf", **wanted, on="none")),
        )
    yield item("1.1.19", "everything in the PKI folder belongs to root", files("/etc/kubernetes/pki*", owner=ROOT))
    yield item(
        "1.1.20", "certificates can be written by root alone (644)", files("/etc/kubernetes/pki/*.crt", 0o644, on="all")
    )
    yield item("1.1.21", "keys are root's alone (600)", files("/etc/kubernetes/pki/*.key", 0o600))
    config, unit = on_pis.kubelet_configuration, on_pis.units
    yield item(
        "4.1.1", "the kubelet's unit is root's alone (600)", files(unit, 0o600, on="all", tolerated=0o644), _NO_SECRET
    )
    yield item("4.1.2", "the kubelet's unit belongs to root", files(unit, owner=ROOT, on="all"))
    in_pod = "it is in kube-proxy's Pod, and has no secret: the token is beside it"
    yield item("4.1.3", "kube-proxy's kubeconfig is root's alone (600)", on_pis.proxy_kubeconfig(0o600, None), in_pod)
    yield item("4.1.4", "kube-proxy's kubeconfig belongs to root", on_pis.proxy_kubeconfig(None, ROOT))
    kubeconfig = on_pis.kubelet_kubeconfig
    yield item("4.1.5", "the kubelet's kubeconfig is root's alone (600)", files(kubeconfig, 0o600, on="all"))
    yield item("4.1.6", "the kubelet's kubeconfig belongs to root", files(kubeconfig, owner=ROOT, on="all"))
    ca = on_pis.kubelet_ca
    yield item("4.1.7", "the CA of kubelets' clients can be written by root alone (644)", files(ca, 0o644, on="all"))
    yield item("4.1.8", "the CA of kubelets' clients belongs to root", files(ca, owner=ROOT, on="all"))
    yield item(
        "4.1.9",
        "the kubelet's configuration is root's alone (600)",
        files(config, 0o600, on="all", tolerated=0o644),
        _NO_SECRET,
    )
    yield item("4.1.10", "the kubelet's configuration belongs to root", files(config, owner=ROOT, on="all"))


def _api_server() -> Iterable[Check]:
    def api(name: str, right: on_pis.Rule, tolerated: on_pis.Rule | None = None, instead: str = "") -> on_pis.Check:
        return flag(API, name, right, tolerated, instead=instead)

    admitted, refused = "enable-admission-plugins", "disable-admission-plugins"

    def mode(right: on_pis.Rule) -> on_pis.Check:
        return api("authorization-mode", right, instead="authorization-config")

    yield item(
        "1.2.1",
        "requests without proof of identity are refused (--anonymous-auth=false)",
        api("anonymous-auth", on_pis.off, on_pis.not_off, instead="authentication-config"),
        "a joining Pi, and the kubelet's check that the API server is alive, have no identity; what they may do is "
        "checked below (B.4)",
    )
    yield item("1.2.2", "no tokens from a file (--token-auth-file)", api("token-auth-file", unset))
    yield item(
        "1.2.3",
        "DenyServiceExternalIPs is on",
        api(admitted, on_pis.has("DenyServiceExternalIPs"), lambda _: True),
        "it protects users who may create Services from each other; on Pis with one owner they trust each other",
    )
    yield item(
        "1.2.4",
        "the API server proves itself to kubelets (--kubelet-client-certificate, -key)",
        each(api("kubelet-client-certificate", given), api("kubelet-client-key", given)),
    )
    yield item(
        "1.2.5",
        "the API server checks kubelets' certificates (--kubelet-certificate-authority)",
        api("kubelet-certificate-authority", given, unset),
        "needs serving certificates from the cluster's CA; see kubeadm_kubelet_server_tls in docs/security.md",
    )
    yield item(
        "1.2.6",
        "not everything is allowed (--authorization-mode)",
        mode(lambda found: given(found) and on_pis.lacks("AlwaysAllow")(found)),
    )
    yield item("1.2.7", "nodes may do a node's work only (Node)", mode(on_pis.has("Node")))
    yield item("1.2.8", "roles decide who may do what (RBAC)", mode(on_pis.has("RBAC")))
    yield item(
        "1.2.9",
        "EventRateLimit is on",
        api(admitted, on_pis.has("EventRateLimit"), lambda _: True),
        "it protects the API server from tenants who flood it; a home cluster has none",
    )
    yield item("1.2.10", "AlwaysAdmit is off", api(admitted, on_pis.lacks("AlwaysAdmit")))
    yield item(
        "1.2.11",
        "AlwaysPullImages is on",
        api(admitted, on_pis.has("AlwaysPullImages"), lambda _: True),
        "after a power cut no Pod would start until the internet is back",
    )
    yield item("1.2.12", "ServiceAccount is on", api(refused, on_pis.lacks("ServiceAccount")))
    yield item("1.2.13", "NamespaceLifecycle is on", api(refused, on_pis.lacks("NamespaceLifecycle")))
    yield item(
        "1.2.14",
        "NodeRestriction is on",
        each(api(admitted, on_pis.has("NodeRestriction")), api(refused, on_pis.lacks("NodeRestriction"))),
    )
    yield item("1.2.15", "the API server's profiling is off", api("profiling", on_pis.off))
    yield item("1.2.16", "an audit log is written", api("audit-log-path", given, unset), _AUDIT_OFF)
    yield item("1.2.17", "it is kept for 30 days", api("audit-log-maxage", on_pis.at_least(30), unset), _AUDIT_OFF)
    yield item(
        "1.2.18", "10 old files of it are kept", api("audit-log-maxbackup", on_pis.at_least(10), unset), _AUDIT_OFF
    )
    yield item(
        "1.2.19",
        "a file of it has up to 100 MB",
        api("audit-log-maxsize", on_pis.at_least(100), lambda found: unset(found) or on_pis.at_least(10)(found)),
        "11 files of 100 MB are too much for a card; with master_audit_log they have 10 MB",
    )
    yield item(
        "1.2.20",
        "a request ends after at most 5 minutes (--request-timeout)",
        api("request-timeout", lambda found: unset(found) or 0 < (on_pis.seconds(found) or 0) <= 300),
    )
    yield item("1.2.21", "deleted service accounts are noticed", api("service-account-lookup", on_pis.not_off))
    yield item("1.2.22", "service accounts' tokens have their own key", api("service-account-key-file", given))
    yield item(
        "1.2.23",
        "the API server proves itself to etcd",
        each(api("etcd-certfile", given), api("etcd-keyfile", given)),
    )
    yield item(
        "1.2.24",
        "the API server speaks TLS",
        each(api("tls-cert-file", given), api("tls-private-key-file", given)),
    )
    yield item("1.2.25", "clients authenticate with the CA's certificates", api("client-ca-file", given))
    yield item("1.2.26", "the API server knows etcd's CA", api("etcd-cafile", given))
    yield item(
        "1.2.27",
        "there is a configuration of encryption in etcd (--encryption-provider-config)",
        api("encryption-provider-config", given),
    )
    yield item("1.2.28", "the first provider for Secrets encrypts them", on_pis.encryption)
    yield item(
        "1.2.29",
        "a list of strong ciphers is set",
        api("tls-cipher-suites", on_pis.strong_ciphers, unset),
        "Go's own list, the default, has no weak ciphers, and is kept current with each release",
    )
    yield item(
        "1.2.30",
        "old service account tokens expire in time (--service-account-extend-token-expiration)",
        api("service-account-extend-token-expiration", on_pis.off, on_pis.not_off),
        "older programs such as Kubeflow's read their token only once, and would stop after an hour",
    )


def _others() -> Iterable[Check]:
    yield item(
        "1.3.1",
        "a limit of finished Pods is set",
        flag(MANAGER, "terminated-pod-gc-threshold", given, unset),
        "the built-in one (12,500) is far above what a few Pis can run, and Jobs clean up after themselves",
    )
    yield item("1.3.2", "the controller manager's profiling is off", flag(MANAGER, "profiling", on_pis.off))
    yield item(
        "1.3.3",
        "each controller has its own account",
        flag(MANAGER, "use-service-account-credentials", on_pis.on),
    )
    yield item("1.3.4", "service accounts' tokens are signed", flag(MANAGER, "service-account-private-key-file", given))
    yield item("1.3.5", "Pods get the CA", flag(MANAGER, "root-ca-file", given))
    gate = on_pis.gate_not_off("RotateKubeletServerCertificate")
    yield item("1.3.6", "kubelets' serving certificates can rotate", flag(MANAGER, "feature-gates", gate))
    yield item(
        "1.3.7",
        "the controller manager listens on the loopback",
        flag(MANAGER, "bind-address", lambda found: found in on_pis.LOOPBACK),
    )
    yield item("1.4.1", "the scheduler's profiling is off", flag(SCHEDULER, "profiling", on_pis.off))
    yield item(
        "1.4.2",
        "the scheduler listens on the loopback",
        flag(SCHEDULER, "bind-address", lambda found: found in on_pis.LOOPBACK),
    )
    yield item("2.1", "etcd speaks TLS", each(flag(ETCD, "cert-file", given), flag(ETCD, "key-file", given)))
    yield item("2.2", "etcd's clients authenticate", flag(ETCD, "client-cert-auth", on_pis.on))
    yield item("2.3", "etcd does not make its own certificates", flag(ETCD, "auto-tls", on_pis.not_on))
    yield item(
        "2.4",
        "etcd speaks TLS to its peers",
        each(flag(ETCD, "peer-cert-file", given), flag(ETCD, "peer-key-file", given)),
    )
    yield item("2.5", "etcd's peers authenticate", flag(ETCD, "peer-client-cert-auth", on_pis.on))
    yield item("2.6", "etcd does not make its own peer certificates", flag(ETCD, "peer-auto-tls", on_pis.not_on))
    yield item(
        "2.7",
        "etcd has its own CA",
        each(flag(ETCD, "trusted-ca-file", given), on_pis.etcd_ca),
    )
    yield item(
        "3.1.1",
        "people do not authenticate with client certificates",
        cluster.people_by_certificate,
        "there is one administrator, and no identity provider on a few Pis; the certificate is valid for a year, and "
        "who gets another kubeconfig is up to you",
    )
    yield item("3.1.2", "people do not authenticate with service accounts' tokens", cluster.tokens_for_ever)
    yield item("3.1.3", "people do not authenticate with bootstrap tokens", cluster.bootstrap_tokens)
    yield item("3.2.1", "there is an audit policy", flag(API, "audit-policy-file", given, unset), _AUDIT_OFF)
    yield item("3.2.2", "the audit log has what matters, and no secrets", on_pis.audit_policy, _AUDIT_OFF)


def _kubelets() -> Iterable[Check]:
    yield item(
        "4.2.1",
        "kubelets refuse requests without identity",
        kubelet("authentication.anonymous.enabled", on_pis.off, named="anonymous-auth"),
    )
    yield item(
        "4.2.2",
        "kubelets ask the API server who may do what",
        kubelet("authorization.mode", lambda found: found == "Webhook", named="authorization-mode"),
    )
    yield item(
        "4.2.3",
        "kubelets know the CA of their clients",
        kubelet("authentication.x509.clientCAFile", given, named="client-ca-file"),
    )
    yield item(
        "4.2.4",
        "kubelets have no read-only port",
        kubelet("readOnlyPort", lambda found: found in (None, 0, "0"), named="read-only-port"),
    )
    yield item(
        "4.2.5",
        "idle connections are closed (streamingConnectionIdleTimeout)",
        kubelet(
            "streamingConnectionIdleTimeout",
            lambda found: (on_pis.seconds(found) or 0) > 0,
            named="streaming-connection-idle-timeout",
        ),
    )
    yield item(
        "4.2.6",
        "kubelets keep the firewall chains that they need",
        kubelet("makeIPTablesUtilChains", on_pis.not_off, named="make-iptables-util-chains"),
    )
    yield item(
        "4.2.7",
        "nodes have their machines' names (--hostname-override)",
        on_pis.hostname_override,
        "kubeadm_node_name gives a node a name other than its machine's; certificates are for that name",
    )
    yield item(
        "4.2.8",
        "events are not lost (eventRecordQPS is 5 or more, or 0 for no limit)",
        kubelet("eventRecordQPS", lambda found: found in (0, "0") or on_pis.at_least(5)(found), named="event-qps"),
    )
    yield item(
        "4.2.9",
        "kubelets have serving certificates from the cluster's CA",
        _serving,
        "a certificate that nobody approves in time breaks 'kubectl logs'; switch it on with "
        "kubeadm_kubelet_server_tls if you run site.yml at least twice a year",
    )
    yield item(
        "4.2.10",
        "kubelets renew their client certificates",
        kubelet("rotateCertificates", on_pis.on, named="rotate-certificates"),
    )
    yield item(
        "4.2.11",
        "kubelets' serving certificates can rotate (RotateKubeletServerCertificate)",
        kubelet("featureGates", on_pis.gate_not_off("RotateKubeletServerCertificate"), named="feature-gates"),
    )
    yield item(
        "4.2.12",
        "a list of strong ciphers is set",
        kubelet("tlsCipherSuites", on_pis.strong_ciphers, unset, named="tls-cipher-suites"),
        "as 1.2.29",
    )
    yield item(
        "4.2.13",
        "the number of processes in a Pod is limited (podPidsLimit)",
        kubelet("podPidsLimit", on_pis.at_least(1), lambda found: str(found) == "-1", named="pod-max-pids"),
        "notebooks and Java start thousands of threads; the kernel's own limit keeps the Pi alive",
    )
    yield item(
        "4.2.14",
        "containers may make only the usual system calls (seccompDefault)",
        kubelet("seccompDefault", on_pis.on, named="seccomp-default"),
    )
    yield item("4.3.1", "kube-proxy's metrics are on the loopback", on_pis.proxy_metrics)


def _serving(scene: cluster.Scene, seen: cluster.Seen) -> None:
    """A certificate by file, or one that is asked for (serverTLSBootstrap)."""
    own = cluster.Seen()
    kubelet("tlsCertFile", given, named="tls-cert-file")(scene, own)
    asked = cluster.Seen()
    kubelet("serverTLSBootstrap", on_pis.on, lambda found: not on_pis.on(found))(scene, asked)
    by_file = set(own.read) - {text.partition(":")[0] for text in own.faults}
    seen.read, seen.unread = asked.read, asked.unread
    seen.explained = [text for text in asked.explained if text.partition(":")[0] not in by_file]


def _powers() -> Iterable[Check]:
    yield item("5.1.1", "only administrators may do everything", power(powers.EVERYTHING, "may do everything"))
    yield item("5.1.2", "few may read Secrets", power(powers.SECRETS, "may read Secrets"), _OPERATORS)
    yield item("5.1.3", "roles name what they allow (no *)", power(powers.WILDCARD, "has a role with *"), _OPERATORS)
    yield item("5.1.4", "few may create Pods, or get into them", power(powers.PODS, "may create Pods"), _OPERATORS)
    yield item(
        "5.1.5",
        "nobody uses a namespace's default account",
        cluster.default_accounts,
        "Kubernetes creates that account in each namespace; it has no role, and no Pod has its token",
    )
    yield item("5.1.6", "Pods have a token only where they need one", cluster.needless_tokens)
    yield item("5.1.7", "nobody uses the group system:masters", cluster.all_powerful_certificates)
    yield item(
        "5.1.8",
        "nobody may gain more permissions (escalate, bind, impersonate)",
        power(powers.ESCALATE, "may take permissions that are not theirs (escalate, bind, impersonate)"),
        _OPERATORS,
    )
    yield item("5.1.9", "few may create volumes", power(powers.VOLUMES, "may create volumes"), _OPERATORS)
    yield item(
        "5.1.10",
        "nobody reaches kubelets past the API server (nodes/proxy)",
        power(powers.NODES, "may use nodes/proxy"),
    )
    yield item("5.1.11", "nobody may approve certificates", power(powers.REQUESTS, "may approve certificates"))
    yield item(
        "5.1.12",
        "few may change requests of others (webhooks)",
        power(powers.WEBHOOKS, "may set up webhooks"),
        _OPERATORS,
    )
    yield item("5.1.13", "nobody may create account tokens", power(powers.TOKENS, "may create account tokens"))


def _pods() -> Iterable[Check]:
    yield item("5.2.1", "something decides which Pods may be created (Pod Security)", cluster.some_policy)
    for id_, what, level, uses in (
        ("5.2.2", "be privileged", BASELINE, has_container("privileged")),
        ("5.2.3", "see the machine's processes (hostPID)", BASELINE, has("host_pid")),
        ("5.2.4", "share the machine's memory (hostIPC)", BASELINE, has("host_ipc")),
        ("5.2.5", "use the machine's network (hostNetwork)", BASELINE, has("host_network")),
        ("5.2.6", "gain privileges (allowPrivilegeEscalation)", RESTRICTED, None),
        ("5.2.7", "run as root", RESTRICTED, None),
        ("5.2.8", "send any packet (NET_RAW)", RESTRICTED, None),
        ("5.2.9", "have capabilities", RESTRICTED, None),
        ("5.2.11", "use the machine's files (hostPath)", BASELINE, has("host_paths")),
        ("5.2.12", "open the machine's ports (hostPort)", BASELINE, has_container("host_ports")),
    ):
        reason = _LEVELS if level == BASELINE else _STRICT
        yield item(id_, f"Pods may not {what}", admission(level, uses), reason)
    yield item("5.2.10", "there are no HostProcess containers", cluster.no_windows)
    yield item(
        "5.3.1",
        "the Pod network enforces NetworkPolicies",
        on_pis.policy_engine,
        "the default Pod network does not; master_network_policies: true starts a program on every Pi that does",
    )
    yield item(
        "5.3.2",
        "each namespace has a NetworkPolicy",
        cluster.network_policies,
        "none is needed where nothing enforces them (5.3.1), in the cluster's own namespaces, and in empty ones",
    )
    yield item(
        "5.4.1",
        "Pods get Secrets as files, not as variables",
        each_container(lambda c: not c["secret_variables"], "it has a Secret as a variable", cluster.of_jupyterhub),
        "JupyterHub's proxy reads the hub's token only from a variable",
    )
    yield item(
        "5.4.2",
        "Secrets are kept outside the cluster",
        None,
        "whether a vault elsewhere is worth it is up to you; here they are encrypted in etcd (1.2.28)",
    )
    yield item(
        "5.5.1",
        "only images of known origin run (ImagePolicyWebhook)",
        flag(API, "enable-admission-plugins", on_pis.has("ImagePolicyWebhook"), lambda _: True),
        "it needs a service that judges images; what this collection installs is pinned",
    )
    yield item(
        "5.6.1",
        "namespaces separate what does not belong together",
        None,
        "only you know what belongs together in your cluster; each component of Kubeflow that allows it has its own",
    )
    yield item("5.6.2", "system calls of all containers are filtered (seccomp)", cluster.seccomp, _LEVELS)
    yield item(
        "5.6.3",
        "containers have a security context",
        each_container(lambda c: c["context"], "it has no security context", cluster.of_system),
        _LEVELS,
    )
    yield item("5.6.4", "nothing lives in the namespace default", cluster.default_namespace)


def _own() -> Iterable[Check]:
    yield item(
        "B.1",
        "etcd listens only on the loopback and, for kubeadm upgrade, on the master's own address",
        on_pis.ports("listen-client-urls", "http://127.0.0.1:2379", own=True),
    )
    yield item(
        "B.2",
        "etcd's ports for peers, of which there are none, and for metrics are on the loopback",
        each(
            on_pis.ports("listen-peer-urls", "http://127.0.0.1:2380", own=False),
            on_pis.ports("listen-metrics-urls", "http://127.0.0.1:2381", own=False),
        ),
    )
    yield item("B.3", "no private key, kubeconfig or encryption key can be read by others", on_pis.secret_files)
    yield item(
        "B.4",
        "requests without identity may read the cluster's address and its health, and nothing else",
        cluster.anonymous_rights,
    )
    yield item(
        "B.5",
        "the administrator's kubeconfig of users on the Pis is readable by them alone (600)",
        files("/home/*/.kube/config", 0o600, on="none"),
    )
    yield item(
        "B.6",
        "images in the namespaces that this collection makes go by digest",
        cluster.images_by_digest,
        "kubeadm chooses the images of Kubernetes itself, by their tags; of the others no digest is known that two "
        "independent sources agree on, see docs/catalogue.md",
    )
    yield item("B.7", "what enforces the loop's gate is as it was shipped", audit_loop.gate_as_shipped)
    yield item(
        "B.8", "models that answer were approved, with evidence, by a second person", audit_loop.answers_are_approved
    )


def _place(entry: Check) -> list[tuple[bool, int, str]]:
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in entry.name.split(".")]


ITEMS: tuple[Check, ...] = tuple(
    sorted((*_files(), *_api_server(), *_others(), *_kubelets(), *_powers(), *_pods(), *_own()), key=_place)
)
