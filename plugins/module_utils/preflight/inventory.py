# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What can be wrong with an inventory, found without talking to any host."""

from __future__ import annotations

import contextlib
import difflib
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.cluster_nodes import cluster_nodes
from ansible_collections.bramble.kube.plugins.module_utils.common.pod_networks import pod_network
from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign
from ansible_collections.bramble.kube.plugins.module_utils.common.wording import counted, hosts_named, listing, shown
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.versions import OLDEST_MINOR, parse_version
from ansible_collections.bramble.kube.plugins.module_utils.preflight.base_values import base_problems
from ansible_collections.bramble.kube.plugins.module_utils.preflight.settings import value_problem

#: Variables of the whole cluster: one value for all hosts.
CLUSTER_WIDE = (
    "kubeadm_version",
    "kubeadm_pod_cidr",
    "kubeadm_service_cidr",
    "kubeadm_api_address",
    "kubeadm_cni",
    "kubeadm_kubelet_server_tls",
    "master_flannel_backend",
)
#: How many masters there may be.
MASTERS = (1, 3, 5)
#: Every variable that is looked at here besides the roles' own options.
LOOKED_AT = (
    "ansible_become_exe",
    "ansible_host",
    "ansible_port",
    "ansible_user",
    "base_hostname",
    "kubeadm_ignore_preflight_errors",
    "kubeadm_node_ip",
    "kubeadm_node_name",
)
#: Networks to propose instead of one that collides, in this order.
_SPARE_NETWORKS = (
    "10.244.0.0/16",
    "10.245.0.0/16",
    "172.28.0.0/16",
    "10.96.0.0/16",
    "10.97.0.0/16",
    "192.168.128.0/18",
)
#: A node's share of the pod network (kube-controller-manager's --node-cidr-mask-size).
_NODE_PREFIX = 24
#: The largest service network that kube-apiserver takes has 20 bits (cmd/kube-apiserver/app/options/validation.go).
_SERVICE_PREFIX = 12
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")


