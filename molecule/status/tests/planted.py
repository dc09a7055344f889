# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Violations of the CIS benchmark, planted on a cluster in the lab, each with the items that must fail for it.

A group is planted and reverted as a whole, so that one audit shows all of it.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import yaml
from troubles import KUBELET_CONFIG, MANIFESTS, MASTER, NODE, OTHER, Lab, wait

PKI = "/etc/kubernetes/pki"
LABEL = {"bramble.kube/planted": "true"}


@dataclass(frozen=True)
class Violation:
    """Something that the audit has to find.

    :ivar items: of the benchmark, those that must fail.
    :ivar what: what was done, for the table in docs/security.md.
    :ivar says: what has to stand in what was found, for each of the items.
    """

    items: str
    what: str
    says: str


@dataclass(frozen=True)
class Group:
    """Violations that are planted together.

    :ivar hurt: plants them for as long as it is entered.
    """

    name: str
    violations: list[Violation]
    hurt: Callable[[Lab], contextlib.AbstractContextManager[None]]


def written(lab: Lab, name: str, path: str, text: str) -> None:
    """Write a file on a Pi, at once and with the mode and owner that it had."""
    coded = base64.b64encode(text.encode()).decode()
    beside = f"{path.rpartition('/')[0]}/.planted"
    lab.on(name, f"cp -a {path} {beside}; echo {coded} | base64 -d > {beside}; mv {beside} {path}")


def running(lab: Lab, name: str, program: str, words: str) -> bool:
    """Whether the program runs with these words on its command line."""
    script = f"cat /proc/$(pidof -s {program})/cmdline | tr '\\0' ' '"
    return words in lab.on(name, script, check=False)


# Files ---------------------------------------------------------------------------------------------------------------

_PROXY = "/var/lib/kubelet/pods/*/volumes/kubernetes.io~configmap/kube-proxy/..data/kubeconfig.conf"
#: Items, Pi, path as the shell finds it, mode or owner.
#: B.3 fails for more of them than stand in the 600 characters of what it found.
_FILES = (
    ("1.1.1", MASTER, f"{MANIFESTS}/kube-apiserver.yaml", "0644"),
    ("1.1.2", MASTER, f"{MANIFESTS}/kube-apiserver.yaml", "daemon"),
    ("1.1.3", MASTER, f"{MANIFESTS}/kube-controller-manager.yaml", "0644"),
    ("1.1.4", MASTER, f"{MANIFESTS}/kube-controller-manager.yaml", "daemon"),
    ("1.1.5", MASTER, f"{MANIFESTS}/kube-scheduler.yaml", "0644"),
    ("1.1.6", MASTER, f"{MANIFESTS}/kube-scheduler.yaml", "daemon"),
    ("1.1.7", MASTER, f"{MANIFESTS}/etcd.yaml", "0644"),
    ("1.1.8", MASTER, f"{MANIFESTS}/etcd.yaml", "daemon"),
    ("1.1.9", OTHER, "/etc/cni/net.d/10-flannel.conflist", "0666"),
    ("1.1.10", OTHER, "/etc/cni/net.d/10-flannel.conflist", "daemon"),
    ("1.1.11", MASTER, "/var/lib/etcd", "0755"),
    ("1.1.12", MASTER, "/var/lib/etcd", "daemon"),
    ("1.1.13 B.3", MASTER, "/etc/kubernetes/admin.conf", "0644"),
    ("1.1.14", MASTER, "/etc/kubernetes/admin.conf", "daemon"),
    ("1.1.15", MASTER, "/etc/kubernetes/scheduler.conf", "0644"),
    ("1.1.16", MASTER, "/etc/kubernetes/scheduler.conf", "daemon"),
    ("1.1.17", MASTER, "/etc/kubernetes/controller-manager.conf", "0644"),
    ("1.1.18", MASTER, "/etc/kubernetes/controller-manager.conf", "daemon"),
    ("1.1.19", MASTER, f"{PKI}/etcd/ca.crt", "daemon"),
    ("1.1.20", MASTER, f"{PKI}/etcd/server.crt", "0666"),
    ("1.1.21", MASTER, f"{PKI}/etcd/peer.key", "0640"),
    ("4.1.1", OTHER, "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf", "0666"),
    ("4.1.2", OTHER, "/usr/lib/systemd/system/kubelet.service", "daemon"),
    ("4.1.3", OTHER, _PROXY, "0666"),
    ("4.1.4", OTHER, _PROXY, "daemon"),
    ("4.1.5", OTHER, "/etc/kubernetes/kubelet.conf", "0644"),
    ("4.1.6", OTHER, "/etc/kubernetes/kubelet.conf", "daemon"),
    ("4.1.7", NODE, f"{PKI}/ca.crt", "0666"),
    ("4.1.8", NODE, f"{PKI}/ca.crt", "daemon"),
    ("4.1.9", OTHER, KUBELET_CONFIG, "0666"),
    ("4.1.10", OTHER, KUBELET_CONFIG, "daemon"),
    ("B.3", MASTER, f"{PKI}/encryption.json", "0644"),
    ("B.3 B.5", MASTER, "/home/pi/.kube/config", "0644"),
)


