# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The Pod networks that role master can bring: all that differs between them, for every role, check and page.

Another one is an entry here and its manifest, roles/master/templates/NAME.yaml.j2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.system import System

#: The value of kubeadm_cni of those who bring a Pod network themselves.
NONE = "none"


@dataclass(frozen=True)
class PodNetwork:
    """How Pods on different Pis reach each other.

    :ivar name: as in the variable kubeadm_cni.
    :ivar namespace: where its Pods run.
    :ivar daemonset: which of them runs on every Pi.
    :ivar container: the container of it whose log tells what keeps the network from working.
    :ivar images: what every Pi pulls: names of role master's variables, or image references.
    :ivar registries: where these images come from.
    :ivar configuration: its CNI configuration file, by which it is recognised on a Pi.
    :ivar subnet_file: the file with the Pi's share of the Pod network; "" when it keeps none.
    :ivar subnet: the regular expression that finds the share in that file.
    :ivar ports: what the Pis send each other for it, unless another backend is chosen (master_NAME_backend).
    :ivar modules: kernel modules that carry its packets, unless another backend is chosen.
    :ivar requests: resources that its Pod asks for on every Pi.
    :ivar enforces_policies: whether NetworkPolicies hold with it alone.
    :ivar chains: a regular expression for the beginning of its iptables chains.
    :ivar tables: its nftables tables.
    :ivar sets: a regular expression for its sets of addresses (ipset), which its rules in foreign iptables chains name.
    :ivar links: a regular expression for its network interfaces.
    :ivar folders: folders that are its own.
    :ivar files: its further files in folders of others.
    """

    name: str
    namespace: str
    daemonset: str
    container: str
    images: tuple[str, ...]
    registries: tuple[str, ...]
    configuration: str
    subnet_file: str = ""
    subnet: str = ""
    ports: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    requests: Mapping[str, str] = field(default_factory=dict)
    enforces_policies: bool = False
    chains: str = ""
    tables: tuple[str, ...] = ()
    sets: str = ""
    links: str = ""
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


NETWORKS = {
    network.name: network
    for network in (
        PodNetwork(
            name="flannel",
            namespace="kube-flannel",
            daemonset="kube-flannel-ds",
            container="kube-flannel",
            images=("master_flannel_image", "master_flannel_cni_plugin_image"),
            registries=("ghcr.io",),
            configuration="/etc/cni/net.d/10-flannel.conflist",
            subnet_file="/run/flannel/subnet.env",
            subnet=r"^FLANNEL_SUBNET=(\S+)",
            ports=("8472/udp",),  # VXLAN
            modules=("vxlan",),
            requests={"cpu": "100m", "memory": "50Mi"},
            chains="FLANNEL-",
            tables=("flannel-ipv4", "flannel-ipv6"),
            links=r"flannel(-v6)?\.\d+",
            folders=("/run/flannel",),
            files=("/opt/cni/bin/flannel",),
        ),
        PodNetwork(
            name="kube-router",
            namespace="kube-system",
            daemonset="kube-router",
            container="kube-router",
            images=("master_kube_router_image",),
            registries=("docker.io",),
            configuration="/etc/cni/net.d/10-kuberouter.conflist",
            subnet_file="/etc/cni/net.d/10-kuberouter.conflist",
            subnet=r'"subnet"\s*:\s*"([^"]+)"',
            ports=("179/tcp",),  # BGP
            requests={"cpu": "20m", "memory": "48Mi"},
            enforces_policies=True,
            chains="KUBE-(ROUTER|POD-FW|NWPLCY)-",
            sets="(inet6:)?kube-router-.+|KUBE-(SRC|DST)-.+",
            links="kube-bridge",
        ),
    )
}
DEFAULT = "flannel"
#: What enforces NetworkPolicies beside a network that does not (master_network_policies); there it carries no packets.
POLICY_ENGINE = NETWORKS["kube-router"]


def configurations(system: System) -> list[str]:
    """The CNI configuration files of a machine; containerd takes the first."""
    folder = "/etc/cni/net.d"
    return [f"{folder}/{name}" for name in system.names(folder) if name.endswith((".conf", ".conflist", ".json"))]


def pod_network(name: str) -> dict[str, Any]:
    """What roles have to know of a Pod network: its namespaces, its images, and the configurations of all others.

    Nothing is known of one that the user brings.

    :param name: the value of kubeadm_cni.
    :raises ValueError: when it is none of NETWORKS, with the sentence for the user.
    """
    if name == NONE:
        return {"name": NONE, "namespaces": [], "images": [], "others": []}
    if name not in NETWORKS:
        raise ValueError(f"kubeadm_cni is {name!r}; use {', '.join(NETWORKS)} or {NONE}")
    network = NETWORKS[name]
    others = [other.configuration for other in NETWORKS.values() if other is not network]
    return {**asdict(network), "namespaces": [network.namespace], "images": list(network.images), "others": others}