@dataclass(frozen=True)
class Inventory:
    """An inventory as plain data.

    :param groups: group name to its hosts.
    :param values: host name to its resolved variables.
    :param unresolved: host name to the variables whose templates fail, with the reason.
    :param options: the roles' argument specs.
    :param defaults: the roles' plain defaults.
    :param slips: host name to the variables that are none, each with what was probably meant.
    :param sources: the files and folders that were named as inventory.
    :param absent: those of them that are not there.
    """

    groups: Mapping[str, Sequence[str]]
    values: Mapping[str, Mapping[str, Any]]
    options: Mapping[str, Mapping[str, Any]]
    defaults: Mapping[str, Any]
    unresolved: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    slips: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    sources: Sequence[str] = ()
    absent: Sequence[str] = ()

    @property
    def hosts(self) -> list[str]:
        """All hosts of the cluster, whether they are in the right groups or not."""
        listed = [*self.groups.get("bramble", ()), *self.groups.get("master", ()), *self.groups.get("node", ())]
        return list(dict.fromkeys(listed))

    def value(self, host: str, name: str) -> Any:
        """A host's value of a variable, else the role's plain default, else None."""
        values = self.values.get(host, {})
        if name in values:
            return values[name]
        if name in self.unresolved.get(host, {}):
            return None
        return self.defaults.get(name)

    def node(self, host: str) -> dict[str, Any]:
        """What a host is in the cluster, as far as the inventory alone says so."""
        return cluster_nodes([host], self.values)[host]

    def node_names(self, host: str) -> dict[str, str]:
        """The names by which a host goes, in the network and in the cluster: where each comes from, and the name."""
        values = self.values.get(host, {})
        given = {name: str(values[name]) for name in ("base_hostname", "kubeadm_node_name") if values.get(name)}
        return {**({} if "base_hostname" in given else {"its name": host}), **given}

    def addresses(self, host: str) -> dict[str, Any]:
        """The IP addresses by which the inventory knows a host: variable name to address."""
        found = {}
        for name in ("ansible_host", "kubeadm_node_ip"):
            value = self.values.get(host, {}).get(name) or (host if name == "ansible_host" else "")
            try:
                found[name] = ipaddress.ip_address(str(value))
            except ValueError:
                continue
        fixed = str(self.values.get(host, {}).get("base_static_address") or "").partition("/")[0]
        with contextlib.suppress(ValueError):
            found["base_static_address"] = ipaddress.ip_address(fixed)
        return found


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong; ``hosts`` is empty when it is not about single hosts."""

    text: str
    hosts: tuple[str, ...] = ()


def no_pis(inventory: Inventory) -> str:
    """Say that the inventory has no Pi at all, as after a wrong -i, which Ansible takes for an empty one.

    :returns: one sentence; "" when a group of the cluster has a host.
    """
    if inventory.hosts:
        return ""
    right = "name the folder or file with your Pis, such as -i my-inventory"
    if inventory.absent:
        return _sentence(
            f"there is no inventory, because {listing(inventory.absent)} does not exist: is -i right? If not, {right}"
        )
    where = listing(inventory.sources) or "the inventory"
    if any(inventory.groups.values()):
        alike = difflib.get_close_matches("master", [name for name in inventory.groups if name != "master"], n=1)
        hint = f" (there is a group {alike[0]}: rename it)" if alike and inventory.groups[alike[0]] else ""
        return _sentence(
            f"groups master, node and bramble: they have no host in {where}{hint}: is -i right? If not, {right}; "
            "if it is, put the Pis into these groups, as in inventories/example/hosts.yml"
        )
    return _sentence(
        f"no host was read from {where}: is -i right? If it is, the file is empty, or Ansible's warnings above say "
        "what is wrong in it"
    )


def _sentence(text: str) -> str:
    return foreign(text[:1].upper() + text[1:].rstrip(".") + ".")


def inventory_errors(inventory: Inventory) -> list[str]:
    """Find everything that is wrong with an inventory.

    :returns: one sentence each: where, what, and what would be right. Hosts with the same fault share a sentence.
    """
    if absence := no_pis(inventory):
        return [absence]
    faults: list[Fault] = []
    for find in (
        _groups,
        _slips,
        _names,
        _addresses,
        _values,
        _base_values,
        _versions,
        _networks,
        _api_address,
        _service_addresses,
        _ignored_checks,
        _cluster_wide,
    ):
        faults += find(inventory)
    hosts_of: dict[str, list[str]] = {}
    for fault in faults:
        hosts_of.setdefault(fault.text, []).extend(fault.hosts)
    sentences = []
    for text, hosts in hosts_of.items():
        unique = list(dict.fromkeys(hosts))
        if len(unique) > 1 and set(unique) == set(inventory.hosts):
            sentences.append(_sentence(f"every host: {text}"))
        else:
            sentences.append(_sentence(f"{hosts_named(unique)}: {text}" if unique else text))
    return sentences


def _groups(inventory: Inventory) -> Iterator[Fault]:
    groups = inventory.groups
    masters, nodes = list(groups.get("master", ())), list(groups.get("node", ()))
    if not masters:
        alike = difflib.get_close_matches("master", [name for name in groups if name != "master"], n=1, cutoff=0.6)
        hint = f" (there is a group {alike[0]}: rename it)" if alike and groups[alike[0]] else ""
        yield Fault(
            f"group master: it has no host{hint}; it needs the Pi that becomes the control plane, or three of them"
        )
    elif len(masters) not in MASTERS:
        yield Fault(
            f"group master: it has {len(masters)} hosts ({listing(masters)}), but there can be 1, 3 or 5, because etcd "
            "needs more than half of its members: an even number survives no more losses than one fewer, and more than "
            f"5 only make writes slower; move {len(masters) - max(n for n in MASTERS if n < len(masters))} of them to "
            "group node"
        )
    elif len(masters) > 1 and not inventory.value(masters[0], "kubeadm_api_address"):
        yield Fault(
            f"group master: it has {len(masters)} hosts, which share one address for the API server; set "
            "kubeadm_api_address, in group_vars/bramble, to a free address in the Pis' network"
        )
    for host in masters:
        if host in nodes:
            yield Fault("it is in both groups, master and node; put it in one of them", (host,))
    bramble = groups.get("bramble", ())
    for name, members in (("master", masters), ("node", nodes)):
        if members and not set(members) <= set(bramble):
            yield Fault(f"group {name}: it is not part of group bramble; write it under 'children' of bramble")
    for host in bramble:
        if host not in masters and host not in nodes:
            alike = _meant(host, groups)
            hint = f" (rename group {alike[0]} to {alike[1]})" if alike else ""
            yield Fault(f"it is in group bramble, but in neither master nor node{hint}; put it in one of them", (host,))
    for host in groups.get("ungrouped", ()):
        if host not in ("localhost", "127.0.0.1", "::1"):
            yield Fault(
                "it is in no group; put it in master or node, or, if it is not for the cluster, in another group",
                (host,),
            )


def _meant(host: str, groups: Mapping[str, Sequence[str]]) -> tuple[str, str] | None:
    """Of a host's groups the one whose name is nearly that of one of ours, and ours."""
    for name, hosts in groups.items():
        near = difflib.get_close_matches(name, ("master", "node"), n=1, cutoff=0.6)
        if host in hosts and near:
            return name, near[0]
    return None