def _file_violation(items: str, pi: str, path: str, wrong: str) -> Violation:
    shown = "/var/lib/kube-proxy/kubeconfig.conf" if path == _PROXY else path
    is_mode = wrong.isdigit()
    what = f"{shown} on {'the master' if pi == MASTER else 'a node'} {'with mode' if is_mode else 'owned by'} {wrong}"
    return Violation(items, what, f"{shown} {'has mode' if is_mode else 'belongs to'} {wrong}")


@contextlib.contextmanager
def _files(lab: Lab) -> Iterator[None]:
    before: list[tuple[str, str, str]] = []
    for name in (MASTER, NODE, OTHER):
        paths = list(dict.fromkeys(path for _items, pi, path, _wrong in _FILES if pi == name))
        script = "; ".join(f"for f in {path}; do stat -L -c '%a %u:%g %n' $(readlink -f $f); done" for path in paths)
        before += [(name, *line.split(" ", 1)) for line in lab.on(name, script).splitlines()]
    try:
        for _items, name, path, wrong in _FILES:
            lab.on(
                name, f"for f in {path}; do {'chmod' if wrong.isdigit() else 'chown'} {wrong} $(readlink -f $f); done"
            )
        lab.on(
            MASTER,
            "kubeadm init phase kubeconfig super-admin --config /etc/kubernetes/kubeadm-init.yaml",
        )
        # Not the kubelet's, which has its key in another file.
        copied = base64.b64encode(lab.on(MASTER, "cat /etc/kubernetes/admin.conf").encode()).decode()
        lab.on(OTHER, f"echo {copied} | base64 -d > /tmp/planted.conf; chmod 0644 /tmp/planted.conf")
        yield
    finally:
        for name, mode, rest in before:
            owner, path = rest.split(" ", 1)
            lab.on(name, f"chmod {mode} {shlex.quote(path)}; chown {owner} {shlex.quote(path)}")
        lab.on(MASTER, "rm -f /etc/kubernetes/super-admin.conf")
        lab.on(OTHER, "rm -f /tmp/planted.conf")


FILES = Group(
    "files",
    [
        *(_file_violation(*row) for row in _FILES),
        Violation("5.1.7", "super-admin.conf on the master", "super-admin.conf belongs to the group system:masters"),
        Violation(
            "B.3", "a copy of the administrator's kubeconfig in /tmp on a node", "/tmp/planted.conf has mode 0644"
        ),
    ],
    _files,
)


# Objects -------------------------------------------------------------------------------------------------------------

RBAC = "rbac.authorization.k8s.io"


