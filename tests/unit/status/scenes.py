"""A healthy cluster of three Pis as data, for tests to hurt."""

from __future__ import annotations

import copy
import functools
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.bramble.kube.plugins.module_utils.status.model import Pi, Scene

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=timezone.utc)
SERVER = "https://192.168.13.7:6443"
NAMES = ("k8s-master", "k8s-node1", "k8s-node2")


class Authority:
    """A CA that signs what a test wants."""

    def __init__(self, name: str = "kubernetes") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = self._make(self.name, self.key, timedelta(days=3650), True, NOW - timedelta(days=1))

    def _make(self, subject, key, life, authority, begins) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + life)
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        """The CA's certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def sign(
        self, name: str, days_left: int = 364, begins: datetime = NOW - timedelta(days=30), group: str = ""
    ) -> str:
        """A certificate with so many days left."""
        groups = [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, group)] if group else []
        subject = x509.Name([*groups, x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        life = NOW + timedelta(days=days_left, hours=1) - begins
        made = self._make(subject, ec.generate_private_key(ec.SECP256R1()), life, False, begins)
        return made.public_bytes(serialization.Encoding.PEM).decode()


@functools.cache
def ca() -> Authority:
    """The cluster's CA."""
    return Authority()


@functools.cache
def other_ca() -> Authority:
    """Another cluster's CA, of the same name."""
    return Authority()


def facts(name: str) -> dict:
    """The facts of one Pi."""
    return {
        "pi_model": "Raspberry Pi 5 Model B Rev 1.0",
        "pi_os": {"name": "Raspberry Pi OS (trixie)"},
        "pi_address": f"192.168.13.{7 + NAMES.index(name)}",
        "pi_swaps": [],
        "pi_cgroup": {"version": 2, "memory": True, "cpuset": True},
        "pi_time": {"service": "chrony", "synchronized": True},
        "pi_throttled": 0,
        "pi_packages": {"kubelet": {"version": "1.37.2-1.1", "held": True}},
    }


def drill(days: int = 5, reason: str = "") -> dict:
    """What the last drill with a backup noted."""
    held = {"backup": "kept-1", "backup_created": 1, "cluster_ca_sha256": "", "objects": 1234, "seconds": 35.2}
    return {"at": (NOW - timedelta(days=days)).timestamp(), "reason": reason, **held}


def state(name: str) -> dict:
    """What pi_status reads on one healthy Pi."""
    master = name == NAMES[0]
    service = {"loaded": True, "state": "active", "substate": "running", "result": "success", "enabled": True}
    files = [
        {"file": "/etc/kubernetes/pki/ca.crt", "pem": ca().pem},
        {"file": "/var/lib/kubelet/pki/kubelet-client-current.pem", "pem": ca().sign(f"system:node:{name}")},
    ]
    if master:
        files += [{"file": "/etc/kubernetes/pki/apiserver.crt", "pem": ca().sign("kube-apiserver")}]
    running = {"manifest": True, "running": True}
    parts = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
    return {
        "memory": {"total_mb": 4000, "available_mb": 3000},
        "disks": [{"folder": "/", "total_mb": 30000, "free_mb": 20000, "read_only": False}],
        "temperature_c": 51.0,
        "services": {which: dict(service) for which in ("containerd", "docker", "kubelet")},
        "kubelet": {"configured": True, "tolerates_swap": False, "errors": []},
        "image_failures": [],
        "pod_network": {
            "configuration": ["/etc/cni/net.d/10-flannel.conflist"],
            "network": "flannel",
            "plugins_missing": [],
            "subnet": "10.244.1.1/24",
        },
        "containers": [],
        "control_plane": {part: dict(running) for part in parts} if master else {},
        "certificates": files,
        "membership": {
            "joined": True,
            "server": SERVER,
            "ca_pem": ca().pem,
            "trouble": "",
            "bootstrapping": False,
            "token_id": "",
        },
        "api": {"outcome": "ok", "said": ""},
        "etcd": {"size": 20 * 2**20, "in_use": 5 * 2**20, "quota": 2 * 2**30} if master else {},
        "drill": drill() if master else {},
        "time_server": {"address": "192.168.13.2", "ahead_s": 0.001},
        "ahead_of_laptop_s": 0.8,
    }