def _slips(inventory: Inventory) -> Iterator[Fault]:
    for host, slips in inventory.slips.items():
        for name, meant in slips.items():
            yield Fault(f"unknown variable {name}: did you mean {meant}", (host,))


def _proposed_name(name: str) -> str:
    slug = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:63].strip("-")
    return slug if slug and not slug.replace("-", "").isdigit() else "k8s-node1"


def _names(inventory: Inventory) -> Iterator[Fault]:
    owners: dict[str, list[str]] = {}
    for host in inventory.hosts:
        for variable, name in inventory.node_names(host).items():
            sharers = owners.setdefault(name.lower(), [])
            if host not in sharers:
                sharers.append(host)
            problem = _name_problem(variable, name)
            if problem:
                yield Fault(problem, (host,))
    for name, hosts in owners.items():
        if len(hosts) > 1:
            yield Fault(f"{hosts_named(hosts)}: they have the same name, {name}; give each its own (base_hostname)")


def _name_problem(variable: str, name: str) -> str:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        pass
    else:
        right = _proposed_name("")
        return f"{variable} is the address {name}; use a name, such as {right}, with the address in ansible_host"
    if name == "localhost":
        return f"{variable} is localhost, the name that every machine has for itself; give it its own name"
    if len(name) > 63 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        return (
            f"{variable} is {shown(name)}, but a node's name has small letters, digits and hyphens, begins and ends "
            f"with a letter or digit and is at most 63 characters long (RFC 1123); use {_proposed_name(name)}"
        )
    return ""