def _object(kind: str, name: str, version: str = "v1", namespace: str = "", **more: object) -> dict:
    meta = {"name": name, "labels": LABEL, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": meta, **more}


def _bound(item: str, verbs: str, resources: str, groups: str, what: str, says: str, namespace: str = "") -> tuple:
    """A role of a name that tells nothing, bound to a user."""
    name = f"planted-{item.split()[0].replace('.', '-')}-{abs(hash_of(verbs, resources, namespace)) % 997}"
    prefix = "" if namespace else "Cluster"
    rule = {"verbs": verbs.split(","), "resources": resources.split(","), "apiGroups": groups.split(",")}
    objects = [
        _object(f"{prefix}Role", name, f"{RBAC}/v1", namespace, rules=[rule]),
        _object(
            f"{prefix}RoleBinding",
            name,
            f"{RBAC}/v1",
            namespace,
            roleRef={"apiGroup": RBAC, "kind": f"{prefix}Role", "name": name},
            subjects=[{"apiGroup": RBAC, "kind": "User", "name": name}],
        ),
    ]
    return Violation(item, what, f"User {name}: {says}"), objects


def hash_of(*words: str) -> int:
    """A number that stays the same from run to run."""
    return sum(ord(letter) * (place + 1) for place, letter in enumerate(",".join(words)))


def _pod(item: str, what: str, name: str, says: str, namespace: str = "kube-system", **spec: object) -> tuple:
    """A Pod that nobody schedules, but for one with a node."""
    container = {"name": "main", "image": "registry.invalid/planted:1", **dict(spec.pop("container", {}))}
    wanted = {"schedulerName": "nobody", "automountServiceAccountToken": False, "containers": [container], **spec}
    return Violation(item, what, says), [_object("Pod", f"planted-{name}", namespace=namespace, spec=wanted)]


_READ, _MAKE = "may read Secrets", "may create Pods"
_ROBOT = {"kind": "ServiceAccount", "name": "robot", "namespace": "planted"}
_LEVELS = "5.2.2 5.2.3 5.2.4 5.2.5 5.2.6 5.2.7 5.2.8 5.2.9 5.2.11 5.2.12"
_OBJECTS: tuple[tuple[Violation, list[dict]], ...] = (
    (
        Violation(f"{_LEVELS}", "a namespace without a Pod Security level", "namespace planted"),
        [_object("Namespace", "planted")],
    ),
    _bound("5.1.1 5.1.3", "*", "*", "*", "cluster-admin's rules under another name", ""),
    _bound("5.1.1", "get,list,watch,create,update,patch,delete", "*", "*", "the same without a * for verbs", "may do"),
    (
        Violation("5.1.1", "cluster-admin in a RoleBinding", "ServiceAccount planted/robot: may do everything in"),
        [
            _object(
                "RoleBinding",
                "planted-admin",
                f"{RBAC}/v1",
                "kube-system",
                roleRef={"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
                subjects=[_ROBOT],
            )
        ],
    ),
    _bound("5.1.2", "get", "secrets", "", "a role that reads Secrets", _READ),
    _bound("5.1.2", "watch", "secrets", "", "a role that watches Secrets in kube-system", _READ, "kube-system"),
    _bound("5.1.3", "get", "pods", "*", "a role with * for API groups", "has a role with *"),
    _bound("5.1.4", "create", "pods", "", "a role that makes Pods", _MAKE),
    _bound("5.1.4", "patch", "deployments", "apps", "a role that changes Deployments", _MAKE),
    _bound("5.1.4", "create", "pods/exec", "", "a role that runs programs in Pods", _MAKE),
    (
        Violation("5.1.5", "a role for an account default", "namespace planted: its default account has a role"),
        [
            _object(
                "RoleBinding",
                "planted-default",
                f"{RBAC}/v1",
                "planted",
                roleRef={"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"},
                subjects=[{"kind": "ServiceAccount", "name": "default", "namespace": "planted"}],
            ),
            _object("ServiceAccount", "idle", namespace="planted"),
        ],
    ),
    _pod(
        "5.1.6",
        "a Pod with a token of an account that may do nothing",
        "token",
        "Pod planted/planted-token",
        "planted",
        serviceAccountName="idle",
        automountServiceAccountToken=True,
    ),
    (
        Violation("5.1.7", "a binding for system:masters", "ClusterRoleBinding planted-masters"),
        [
            _object(
                "ClusterRoleBinding",
                "planted-masters",
                f"{RBAC}/v1",
                roleRef={"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"},
                subjects=[{"apiGroup": RBAC, "kind": "Group", "name": "system:masters"}],
            )
        ],
    ),
    _bound("5.1.8", "escalate", "clusterroles", RBAC, "a role with escalate", "may take permissions"),
    _bound("5.1.8", "bind", "roles", RBAC, "a role with bind", "may take permissions"),
    _bound("5.1.8", "impersonate", "groups", "", "a role with impersonate", "may take permissions"),
    _bound("5.1.9", "create", "persistentvolumes", "", "a role that makes volumes", "may create volumes"),
    _bound("5.1.10", "get", "nodes/proxy", "", "a role with nodes/proxy", "may use nodes/proxy"),
    _bound(
        "5.1.11",
        "update",
        "certificatesigningrequests/approval",
        "certificates.k8s.io",
        "a role that approves certificates",
        "may approve certificates",
    ),
    _bound(
        "5.1.12",
        "patch",
        "mutatingwebhookconfigurations",
        "admissionregistration.k8s.io",
        "a role that changes webhooks",
        "may set up webhooks",
    ),
    _bound(
        "5.1.13",
        "create",
        "serviceaccounts/token",
        "",
        "a role that makes accounts' tokens",
        "may create account tokens",
    ),
    _pod(
        "5.2.2",
        "a privileged Pod in kube-system",
        "privileged",
        "Pod kube-system/planted-privileged",
        container={"securityContext": {"privileged": True}},
    ),
    _pod("5.2.3", "a Pod with hostPID in kube-system", "pid", "Pod kube-system/planted-pid", hostPID=True),
    _pod("5.2.4", "a Pod with hostIPC in kube-system", "ipc", "Pod kube-system/planted-ipc", hostIPC=True),
    _pod("5.2.5", "a Pod with hostNetwork in kube-system", "net", "Pod kube-system/planted-net", hostNetwork=True),
    _pod(
        "5.2.11",
        "a Pod with a hostPath in kube-system",
        "path",
        "Pod kube-system/planted-path",
        volumes=[{"name": "etc", "hostPath": {"path": "/etc"}}],
    ),
    _pod(
        "5.2.12",
        "a Pod with a hostPort in kube-system",
        "port",
        "Pod kube-system/planted-port",
        container={"ports": [{"containerPort": 80, "hostPort": 8999}]},
    ),
    _pod(
        "5.4.1",
        "a Pod with a Secret as a variable",
        "variable",
        "Pod planted/planted-variable (main)",
        "planted",
        container={"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
    ),
    _pod(
        "5.6.2",
        "a Pod with seccomp Unconfined",
        "unconfined",
        "Pod planted/planted-unconfined (main)",
        "planted",
        nodeName=OTHER,
        securityContext={"seccompProfile": {"type": "Unconfined"}},
    ),
    _pod(
        "B.6",
        "a Pod in kube-system whose image goes by its tag",
        "tag",
        "Pod kube-system/planted-tag (main): registry.invalid/planted:1 is used by its tag alone",
    ),
    _pod(
        "B.6",
        "an image of the collection's by its tag, though its digest is known",
        "known",
        "busybox is used by its tag alone, though its digest is sha256:",
        container={"image": "busybox"},
    ),
    _pod("5.6.3", "a Pod without a security context", "plain", "Pod planted/planted-plain (main)", "planted"),
    _pod("5.6.4", "a Pod in the namespace default", "here", "Pod default/planted-here", "default"),
    (
        Violation("3.1.2", "a Secret with an account's token that never ends", "Secret planted/planted-token"),
        [
            {
                **_object("Secret", "planted-token", namespace="planted", type="kubernetes.io/service-account-token"),
                "metadata": {
                    "name": "planted-token",
                    "namespace": "planted",
                    "labels": LABEL,
                    "annotations": {"kubernetes.io/service-account.name": "idle"},
                },
            }
        ],
    ),
    (
        Violation("3.1.3", "a bootstrap token that never ends", "bootstrap token abcdef: it never ends"),
        [
            _object(
                "Secret",
                "bootstrap-token-abcdef",
                namespace="kube-system",
                type="bootstrap.kubernetes.io/token",
                stringData={"token-id": "abcdef", "token-secret": "0123456789abcdef"},
            )
        ],
    ),
    (
        Violation(
            "B.4", "a role for everybody, under a harmless name", "anybody: may do what planted-public-info allows"
        ),
        [
            _object(
                "ClusterRole",
                "planted-public-info",
                f"{RBAC}/v1",
                rules=[{"verbs": ["get"], "apiGroups": [""], "resources": ["nodes"]}],
            ),
            _object(
                "ClusterRoleBinding",
                "planted-public-info",
                f"{RBAC}/v1",
                roleRef={"apiGroup": RBAC, "kind": "ClusterRole", "name": "planted-public-info"},
                subjects=[{"apiGroup": RBAC, "kind": "Group", "name": "system:unauthenticated"}],
            ),
        ],
    ),
)


@contextlib.contextmanager
def _objects(lab: Lab) -> Iterator[None]:
    everything = [thing for _violation, objects in _OBJECTS for thing in objects]
    ordered = sorted(everything, key=lambda thing: (thing["kind"] != "Namespace", thing["kind"] != "ServiceAccount"))
    try:
        first = [thing for thing in ordered if thing["kind"] in ("Namespace", "ServiceAccount")]
        for things in (first, ordered):
            given = json.dumps({"apiVersion": "v1", "kind": "List", "items": things})
            lab.kubectl("apply", "--filename=-", given=given)
        yield
    finally:
        kinds = "pods,secrets,rolebindings,roles"
        label = "bramble.kube/planted=true"
        lab.kubectl("delete", kinds, "--all-namespaces", "-l", label, "--force", "--grace-period=0", check=False)
        lab.kubectl("delete", "clusterrolebindings,clusterroles,namespaces", "-l", label, check=False)


OBJECTS = Group("objects", [violation for violation, _objects_of in _OBJECTS], _objects)


# Kubelets ------------------------------------------------------------------------------------------------------------

_WEAK, _STRONG = "TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"  # HTTP/2 needs the latter
_SETTINGS: tuple[tuple[str, str, object, str], ...] = (
    ("4.2.1", "authentication.anonymous.enabled", True, "authentication.anonymous.enabled is True"),
    ("4.2.2", "authorization.mode", "AlwaysAllow", "authorization.mode is AlwaysAllow"),
    ("4.2.3", "authentication.x509.clientCAFile", "", "authentication.x509.clientCAFile is not set"),
    ("4.2.4", "readOnlyPort", 10255, "readOnlyPort is 10255"),
    ("4.2.6", "makeIPTablesUtilChains", False, "makeIPTablesUtilChains is False"),
    ("4.2.8", "eventRecordQPS", 1, "eventRecordQPS is 1"),
    ("4.2.10", "rotateCertificates", False, "rotateCertificates is not set"),
    ("4.2.11", "featureGates", {"RotateKubeletServerCertificate": False}, "featureGates is"),
    ("4.2.12", "tlsCipherSuites", [_STRONG, _WEAK], "tlsCipherSuites is"),
    ("4.2.14", "seccompDefault", False, "seccompDefault is False"),
)
_DROP_IN = "/etc/systemd/system/kubelet.service.d/99-planted.conf"
_EXEC = "/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS"


@contextlib.contextmanager
def _kubelets(lab: Lab) -> Iterator[None]:
    kept = lab.on(OTHER, f"cat {KUBELET_CONFIG}")
    wrong = yaml.safe_load(kept)
    for _item, path, value, _says in _SETTINGS:
        *parents, last = path.split(".")
        where = wrong
        for key in parents:
            where = where.setdefault(key, {})
        where[last] = value
    wrong["serverTLSBootstrap"] = False  # else the kubelet does not start without that feature gate
    extra, flags = "/etc/default/kubelet", "/var/lib/kubelet/kubeadm-flags.env"
    restart = "systemctl daemon-reload; systemctl restart kubelet"
    try:
        written(lab, OTHER, KUBELET_CONFIG, yaml.safe_dump(wrong))
        lab.on(OTHER, "systemctl restart kubelet")
        lab.on(
            NODE,
            f"cp -a {extra} /root/planted.extra 2>/dev/null || touch /root/planted.none; "
            f"cp -a {flags} /root/planted.flags; "
            f"echo 'KUBELET_EXTRA_ARGS=--read-only-port=10255 --streaming_connection_idle_timeout 0' > {extra}; "
            f"sed -i 's/\"$/ --anonymous-auth=true --hostname-override=elsewhere\"/' {flags}; "
            f"mkdir -p {_DROP_IN.rpartition('/')[0]}; "
            f"printf '[Service]\\nExecStart=\\nExecStart={_EXEC} --event-qps=1\\n' > {_DROP_IN}; {restart}",
        )
        for name in (NODE, OTHER):
            wait(f"{name}'s kubelet", lambda name=name: lab.on(name, "ss -Hltn sport = :10255", check=False))
        yield
    finally:
        written(lab, OTHER, KUBELET_CONFIG, kept)
        lab.on(OTHER, "systemctl restart kubelet")
        lab.on(
            NODE,
            f"rm -f {_DROP_IN}; mv /root/planted.flags {flags}; "
            f"if [ -e /root/planted.none ]; then rm -f {extra} /root/planted.none; "
            f"else mv /root/planted.extra {extra}; fi; {restart}",
        )
        for name in (NODE, OTHER):
            wait(f"{name} to be Ready", lambda name=name: lab.node_condition(name, "Ready") == "True")


KUBELETS = Group(
    "kubelets",
    [
        *(
            Violation(item, f"a kubelet's configuration has {path}: {json.dumps(value)}", f"{OTHER}: {says}")
            for item, path, value, says in _SETTINGS
        ),
        Violation("4.2.4", "KUBELET_EXTRA_ARGS has --read-only-port=10255", "readOnlyPort is 10255"),
        Violation(
            "4.2.5",
            "KUBELET_EXTRA_ARGS has --streaming_connection_idle_timeout 0",
            f"{NODE}: streamingConnectionIdleTimeout is 0s",
        ),
        Violation("4.2.1", "kubeadm-flags.env has --anonymous-auth=true", "authentication.anonymous.enabled is True"),
        Violation(
            "4.2.7", "kubeadm-flags.env has --hostname-override=elsewhere", f"{NODE}: its kubelet has --hostname"
        ),
        Violation("4.2.8", "a drop-in of the kubelet's unit has --event-qps=1", "eventRecordQPS is 1"),
    ],
    _kubelets,
)


@contextlib.contextmanager
def _proxy(lab: Lab) -> Iterator[None]:
    config = ("-n", "kube-system", "get", "configmap", "kube-proxy", "--output=json")
    kept = json.loads(lab.kubectl(*config))
    wrong = copy.deepcopy(kept)
    document = yaml.safe_load(kept["data"]["config.conf"])
    wrong["data"]["config.conf"] = yaml.safe_dump({**document, "metricsBindAddress": "0.0.0.0:10249"})

    def taken_over(thing: dict, address: str) -> None:
        patch = json.dumps({"data": thing["data"]})
        lab.kubectl("-n", "kube-system", "patch", "configmap", "kube-proxy", "--type=merge", "--patch", patch)
        lab.kubectl("-n", "kube-system", "rollout", "restart", "daemonset/kube-proxy")
        lab.kubectl("-n", "kube-system", "rollout", "status", "daemonset/kube-proxy", "--timeout=120s")
        wait("kube-proxy", lambda: address in lab.on(OTHER, "ss -Hltn sport = :10249", check=False))

    try:
        taken_over(wrong, "*:10249")
        yield
    finally:
        taken_over(kept, "127.0.0.1:10249")


PROXY = Group(
    "kube-proxy",
    [Violation("4.3.1", "kube-proxy's metrics on 0.0.0.0", "kube-proxy's metrics are on 0.0.0.0:10249")],
    _proxy,
)


# The control plane's flags -------------------------------------------------------------------------------------------


def _flagged(lab: Lab, part: str, changes: dict[str, str | None]) -> str:
    """A static Pod's manifest with flags that are set, or taken away (None); returns what it was."""
    path = f"{MANIFESTS}/{part}.yaml"
    kept = lab.on(MASTER, f"cat {path}")
    manifest = yaml.safe_load(kept)
    container = manifest["spec"]["containers"][0]
    # Under AlwaysAllow the API server takes nobody without a name, and its probes have none.
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        container.pop(probe, None)
    names = tuple(f"--{name}=" for name in changes)
    command = [word for word in container["command"] if not word.startswith(names)]
    container["command"] = command + [f"--{name}={value}" for name, value in changes.items() if value is not None]
    written(lab, MASTER, path, yaml.safe_dump(manifest))
    return kept


@contextlib.contextmanager
def _control_plane(lab: Lab, changes: dict[str, dict[str, str | None]], answers: bool) -> Iterator[None]:
    kept = {}
    try:
        for part, flags in changes.items():
            kept[part] = _flagged(lab, part, {**flags, "v": "1"})
        for part in changes:
            wait(part, lambda part=part: running(lab, MASTER, part, "--v=1") if part != "etcd" else True)
        if answers:
            wait("the API server", lab.answers)
        yield
    finally:
        for part, text in kept.items():
            written(lab, MASTER, f"{MANIFESTS}/{part}.yaml", text)
        for part in kept:
            wait(
                f"{part} as it was",
                lambda part=part: running(lab, MASTER, part, part) and not running(lab, MASTER, part, "--v=1"),
            )
        wait("the API server", lab.answers)


_API, _MANAGER, _SCHEDULER, _ETCD = "kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"
_POLICY = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "RequestResponse"}]}
_ENCRYPTION = {"secrets": ["identity", "secretbox"]}
#: Items, program, flag, its value (None: taken away), under which the control plane goes on.
_WORKING: tuple[tuple[str, str, str, str | None], ...] = (
    ("1.2.2", _API, "token-auth-file", f"{PKI}/planted.csv"),
    ("1.2.4", _API, "kubelet-client-certificate", None),
    ("1.2.4", _API, "kubelet-client-key", None),
    ("1.2.6 1.2.7 1.2.8", _API, "authorization-mode", "AlwaysAllow"),
    ("1.2.10 1.2.14", _API, "enable-admission-plugins", "AlwaysAdmit"),
    (
        f"1.2.12 1.2.13 5.2.1 {_LEVELS}",
        _API,
        "disable-admission-plugins",
        "ServiceAccount,NamespaceLifecycle,PodSecurity",
    ),
    ("1.2.15", _API, "profiling", "true"),
    ("1.2.17", _API, "audit-log-maxage", "1"),
    ("1.2.18", _API, "audit-log-maxbackup", "1"),
    ("1.2.19", _API, "audit-log-maxsize", "1"),
    ("1.2.20", _API, "request-timeout", "1h"),
    ("1.2.21", _API, "service-account-lookup", "false"),
    ("1.2.29", _API, "tls-cipher-suites", f"{_STRONG},{_WEAK}"),
    ("1.3.2", _MANAGER, "profiling", "true"),
    ("1.3.3", _MANAGER, "use-service-account-credentials", "false"),
    ("1.3.4", _MANAGER, "service-account-private-key-file", None),
    ("1.3.5", _MANAGER, "root-ca-file", None),
    ("1.3.6", _MANAGER, "feature-gates", "RotateKubeletServerCertificate=false"),
    ("1.3.7", _MANAGER, "bind-address", "0.0.0.0"),
    ("1.4.1", _SCHEDULER, "profiling", "true"),
    ("1.4.2", _SCHEDULER, "bind-address", "0.0.0.0"),
)
#: The same, under which nobody reaches the API server any more; the Pis are judged all the same.
_BROKEN: tuple[tuple[str, str, str, str | None], ...] = (
    ("1.2.23", _API, "etcd-certfile", None),
    ("1.2.23", _API, "etcd-keyfile", None),
    ("1.2.24", _API, "tls-cert-file", None),
    ("1.2.24", _API, "tls-private-key-file", None),
    ("1.2.25", _API, "client-ca-file", None),
    ("1.2.26", _API, "etcd-cafile", None),
    ("1.2.27 1.2.28", _API, "encryption-provider-config", None),
    ("2.1", _ETCD, "cert-file", None),
    ("2.1", _ETCD, "key-file", None),
    ("2.2", _ETCD, "client-cert-auth", "false"),
    ("2.3", _ETCD, "auto-tls", "true"),
    ("2.4", _ETCD, "peer-cert-file", None),
    ("2.4", _ETCD, "peer-key-file", None),
    ("2.5", _ETCD, "peer-client-cert-auth", "false"),
    ("2.6", _ETCD, "peer-auto-tls", "true"),
    ("2.7", _ETCD, "trusted-ca-file", f"{PKI}/etcd/planted.crt"),
    ("B.1", _ETCD, "listen-client-urls", "https://0.0.0.0:2379"),
    ("B.2", _ETCD, "listen-peer-urls", "https://0.0.0.0:2380"),
    ("B.2", _ETCD, "listen-metrics-urls", "http://0.0.0.0:2381"),
)


