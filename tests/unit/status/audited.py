"""A healthy, audited cluster of three Pis as data, and ways to do it harm; made like what a new cluster showed."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from scenes import NAMES, Sketch, ca, other_ca

from ansible_collections.bramble.kube.plugins.module_utils.loop import settings
from ansible_collections.bramble.kube.plugins.module_utils.status import audit_loop
from ansible_collections.bramble.kube.plugins.module_utils.status.audit import Result, audit
from ansible_collections.bramble.kube.plugins.module_utils.status.audit_items import ITEMS
from ansible_collections.bramble.kube.plugins.module_utils.status.model import Scene

MASTER, NODE, OTHER = NAMES
PKI = "/etc/kubernetes/pki"
FLAGS: dict[str, dict[str, str]] = {
    "kube-apiserver": {
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "kubelet-client-certificate": f"{PKI}/apiserver-kubelet-client.crt",
        "kubelet-client-key": f"{PKI}/apiserver-kubelet-client.key",
        "profiling": "false",
        "service-account-key-file": f"{PKI}/sa.pub",
        "etcd-cafile": f"{PKI}/etcd/ca.crt",
        "etcd-certfile": f"{PKI}/apiserver-etcd-client.crt",
        "etcd-keyfile": f"{PKI}/apiserver-etcd-client.key",
        "tls-cert-file": f"{PKI}/apiserver.crt",
        "tls-private-key-file": f"{PKI}/apiserver.key",
        "client-ca-file": f"{PKI}/ca.crt",
        "encryption-provider-config": f"{PKI}/encryption.json",
    },
    "kube-controller-manager": {
        "profiling": "false",
        "bind-address": "127.0.0.1",
        "use-service-account-credentials": "true",
        "service-account-private-key-file": f"{PKI}/sa.key",
        "root-ca-file": f"{PKI}/ca.crt",
    },
    "kube-scheduler": {"profiling": "false", "bind-address": "127.0.0.1"},
    "etcd": {
        "cert-file": f"{PKI}/etcd/server.crt",
        "key-file": f"{PKI}/etcd/server.key",
        "client-cert-auth": "true",
        "peer-cert-file": f"{PKI}/etcd/peer.crt",
        "peer-key-file": f"{PKI}/etcd/peer.key",
        "peer-client-cert-auth": "true",
        "trusted-ca-file": f"{PKI}/etcd/ca.crt",
        "listen-client-urls": "https://127.0.0.1:2379,https://192.168.13.7:2379",
        "listen-peer-urls": "https://127.0.0.1:2380",
        "listen-metrics-urls": "http://127.0.0.1:2381",
    },
}
KUBELET_FLAGS = {"config": "/var/lib/kubelet/config.yaml", "kubeconfig": "/etc/kubernetes/kubelet.conf"}
KUBELET = {
    "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": f"{PKI}/ca.crt"}},
    "authorization": {"mode": "Webhook"},
    "eventRecordQPS": 50,
    "makeIPTablesUtilChains": True,
    "podPidsLimit": -1,
    "rotateCertificates": True,
    "seccompDefault": True,
    "streamingConnectionIdleTimeout": "4h0m0s",
}


#: Deviations that no value of a setting makes a fault: their item is explained whatever the setting is.
ALWAYS_EXPLAINED = {"1.2.3", "1.2.5", "1.2.9", "1.2.11", "1.2.16", "1.3.1", "3.1.1", "3.2.1", "4.2.9", "5.3.1", "5.5.1"}


#: What loop_models and people make.
GATE = settings.gate(
    [{"name": "digits"}], [{"name": "ada", "groups": ["trainer"]}, {"name": "ben", "groups": ["reviewer"]}]
)


def live_release() -> dict[str, Any]:
    """A release that answers, as it is read."""
    decision = {"verdict": "approved", "by": "ben", "reason": "better threes", "at": "2026-01-02T03:04:05Z"}
    evidence = {"model": f"sha256:{'1' * 64}", "data": "digits: 40 corrections", "accuracy": 0.9611}
    return {"name": "digits-7", "asked_by": "ada", "decision": decision, "evidence": evidence, "phase": "Live"}


def file(path: str, mode: int, secret: bool = False) -> dict[str, Any]:
    """A file of root's as it is read on a Pi."""
    return {"path": path, "mode": mode, "owner": "root:root", "folder": False, "secret": secret}