def _addresses(inventory: Inventory) -> Iterator[Fault]:
    ways: dict[tuple[str, str], list[str]] = {}
    node_addresses: dict[str, list[str]] = {}
    fixed_addresses: dict[str, list[str]] = {}
    for host in inventory.hosts:
        values = inventory.values.get(host, {})
        address = str(values.get("ansible_host") or host)
        try:
            address = str(ipaddress.ip_address(address))
        except ValueError:
            address = address.lower().rstrip(".")
        ways.setdefault((address, str(values.get("ansible_port") or 22)), []).append(host)
        fixed = inventory.addresses(host).get("base_static_address")
        if fixed:
            fixed_addresses.setdefault(str(fixed), []).append(host)
        node_ip = values.get("kubeadm_node_ip")
        if node_ip:
            try:
                node_addresses.setdefault(str(ipaddress.ip_address(str(node_ip))), []).append(host)
            except ValueError:
                yield Fault(f"kubeadm_node_ip is {shown(node_ip)}; use an IP address, such as 192.168.13.8", (host,))
        known = inventory.addresses(host)
        of_node = next((name for name in ("kubeadm_node_ip", "ansible_host") if name in known), "")
        if of_node and known[of_node].version != 4:
            yield Fault(
                f"{of_node} is {known[of_node]}, an IPv6 address, but Pods and Services have IPv4 networks, and "
                "the API server's address must be of the same family; set kubeadm_node_ip to the host's IPv4 address",
                (host,),
            )
    for (address, _port), hosts in ways.items():
        if len(hosts) > 1:
            yield Fault(
                f"{hosts_named(hosts)}: they have the same address, {address} (ansible_host); give each its own address"
            )
    for address, hosts in fixed_addresses.items():
        owners = [owner for owner in ways.get((address, "22"), ()) if owner not in hosts]
        if len(hosts) > 1:
            yield Fault(
                f"{hosts_named(hosts)}: they have the same base_static_address, {address}; give each its own address"
            )
        elif owners:
            yield Fault(
                f"base_static_address is {address}, the address of {hosts_named(owners)}; use a free one",
                tuple(hosts),
            )
    for address, hosts in node_addresses.items():
        if len(hosts) > 1:
            yield Fault(f"{hosts_named(hosts)}: they have the same kubeadm_node_ip, {address}; give each its own")


def _values(inventory: Inventory) -> Iterator[Fault]:
    for host in inventory.hosts:
        for name, value in inventory.values.get(host, {}).items():
            if name in inventory.options:
                problem = value_problem(name, value, inventory.options[name])
                if problem:
                    yield Fault(problem, (host,))
        for name, reason in inventory.unresolved.get(host, {}).items():
            yield Fault(f"{name} has a template that cannot be resolved: {reason}", (host,))


def _base_values(inventory: Inventory) -> Iterator[Fault]:
    for host in inventory.hosts:

        def setting(name: str, host: str = host) -> Any:
            value = inventory.value(host, name)
            # What is of another type has its sentence already.
            return value if value_problem(name, value, inventory.options.get(name, {})) is None else None

        for problem in base_problems(setting):
            yield Fault(problem, (host,))


def _versions(inventory: Inventory) -> Iterator[Fault]:
    for host in inventory.hosts:
        value = inventory.value(host, "kubeadm_version")
        if value is None or isinstance(value, (Mapping, list)):
            continue  # missing, or already found by its type
        text = str(value)
        try:
            version = parse_version(text)
        except ValueError:
            hint = " (in quotation marks, or YAML reads a number)" if isinstance(value, float) else ""
            yield Fault(
                f"kubeadm_version is {shown(value)}; use an exact release, three numbers with dots "
                f"such as 1.37.2{hint}",
                (host,),
            )
            continue
        if (version.major, version.minor) < OLDEST_MINOR:
            oldest = ".".join(map(str, OLDEST_MINOR))
            yield Fault(
                f"kubeadm_version is {version}, but the Kubernetes package repository starts at {oldest}; choose that "
                "or a later release (what older clusters print is still read by the filter bramble.kube.kubeadm_join, "
                "and their ksonnet applications by bramble.kube.ksonnet_render)",
                (host,),
            )
        elif text != str(version) or not version.final:
            right = f"{version.major}.{version.minor}.{version.patch}"
            yield Fault(f"kubeadm_version is {shown(text)}; use a final release without v, such as {right}", (host,))
        elif version.major != 1:
            yield Fault(f"kubeadm_version is {version}, but Kubernetes' releases begin with 1", (host,))


def _network(name: str, value: Any) -> tuple[Any, str]:
    """Read a network.

    :returns: it, or None and what is wrong with it.
    """
    try:
        network = ipaddress.ip_network(str(value))
    except ValueError:
        try:
            right = str(ipaddress.ip_network(str(value), strict=False))
        except ValueError:
            right = _SPARE_NETWORKS[0] if "pod" in name else "10.96.0.0/12"
        return None, f"{name} is {shown(value)}; use a network, such as {right}"
    if network.version != 4:
        return None, f"{name} is {shown(value)}; use an IPv4 network, such as {_SPARE_NETWORKS[0]}"
    return network, ""