def _flag_violation(items: str, part: str, name: str, value: str | None) -> Violation:
    what = f"{part} {'without' if value is None else 'with'} --{name}{'' if value is None else f'={value}'}"
    return Violation(items, what, "")


def _by_part(rows: tuple[tuple[str, str, str, str | None], ...]) -> dict[str, dict[str, str | None]]:
    found: dict[str, dict[str, str | None]] = {}
    for _items, part, name, value in rows:
        found.setdefault(part, {})[name] = value
    return found


@contextlib.contextmanager
def _working(lab: Lab) -> Iterator[None]:
    encryption = f"{PKI}/encryption.json"
    kept = lab.on(MASTER, f"cat {encryption}")
    document = json.loads(kept)
    secretbox, identity = document["resources"][0]["providers"]
    document["resources"] = [
        {"resources": ["configmaps"], "providers": [secretbox, identity]},
        {"resources": ["secrets"], "providers": [identity, secretbox]},
    ]
    written(lab, MASTER, encryption, json.dumps(document, indent=2))
    policy = f"{PKI}/planted-policy.json"
    lab.on(
        MASTER,
        f"umask 077; echo 'x,mallory,1' > {PKI}/planted.csv; echo {shlex.quote(json.dumps(_POLICY))} > {policy}",
    )
    changes = _by_part(_WORKING)
    changes[_API]["audit-policy-file"] = policy
    try:
        with (
            _control_plane(lab, {_API: changes[_API]}, True),
            _control_plane(lab, {part: flags for part, flags in changes.items() if part != _API}, True),
        ):
            yield
            written(lab, MASTER, encryption, kept)
    finally:
        if lab.on(MASTER, f"cat {encryption}") != kept:
            written(lab, MASTER, encryption, kept)
        lab.on(MASTER, f"rm -f {PKI}/planted*")