def node(name: str) -> dict:
    """A node as cluster_status returns it."""
    ready = {"Ready": {"status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}}
    others = {
        kind: {"status": "False", "reason": "", "message": ""}
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure")
    }
    return {
        "name": name,
        "addresses": [f"192.168.13.{7 + NAMES.index(name)}"],
        "roles": [],
        "kubelet": "1.37.2",
        "runtime": "containerd://2.1.9",
        "architecture": "arm64",
        "os": "Debian",
        "kernel": "6.12",
        "pod_cidr": "10.244.1.0/24",
        "cordoned": False,
        "conditions": {**ready, **others},
        "pods_allowed": 110,
    }


def pod(name: str = "web", where: str = "k8s-node1", **changed) -> dict:
    """A healthy Pod as cluster_status returns it."""
    return {
        "namespace": "default",
        "name": name,
        "node": where,
        "phase": "Running",
        "reason": "",
        "ready": True,
        "leaving": False,
        "unscheduled": "",
        "restarts": 0,
        "troubles": [],
        **changed,
    }


def trouble(**changed) -> dict:
    """A container's trouble as cluster_status returns it."""
    return {
        "container": "main",
        "image": "example.org/web:1",
        "reason": "CrashLoopBackOff",
        "message": "back-off 5m0s restarting failed container",
        "restarts": 7,
        "exit_code": 1,
        "ended_by": "Error",
        "said": "no such table: users",
        **changed,
    }


def workload(name: str, namespace: str, component: str = "", **changed) -> dict:
    """A workload as cluster_status returns it, of a component's set."""
    found = {"kind": "Deployment", "namespace": namespace, "name": name, "part_of": "", "set": f"id-{component}"}
    return {**found, "wanted": 1, "ready": 1, **changed}


class Sketch:
    """A scene that can be changed before it is looked at."""

    def __init__(self) -> None:
        self.facts = {name: facts(name) for name in NAMES}
        self.state = {name: copy.deepcopy(state(name)) for name in NAMES}
        self.unreachable: dict[str, str] = {}
        self.now = NOW
        self.masters = set(NAMES[:1])
        self.cluster: dict = {
            "reachable": True,
            "outcome": "ok",
            "said": "",
            "server": SERVER,
            "ca": ca().pem,
            "client_certificate": "",
            "version": "1.37.2",
            "nodes": [node(name) for name in NAMES],
            "pods": [pod()],
            "workloads": [],
            "sets": {},
            "places": [],
            "tokens": [],
            "requests": [],
        }

    def silence(self, said: str = "connection refused") -> None:
        """The API server answers neither the laptop nor a Pi."""
        self.cluster = {"reachable": False, "outcome": "silent", "said": f"{SERVER}: {said}", "server": SERVER}
        for name in NAMES:
            self.state[name]["api"] = {"outcome": "refused", "said": "connection refused"}

    def share(self) -> None:
        """All three are masters, with an address for all, which the first has."""
        self.masters = set(NAMES)
        members = [{"name": name, "address": self.facts[name]["pi_address"], "learner": False} for name in NAMES]
        for name in NAMES:
            self.state[name]["etcd_members"] = copy.deepcopy(members)
            self.state[name]["control_plane"] = copy.deepcopy(self.state[NAMES[0]]["control_plane"])
            addresses = ["192.168.13.5/32"] if name == NAMES[0] else []
            self.facts[name] |= {
                "pi_kubernetes": {"api_address": "192.168.13.5"},
                "pi_services": {"keepalived": {"active": True, "enabled": True}},
                "pi_interfaces": [{"name": "eth0", "addresses": [f"{self.facts[name]['pi_address']}/24", *addresses]}],
            }

    def install(self, *workloads: dict, **addresses: str) -> None:
        """Components of this collection with their workloads and addresses."""
        self.cluster["workloads"] += workloads
        self.cluster["sets"] |= {found["set"]: found["set"].replace("id-", "bramble-") for found in workloads}
        self.cluster["places"] += [{"set": f"id-{name}", "address": place} for name, place in addresses.items()]

    def scene(self) -> Scene:
        """Done."""
        pis = [
            Pi(
                name=name,
                node_name=name,
                role="master" if name in self.masters else "node",
                address=f"192.168.13.{7 + NAMES.index(name)}",
                facts={} if name in self.unreachable else self.facts[name],
                state={} if name in self.unreachable else self.state[name],
                reachable=name not in self.unreachable,
                trouble=self.unreachable.get(name, ""),
            )
            for name in NAMES
        ]
        return Scene(pis=pis, cluster=self.cluster, kubeconfig="/home/me/kubeconfig", now=self.now)