def _cluster_networks(inventory: Inventory, host: str) -> Iterator[tuple[str, ipaddress.IPv4Network]]:
    """The networks of Pods and of Services by their variables, as far as they can be read."""
    for name in ("kubeadm_pod_cidr", "kubeadm_service_cidr"):
        network, _problem = _network(name, inventory.value(host, name))
        if network:
            yield name, network


def spare_network(taken: Iterable[Any]) -> str:
    """Propose a network that overlaps none of those taken."""
    used = list(taken)
    for text in _SPARE_NETWORKS:
        candidate = ipaddress.ip_network(text)
        if not any(candidate.overlaps(network) for network in used if network.version == 4):
            return text
    return "one that nothing else uses"


def _networks(inventory: Inventory) -> Iterator[Fault]:
    own = {
        host: {
            name: ipaddress.ip_network(f"{address}/24", strict=False)
            if address.version == 4
            else ipaddress.ip_network(address)
            for name, address in inventory.addresses(host).items()
        }
        for host in inventory.hosts
    }
    for host in inventory.hosts:
        chosen = inventory.value(host, "kubeadm_cni")
        if isinstance(chosen, str):
            try:
                pod_network(chosen)
            except ValueError as error:
                yield Fault(str(error), (host,))
        networks = {}
        for name in ("kubeadm_pod_cidr", "kubeadm_service_cidr"):
            value = inventory.value(host, name)
            if value is None or isinstance(value, (Mapping, list)):
                continue
            networks[name], problem = _network(name, value)
            if problem:
                yield Fault(problem, (host,))
        pods, services = networks.get("kubeadm_pod_cidr"), networks.get("kubeadm_service_cidr")
        lans = [network for nets in own.values() for network in nets.values()]
        if pods and services and pods.overlaps(services):
            yield Fault(
                f"the pod network {pods} (kubeadm_pod_cidr) and the service network {services} (kubeadm_service_cidr) "
                f"overlap; use two that do not, such as {spare_network([services, *lans])} for the pods",
                (host,),
            )
        for kind, name, network, other in (
            ("pod", "kubeadm_pod_cidr", pods, services),
            ("service", "kubeadm_service_cidr", services, pods),
        ):
            if not network:
                continue
            for owner, addresses in ((each, inventory.addresses(each)) for each in inventory.hosts):
                for address in addresses.values():
                    if address in network:
                        spare = spare_network([*lans, *([other] if other else [])])
                        yield Fault(
                            f"the {kind} network {network} ({name}) contains the address {address} of host {owner}; "
                            f"use a network that does not overlap your own, such as {spare}",
                            (host,),
                        )
                        break
        if pods and (pods.prefixlen > _NODE_PREFIX or 2 ** (_NODE_PREFIX - pods.prefixlen) < len(inventory.hosts)):
            yield Fault(
                f"the pod network {pods} (kubeadm_pod_cidr) is too small for {counted(len(inventory.hosts), 'node')}: "
                f"each gets a /{_NODE_PREFIX} of it; use a /16, such as "
                f"{spare_network([*lans, services] if services else lans)}",
                (host,),
            )
        if services and not _SERVICE_PREFIX <= services.prefixlen <= 24:
            yield Fault(
                f"the service network {services} (kubeadm_service_cidr) has the wrong size; "
                f"use /{_SERVICE_PREFIX} to /24",
                (host,),
            )


