# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run leaves finished Pis out, so whatever has changed on one since must be found by the question that it asks first.

Each damage is done to one Pi, another one to each of the others, and a run of site.yml repairs all three.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from lab_cluster import changes, run_playbook

INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
INSTANCE = yaml.safe_load((INVENTORY / "hosts.yml").read_text())["bramble"]["vars"]["lab_instance"]
MASTER, *NODES = PIS = ("k8s-master", "k8s-node1", "k8s-node2")


@dataclass(frozen=True)
class Damage:
    """Something that a role has to find.

    :ivar harm: the command that does it.
    :ivar look: a command that prints something else while it is there.
    """

    name: str
    harm: str
    look: str


def byte(path: str) -> Damage:
    """A file that a role writes, with one byte more."""
    return Damage(path, f"printf '#' >> {path}", f"sha256sum {path}")


def listed(name: str, harm: str) -> Damage:
    """Something about a service or package."""
    return Damage(
        harm,
        harm,
        f"systemctl is-active {name}; systemctl is-enabled {name}; apt-mark showhold | grep -x {name}; "
        f"dpkg-query --show --showformat '${{Status}}' {name}; true",
    )


#: For any Pi; each file is one of its own.
ANYWHERE = [
    # base
    Damage("a line of /etc/hosts", "sed -i '/k8s-node1/d' /etc/hosts", "grep -c k8s-node1 /etc/hosts"),
    Damage("/etc/hostname", "echo other > /etc/hostname", "cat /etc/hostname"),
    Damage(
        "a setting in use",
        "sysctl -qw net.ipv4.conf.all.forwarding=0 net.ipv4.ip_forward=0",
        "sysctl net.ipv4.ip_forward",
    ),
    listed("chrony", "systemctl disable --now chrony"),
    listed("fstrim.timer", "systemctl disable fstrim.timer"),
    byte("/etc/systemd/journald.conf.d/90-bramble-kube.conf"),
    byte("/etc/modules-load.d/90-bramble-kube.conf"),
    byte("/etc/sysctl.d/90-bramble-kube.conf"),
    byte("/etc/chrony/sources.d/bramble-kube.sources"),
    byte("/etc/rpi/swap.conf.d/90-bramble-kube.conf"),
    # docker
    byte("/etc/containerd/config.toml"),
    byte("/etc/crictl.yaml"),
    byte("/etc/docker/daemon.json"),
    byte("/etc/systemd/system/docker.service.d/10-bramble-kube.conf"),
    byte("/etc/containerd/certs.d/registry.k8s.io/hosts.toml"),
    Damage(
        "a mirror that nobody wants any more",
        "cp -a /etc/containerd/certs.d/quay.io /etc/containerd/certs.d/left.example",
        "ls /etc/containerd/certs.d/*/hosts.toml",
    ),
    listed("docker", "systemctl disable docker"),
    listed("docker", "systemctl stop docker.socket docker"),
    listed("containerd.io", "apt-mark unhold containerd.io"),
    # kubeadm
    listed("kubelet", "apt-mark unhold kubelet"),
    listed("kubelet", "systemctl disable kubelet"),
    # base again, last because apt takes its time
    listed("conntrack", "dpkg --remove --force-depends conntrack"),
]
#: What role node finds
NODES_ONLY = [
    Damage("kubelet.conf", "systemctl stop kubelet; rm /etc/kubernetes/kubelet.conf", "ls /etc/kubernetes/kubelet.conf")
]
WRITTEN = "stat --format %Y"
API_SERVERS = "/etc/kubernetes/pki/apiserver.crt"
KUBECTL = "kubectl --kubeconfig /etc/kubernetes/admin.conf --namespace"
#: What role master finds
MASTER_ONLY = [
    byte("~pi/.kube/config"),
    Damage("etcd's folder", "chmod 755 /var/lib/etcd", "stat --format %a /var/lib/etcd"),
    Damage("super-admin.conf", "cp /etc/kubernetes/admin.conf /etc/kubernetes/super-admin.conf", "ls /etc/kubernetes"),
    Damage(
        "a program that has not read its certificate",
        f"sleep 1; touch {API_SERVERS}",
        f"test $({WRITTEN} /proc/$(pgrep -o kube-apiserver)) -ge $({WRITTEN} {API_SERVERS}); echo $?",
    ),
    Damage(
        "the control plane's taint",
        f"{KUBECTL} default taint nodes k8s-master node-role.kubernetes.io/control-plane-",
        f"{KUBECTL} default get node k8s-master --output jsonpath='{{.spec.taints[*].key}}'",
    ),
    Damage(
        "CoreDNS",
        f"{KUBECTL} kube-system delete deployment coredns",
        f"{KUBECTL} kube-system get deployment --output name",
    ),
    Damage(
        "the Pod network",
        f"{KUBECTL} kube-flannel delete configmap kube-flannel-cfg",
        f"{KUBECTL} kube-flannel get configmap kube-flannel-cfg --output name",
    ),
    Damage(
        "a component of Kubeflow",
        f"{KUBECTL} kubeflow delete deployment training-operator",
        f"{KUBECTL} kubeflow get deployment training-operator --output name",
    ),
]


def rounds() -> Iterator[dict[str, Damage]]:
    """All damages, at most one for each Pi at a time."""
    master, nodes, rest = list(MASTER_ONLY), list(NODES_ONLY), list(ANYWHERE)
    while master or nodes or rest:
        chosen = {}
        for pi, own in ((MASTER, master), (NODES[0], nodes), (NODES[1], [])):
            pool = own or rest
            if pool:
                chosen[pi] = pool.pop(0)
        yield chosen


def on(pi: str, command: str) -> str:
    """What a command prints on a Pi, as root."""
    done = subprocess.run(
        ["docker", "exec", f"{INSTANCE}-{pi}", "sh", "-c", command], capture_output=True, text=True, check=False
    )
    return done.stdout


@pytest.mark.parametrize("damages", rounds(), ids=lambda one: ", ".join(damage.name for damage in one.values()))
def test_what_has_changed_is_found_and_repaired(damages: dict[str, Damage]) -> None:
    before = {pi: on(pi, damage.look) for pi, damage in damages.items()}
    for pi, damage in damages.items():
        on(pi, damage.harm)
        assert on(pi, damage.look) != before[pi], f"{damage.name} is not damaged on {pi}"
    run_playbook(INVENTORY, "site.yml")
    after = {pi: on(pi, damage.look) for pi, damage in damages.items()}
    assert after == before


def test_the_laptop_s_kubeconfig_is_written_again(tmp_path: Path) -> None:
    from lab_cluster import Cluster

    kubeconfig = Cluster(INSTANCE).kubeconfig
    before = kubeconfig.read_bytes()
    kubeconfig.write_bytes(before + b"#")
    run_playbook(INVENTORY, "site.yml")
    assert kubeconfig.read_bytes() == before


def test_nothing_is_left_to_do_after_that() -> None:
    output = run_playbook(INVENTORY, "site.yml")
    assert changes(output) == {"0"}
    # Every role's first task: none is begun on a Pi that is finished.
    assert "bramble.kube.base :" not in output and "bramble.kube.docker :" not in output