def audited(name: str) -> dict[str, Any]:
    """What pi_status reads for an audit on one healthy Pi."""
    files = [
        file("/etc/cni/net.d/10-flannel.conflist", 0o644),
        file("/etc/kubernetes/kubelet.conf", 0o600, True),
        file(f"{PKI}/ca.crt", 0o644),
        file("/usr/lib/systemd/system/kubelet.service", 0o644),
        file("/var/lib/kubelet/config.yaml", 0o644),
        file("/var/lib/kubelet/pki/kubelet-client-current.pem", 0o600, True),
    ]
    found: dict[str, Any] = {
        "files": files,
        "programs": {"kubelet": {"flags": dict(KUBELET_FLAGS)}, "kube-proxy": {"flags": {}}},
        "kubelet": {
            "units": ["/usr/lib/systemd/system/kubelet.service"],
            "config": ["/var/lib/kubelet/config.yaml"],
            "kubeconfig": ["/etc/kubernetes/kubelet.conf"],
        },
        "etcd_folder": "",
        "encryption": {},
        "audit_policy": {},
        "admission": {},
        "kube_proxy": {"metrics": "127.0.0.1:10249", "kubeconfig": file("/var/lib/kube-proxy/kubeconfig.conf", 0o644)},
        "policy_engines": [],
        "listening": [{"port": 10249, "address": "127.0.0.1"}],
    }
    if name != MASTER:
        return found
    for part in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        files.append(file(f"/etc/kubernetes/manifests/{part}.yaml", 0o600))
        found["programs"][part] = {"flags": dict(FLAGS[part])}
    for conf in ("admin", "scheduler", "controller-manager"):
        files.append(file(f"/etc/kubernetes/{conf}.conf", 0o600, True))
    files += [file(f"{PKI}/ca.key", 0o600, True), file(f"{PKI}/encryption.json", 0o600, True)]
    files += [file("/var/lib/etcd", 0o700), file("/home/pi/.kube/config", 0o600, True)]
    found["etcd_folder"] = "/var/lib/etcd"
    found["encryption"] = {
        "path": f"{PKI}/encryption.json",
        "file": file(f"{PKI}/encryption.json", 0o600, True),
        "content": [{"resources": ["secrets"], "providers": ["secretbox", "identity"]}],
    }
    found["listening"] += [
        {"port": port, "address": address}
        for port, address in ((2379, "127.0.0.1"), (2379, "192.168.13.7"), (2380, "127.0.0.1"), (2381, "127.0.0.1"))
    ]
    return found


CONTAINER = {
    "name": "main",
    "image": f"quay.io/own/app:1@sha256:{'0' * 64}",
    "privileged": False,
    "escalation": False,
    "root": False,
    "net_raw": False,
    "added": [],
    "dropped_all": True,
    "seccomp": "",
    "context": True,
    "host_process": False,
    "host_ports": [],
    "secret_variables": False,
    "token": False,
}