def _api_address(inventory: Inventory) -> Iterator[Fault]:
    for host in inventory.hosts:
        value = inventory.value(host, "kubeadm_api_address")
        if not value or isinstance(value, (Mapping, list)):
            continue
        try:
            address = ipaddress.IPv4Address(str(value))
        except ValueError:
            yield Fault(f"kubeadm_api_address is {shown(value)}; use an IPv4 address, such as 192.168.13.5", (host,))
            continue
        for owner in inventory.hosts:
            if address in inventory.addresses(owner).values():
                yield Fault(
                    f"kubeadm_api_address is {address}, the address of host {owner}; use a free one in the same "
                    "network, which moves from master to master",
                    (host,),
                )
        for name, network in _cluster_networks(inventory, host):
            if address in network:
                yield Fault(
                    f"kubeadm_api_address is {address}, which is in {name} ({network}); use a free address in the "
                    "Pis' own network",
                    (host,),
                )


def _service_addresses(inventory: Inventory) -> Iterator[Fault]:
    for host in inventory.hosts:
        values = inventory.value(host, "kubeflow_addresses")
        for value in values if isinstance(values, list) else ():
            try:
                first, last = address_range(str(value))
            except ValueError:
                yield Fault(
                    f"kubeflow_addresses has {shown(value)}; write FIRST-LAST or a network, such as "
                    "192.168.13.240-192.168.13.250 or 192.168.13.240/28",
                    (host,),
                )
                continue
            for what, address in _taken_addresses(inventory):
                if first <= address <= last:
                    yield Fault(
                        f"kubeflow_addresses has {value}, which contains {address}, {what}; leave it out, as nothing "
                        "else may have the addresses that Services get",
                        (host,),
                    )
            for name, network in _cluster_networks(inventory, host):
                if first <= network.broadcast_address and last >= network.network_address:
                    yield Fault(
                        f"kubeflow_addresses has {value}, which overlaps {name} ({network}); use free addresses in the "
                        "Pis' own network",
                        (host,),
                    )


def address_range(text: str) -> tuple[ipaddress.IPv4Address, ipaddress.IPv4Address]:
    """First and last address of 'FIRST-LAST' or of a network.

    :raises ValueError: it is neither.
    """
    first, dash, last = text.partition("-")
    if not dash:
        if "/" not in text:
            raise ValueError(text)
        network = ipaddress.IPv4Network(text)
        return network.network_address, network.broadcast_address
    found = ipaddress.IPv4Address(first.strip()), ipaddress.IPv4Address(last.strip())
    if found[0] > found[1]:
        raise ValueError(text)
    return found


def _taken_addresses(inventory: Inventory) -> Iterator[tuple[str, ipaddress.IPv4Address]]:
    """What is known to have an address: the Pis, and the API server."""
    for owner in inventory.hosts:
        for address in dict.fromkeys(inventory.addresses(owner).values()):
            if address.version == 4:
                yield f"the address of host {owner}", address
    for value in {str(inventory.value(host, "kubeadm_api_address") or "") for host in inventory.hosts} - {""}:
        with contextlib.suppress(ValueError):
            yield "kubeadm_api_address", ipaddress.IPv4Address(value)


def _ignored_checks(inventory: Inventory) -> Iterator[Fault]:
    for host in inventory.hosts:
        value = inventory.value(host, "kubeadm_ignore_preflight_errors")
        if isinstance(value, list) and any(str(entry).strip().lower() == "all" for entry in value):
            yield Fault(
                "kubeadm_ignore_preflight_errors contains 'all', which hides what keeps a cluster from working; "
                "name individual checks, such as 'Mem'",
                (host,),
            )


def _cluster_wide(inventory: Inventory) -> Iterator[Fault]:
    for name in CLUSTER_WIDE:
        hosts_of: dict[str, list[str]] = {}
        for host in inventory.hosts:
            value = inventory.value(host, name)
            if value is not None:
                hosts_of.setdefault(str(value), []).append(host)
        if len(hosts_of) > 1:
            # The rarer value is the likelier slip.
            values = sorted(hosts_of, key=lambda value: -len(hosts_of[value]))
            said = listing(f"{value} on {listing(hosts_of[value])}" for value in values)
            yield Fault(f"group bramble: {name} differs, {said}; use one value for all hosts, in group_vars/bramble")