@contextlib.contextmanager
def _broken(lab: Lab) -> Iterator[None]:
    lab.on(MASTER, f"cp {PKI}/ca.crt {PKI}/etcd/planted.crt")
    try:
        with _control_plane(lab, _by_part(_BROKEN), False):
            yield
    finally:
        lab.on(MASTER, f"rm -rf {PKI}/etcd/planted.crt /var/lib/etcd/fixtures")


WORKING = Group(
    "flags",
    [
        *(_flag_violation(*row) for row in _WORKING),
        Violation("1.2.28", "identity is first for Secrets, after an entry that encrypts ConfigMaps", "is identity"),
        Violation("3.2.2", "an audit policy that logs what is in Secrets", "the content of secrets is logged"),
    ],
    _working,
)
BROKEN = Group("flags without which nothing works", [_flag_violation(*row) for row in _BROKEN], _broken)

GROUPS = (FILES, OBJECTS, KUBELETS, PROXY, WORKING, BROKEN)
#: Items that no planted violation makes fail on a lab, and why.
NOT_PLANTED = {
    "1.2.1": "explained for each value that the API server takes",
    "1.2.22": "the API server does not start without --service-account-key-file; unit-tested",
    "1.2.30": "explained for each value that the API server takes",
    "4.2.13": "the kubelet takes no limit that is wrong; no limit is explained",
    "5.3.2": "nothing enforces policies on these Pis, which explains it; unit-tested",
    "B.7": "this cluster has no loop; tests/integration/loop weakens the gate of a real API server",
    "B.8": "this cluster has no loop; tests/integration/loop has releases of a real API server",
    "5.2.10": "no node of the lab runs Windows; unit-tested",
}