class Audited(Sketch):
    """A scene with what an audit needs, that can be harmed before it is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.audit = {name: copy.deepcopy(audited(name)) for name in NAMES}
        for node in self.cluster["nodes"]:
            node["system"] = "linux"
        self.told: dict[str, Any] = {
            "kubelets": {name: {"config": copy.deepcopy(KUBELET)} for name in NAMES},
            "roles": [],
            "bindings": [],
            "namespaces": [],
            "accounts": [],
            "pod_specs": [],
            "services": [{"namespace": "default", "name": "kubernetes"}],
            "policies": [],
            "account_secrets": [],
            "loop": {
                "rules": copy.deepcopy(audit_loop.shipped()),
                "gate": copy.deepcopy(GATE),
                "releases": [live_release()],
                "servers": ["digits-7"],
            },
            "trouble": {},
        }
        self.cluster["audit"] = self.told
        self.state[MASTER]["certificates"].append({"file": f"{PKI}/etcd/ca.crt", "pem": other_ca().pem})
        self.bind(
            "Group system:masters", [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}], name="cluster-admin"
        )
        self.bind("Group system:unauthenticated", [{"verbs": ["get"], "nonResourceURLs": ["/livez", "/version"]}])
        self.namespace("kube-system", "")
        self.namespace("default", "baseline")
        self.namespace("kubeflow", "baseline")
        self.pod(
            "kube-system",
            "DaemonSet kube-proxy",
            host_network=True,
            host_paths=["/lib/modules"],
            privileged=True,
            image="registry.k8s.io/kube-proxy:v1.37.2",
        )
        self.pod("kubeflow", "Deployment web")

    def change(self, path: str, pi: str = MASTER, **changed: Any) -> None:
        """Change what is known of a file."""
        (entry,) = (entry for entry in self.audit[pi]["files"] if entry["path"] == path)
        entry.update(changed)

    def add(self, path: str, mode: int, pi: str = MASTER, secret: bool = False) -> None:
        """Add a file."""
        self.audit[pi]["files"].append(file(path, mode, secret))

    def remove(self, path: str, pi: str = MASTER) -> None:
        """Take a file away."""
        self.audit[pi]["files"] = [entry for entry in self.audit[pi]["files"] if entry["path"] != path]

    def one_ca(self) -> None:
        """etcd's CA is the cluster's, under another name."""
        self.state[MASTER]["certificates"][-1]["pem"] = ca().pem

    def flag(self, component: str, name: str, value: str | None = None, pi: str = MASTER) -> None:
        """Set a flag of a program, or take it away."""
        flags = self.audit[pi]["programs"][component]["flags"]
        flags.pop(name, None)
        if value is not None:
            flags[name] = value

    def kubelet(self, path: str, value: Any, node: str = OTHER) -> None:
        """Set something in a kubelet's running configuration."""
        *parents, last = path.split(".")
        where = self.told["kubelets"][node]["config"]
        for key in parents:
            where = where.setdefault(key, {})
        where[last] = value

    def bind(self, subject: str, rules: list[dict], namespace: str = "", name: str = "x", role: str = "x") -> None:
        """Make a role of this name, and bind it."""
        kind, _space, who = subject.partition(" ")
        within, _slash, account = who.rpartition("/")
        role_kind = "Role" if namespace else "ClusterRole"
        role = f"{role}-{len(self.told['roles'])}" if name == "x" else "cluster-admin"
        self.told["roles"].append({"kind": role_kind, "namespace": namespace, "name": role, "rules": rules})
        self.told["bindings"].append(
            {
                "kind": f"{role_kind}Binding",
                "namespace": namespace,
                "name": name,
                "role_kind": role_kind,
                "role": role,
                "subjects": [{"kind": kind, "name": account, "namespace": within}],
            }
        )

    def namespace(self, name: str, level: str) -> None:
        """Add a namespace and its account."""
        self.told["namespaces"].append({"name": name, "enforce": level})
        self.told["accounts"].append({"namespace": name, "name": "default", "token": False})
        if name not in ("kube-system",):
            self.told["policies"].append({"namespace": name, "name": "allow"})

    def pod(self, namespace: str, workload: str, **changed: Any) -> None:
        """Add a Pod of one container."""
        container = {**CONTAINER, **{key: value for key, value in changed.items() if key in CONTAINER}}
        self.told["pod_specs"].append(
            {
                "namespace": namespace,
                "name": "p-1",
                "node": OTHER,
                "workload": workload,
                "account": "default",
                "host_pid": False,
                "host_ipc": False,
                "host_network": False,
                "host_paths": [],
                "containers": [container],
                "finished": False,
                **{key: value for key, value in changed.items() if key not in CONTAINER},
            }
        )

    def scene(self) -> Scene:
        """Done."""
        plain = super().scene()
        pis = [
            dataclasses.replace(pi, audit={} if pi.name in self.unreachable else self.audit[pi.name])
            for pi in plain.pis
        ]
        return dataclasses.replace(plain, pis=pis, gate=GATE)

    def results(self) -> dict[str, Result]:
        """The audit's results by item."""
        return {result.id: result for result in audit(self.scene(), ITEMS)}
