"""Each bad inventory has its sentence, and a good one has none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.module_utils.preflight.inventory import (
    Inventory,
    inventory_errors,
    spare_network,
)

OPTIONS = {
    "kubeadm_version": {"type": "str"},
    "kubeadm_cni": {"type": "str"},
    "kubeadm_ignore_preflight_errors": {"type": "list", "elements": "str"},
    "kubeadm_kubelet_config": {"type": "dict"},
    "base_packages_upgrade": {"type": "bool"},
    "base_hostname": {"type": "str"},
    "master_replicas": {"type": "int", "required": True},
}
DEFAULTS = {
    "kubeadm_version": "1.37.2",
    "kubeadm_pod_cidr": "10.244.0.0/16",
    "kubeadm_service_cidr": "10.96.0.0/12",
    "kubeadm_ignore_preflight_errors": [],
}


def inventory(masters=("k8s-master",), nodes=("k8s-node1", "k8s-node2"), groups=None, **values) -> Inventory:
    hosts = [*masters, *nodes]
    own = {host: {"ansible_host": f"192.168.13.{index}"} for index, host in enumerate(dict.fromkeys(hosts), start=7)}
    for host, variables in values.items():
        own[host.replace("_", "-")].update(variables)
    return Inventory(
        groups={"bramble": hosts, "master": list(masters), "node": list(nodes), "ungrouped": [], **(groups or {})},
        values=own,
        options=OPTIONS,
        defaults=DEFAULTS,
    )


def everywhere(**variables) -> Inventory:
    return inventory(k8s_master=variables, k8s_node1=variables, k8s_node2=variables)


def test_a_good_inventory_has_no_errors():
    assert inventory_errors(inventory()) == []
    assert inventory_errors(inventory(nodes=())) == []


@pytest.mark.parametrize("masters", [1, 3, 5])
def test_one_three_or_five_masters_may_share_an_address(masters):
    names = [f"m{number}" for number in range(1, masters + 1)]
    shared = {host: {"kubeadm_api_address": "192.168.13.5"} for host in (*names, "k8s_node1", "k8s_node2")}
    assert inventory_errors(inventory(masters=names, **shared)) == []


def test_ansible_may_come_by_ipv6_where_the_cluster_does_not():
    both = {"ansible_host": "2001:db8::8", "kubeadm_node_ip": "192.168.13.8"}
    assert inventory_errors(inventory(k8s_node1=both)) == []
    assert inventory_errors(inventory(k8s_node1={"ansible_host": "k8s-node1.local"})) == []


@pytest.mark.parametrize(
    ("groups", "absent", "sentence"),
    [
        (
            {"all": [], "ungrouped": []},
            ["/home/anna/my-inventry"],
            "There is no inventory, because /home/anna/my-inventry does not exist: is -i right? If not, name the "
            "folder or file with your Pis, such as -i my-inventory.",
        ),
        (
            {"all": [], "ungrouped": []},
            [],
            "No host was read from /home/anna/my-inventry: is -i right? If it is, the file is empty, or Ansible's "
            "warnings above say what is wrong in it.",
        ),
        (
            {"all": ["web"], "masters": ["web"]},
            [],
            "Groups master, node and bramble: they have no host in /home/anna/my-inventry (there is a group masters: "
            "rename it): is -i right? If not, name the folder or file with your Pis, such as -i my-inventory; if it "
            "is, put the Pis into these groups, as in inventories/example/hosts.yml.",
        ),
    ],
)
def test_an_inventory_without_pis_is_asked_for_once(groups, absent, sentence):
    empty = Inventory(groups, {}, OPTIONS, DEFAULTS, sources=["/home/anna/my-inventry"], absent=absent)
    assert inventory_errors(empty) == [sentence]


@pytest.mark.parametrize(
    ("wrong", "parts"),
    [
        (inventory(masters=()), ["Group master: it has no host; it needs the Pi"]),
        (
            inventory(masters=(), groups={"masters": ["k8s-node1"]}),
            ["Group master: it has no host (there is a group masters: rename it)"],
        ),
        (
            inventory(masters=("k8s-master", "k8s-node3")),
            ["Group master: it has 2 hosts (k8s-master and k8s-node3), but there can be 1, 3 or 5, because"],
        ),
        (
            inventory(masters=[f"m{number}" for number in range(4)], nodes=()),
            ["and more than 5 only make writes slower; move 1 of them to group node."],
        ),
        (inventory(masters=[f"m{number}" for number in range(7)], nodes=()), ["move 2 of them to group node."]),
        (
            inventory(masters=("k8s-master", "m2", "m3")),
            ["Group master: it has 3 hosts, which share one address for the API server; set kubeadm_api_address, in"],
        ),
        (
            everywhere(kubeadm_api_address="api.local"),
            ["kubeadm_api_address is 'api.local'; use an IPv4 address, such"],
        ),
        (everywhere(kubeadm_api_address="fd00::5"), ["kubeadm_api_address is 'fd00::5'; use an IPv4 address, such"]),
        (
            everywhere(kubeadm_api_address="192.168.13.8"),
            ["Every host: kubeadm_api_address is 192.168.13.8, the address of host k8s-node1; use a free one"],
        ),
        (
            everywhere(kubeadm_api_address="10.244.7.7"),
            ["kubeadm_api_address is 10.244.7.7, which is in kubeadm_pod_cidr (10.244.0.0/16); use a free address"],
        ),
        (everywhere(kubeadm_api_address="10.96.0.1"), ["which is in kubeadm_service_cidr (10.96.0.0/12); use a free"]),
        *(
            (
                everywhere(kubeflow_addresses=[value]),
                [f"Every host: kubeflow_addresses has '{value}'; write FIRST-LAST"],
            )
            for value in ("192.168.13.240", "192.168.13.9-192.168.13.2", "lan", "192.168.13.1/24", "fd00::/120")
        ),
        (
            everywhere(kubeflow_addresses=["192.168.13.0/28"], kubeadm_api_address="192.168.13.5"),
            [
                *(f"has 192.168.13.0/28, which contains 192.168.13.{n}, the address of host k8s-" for n in (7, 8, 9)),
                "has 192.168.13.0/28, which contains 192.168.13.5, kubeadm_api_address; leave it out",
            ],
        ),
        (
            everywhere(kubeflow_addresses=["10.96.0.1-10.96.0.9"]),
            ["has 10.96.0.1-10.96.0.9, which overlaps kubeadm_service_cidr (10.96.0.0/12); use free addresses in the"],
        ),
        (
            inventory(k8s_master={"kubeadm_api_address": "192.168.13.5"}, k8s_node1={"kubeadm_api_address": ""}),
            ["Group bramble: kubeadm_api_address differs"],
        ),
        (inventory(nodes=("k8s-node1", "k8s-master")), ["Host k8s-master: it is in both groups, master and node"]),
        (
            inventory(groups={"bramble": ["k8s-master"]}),
            ["Group node: it is not part of group bramble; write it under 'children' of bramble."],
        ),
        (
            inventory(groups={"bramble": ["k8s-master", "k8s-node1", "k8s-node2", "pi5"]}),
            ["Host pi5: it is in group bramble, but in neither master nor node; put it in one of them."],
        ),
        (inventory(groups={"ungrouped": ["pi5", "localhost"]}), ["Host pi5: it is in no group; put it in master"]),
        (
            inventory(k8s_node1={"ansible_host": "192.168.13.9"}, k8s_node2={"ansible_host": "192.168.13.9"}),
            ["Hosts k8s-node1 and k8s-node2: they have the same address, 192.168.13.9 (ansible_host)"],
        ),
        (
            inventory(k8s_node1={"ansible_host": "pi.local"}, k8s_node2={"ansible_host": "PI.local."}),
            ["they have the same address, pi.local (ansible_host)"],
        ),
        (
            inventory(k8s_node1={"kubeadm_node_ip": "10.0.0.2"}, k8s_node2={"kubeadm_node_ip": "10.0.0.2"}),
            ["they have the same kubeadm_node_ip, 10.0.0.2; give each its own"],
        ),
        (
            inventory(k8s_node1={"kubeadm_node_ip": "eth0"}),
            ["Host k8s-node1: kubeadm_node_ip is 'eth0'; use an IP address, such as 192.168.13.8."],
        ),
        (
            inventory(k8s_node1={"ansible_host": "2001:db8::8"}),
            [
                "ansible_host is 2001:db8::8, an IPv6 address, but Pods and Services have IPv4 networks",
                "set kubeadm_node_ip to the host's IPv4 address.",
            ],
        ),
        (
            inventory(k8s_node1={"kubeadm_node_ip": "fd00::8"}),
            ["Host k8s-node1: kubeadm_node_ip is fd00::8, an IPv6 address"],
        ),
        (
            inventory(k8s_node1={"base_hostname": "Pi"}, k8s_node2={"base_hostname": "pi"}),
            ["Hosts k8s-node1 and k8s-node2: they have the same name, pi; give each its own (base_hostname)."],
        ),
        (
            inventory(nodes=("k8s_node1",)),
            [
                "Host k8s_node1: its name is 'k8s_node1', but a node's name has small letters",
                "use k8s-node1.",
            ],
        ),
        (inventory(k8s_node1={"base_hostname": "Küche"}), ["Host k8s-node1: base_hostname is 'Küche'", "use k-che."]),
        (inventory(nodes=("a" * 64,)), ["at most 63 characters long", "use " + "a" * 63]),
        (
            inventory(nodes=("192.168.13.20",)),
            ["its name is the address 192.168.13.20; use a name, such as k8s-node1"],
        ),
        (
            inventory(k8s_node1={"base_hostname": "localhost"}),
            ["base_hostname is localhost, the name that every machine"],
        ),
        (
            everywhere(kubeadm_version="1.37"),
            ["Every host: kubeadm_version is '1.37'; use an exact release, three numbers with dots such as 1.37.2."],
        ),
        (
            everywhere(kubeadm_version=1.37),
            ["kubeadm_version is 1.37; use", "(in quotation marks, or YAML reads a number)"],
        ),
        (everywhere(kubeadm_version="latest"), ["kubeadm_version is 'latest'; use an exact release"]),
        (
            everywhere(kubeadm_version="v1.37.2"),
            ["kubeadm_version is 'v1.37.2'; use a final release without v, such as 1.37.2"],
        ),
        (everywhere(kubeadm_version="1.38.0-rc.1"), ["use a final release without v, such as 1.38.0"]),
        (everywhere(kubeadm_version="2.0.0"), ["kubeadm_version is 2.0.0, but Kubernetes' releases begin with 1."]),
        (
            everywhere(kubeadm_version="1.9.7"),
            [
                "kubeadm_version is 1.9.7, but the Kubernetes package repository starts at 1.24",
                "bramble.kube.kubeadm_join",
            ],
        ),
        (
            inventory(k8s_node2={"kubeadm_version": "1.36.3"}),
            [
                "Group bramble: kubeadm_version differs, 1.37.2 on k8s-master and k8s-node1 and 1.36.3 on k8s-node2; "
                "use one value"
            ],
        ),
        (
            everywhere(kubeadm_pod_cidr="192.168.0.0/16"),
            [
                "Every host: the pod network 192.168.0.0/16 (kubeadm_pod_cidr) contains the address 192.168.13.7 of "
                "host",
                "such as 10.244.0.0/16",
            ],
        ),
        (
            everywhere(kubeadm_service_cidr="192.168.13.0/24"),
            ["the service network 192.168.13.0/24 (kubeadm_service_cidr) contains the address 192.168.13.7"],
        ),
        (
            everywhere(kubeadm_pod_cidr="10.100.0.0/16"),
            ["the pod network 10.100.0.0/16 (kubeadm_pod_cidr) and the service network 10.96.0.0/12", "overlap"],
        ),
        (
            everywhere(kubeadm_pod_cidr="10.244.1.1/16"),
            ["kubeadm_pod_cidr is '10.244.1.1/16'; use a network, such as 10.244.0.0/16"],
        ),
        (
            everywhere(kubeadm_pod_cidr="pods"),
            ["kubeadm_pod_cidr is 'pods'; use a network, such as 10.244.0.0/16"],
        ),
        (everywhere(kubeadm_pod_cidr="fd00::/48"), ["use an IPv4 network, such as 10.244.0.0/16"]),
        (
            everywhere(kubeadm_pod_cidr="10.244.0.0/23"),
            ["is too small for 3 nodes: each gets a /24 of it; use a /16"],
        ),
        (
            everywhere(kubeadm_service_cidr="10.0.0.0/8", kubeadm_pod_cidr="172.20.0.0/16"),
            ["wrong size; use /12 to /24"],
        ),
        (
            everywhere(kubeadm_ignore_preflight_errors=["Swap", "ALL"]),
            ["kubeadm_ignore_preflight_errors contains 'all', which hides what keeps a cluster from working"],
        ),
        (
            inventory(k8s_node1={"kubeadm_cni": "calico"}),
            ["Host k8s-node1: kubeadm_cni is 'calico'; use flannel"],
        ),
        (everywhere(kubeadm_ignore_preflight_errors="Swap"), ["is 'Swap'; use a list, each entry a text"]),
        (
            everywhere(kubeadm_kubelet_config=["x"]),
            ["kubeadm_kubelet_config is ['x']; use a mapping (name: value)"],
        ),
        (
            everywhere(base_packages_upgrade="perhaps"),
            ["base_packages_upgrade is 'perhaps'; use true or false"],
        ),
        (everywhere(master_replicas="two"), ["master_replicas is 'two'; use a whole number"]),
        (
            everywhere(base_hostname=None),
            ["base_hostname is empty; use a text"],
        ),
        (everywhere(kubeadm_version=["1.37.2"]), ["kubeadm_version is ['1.37.2']; use a text"]),
    ],
)
def test_each_bad_inventory_has_its_sentence(wrong, parts):
    errors = inventory_errors(wrong)
    for part in parts:
        assert any(part in error for error in errors), errors
    assert all("\n" not in error and error.endswith(".") and error[0].isupper() for error in errors)


def test_a_fault_of_several_hosts_is_said_once():
    errors = inventory_errors(inventory(k8s_node1={"kubeadm_cni": "x"}, k8s_node2={"kubeadm_cni": "x"}))
    assert "Hosts k8s-node1 and k8s-node2: kubeadm_cni is 'x'; use flannel" in "\n".join(errors)


def test_templates_that_cannot_be_resolved():
    wrong = replace(inventory(), unresolved={"k8s-node1": {"kubeadm_node_ip": "'dict' has no attribute 'eth1'"}})
    assert inventory_errors(wrong) == [
        "Host k8s-node1: kubeadm_node_ip has a template that cannot be resolved: 'dict' has no attribute 'eth1'."
    ]


def test_two_ports_of_one_address_may_be_two_hosts():
    forwarded = {"ansible_host": "gateway.example.net"}
    fine = inventory(k8s_node1={**forwarded, "ansible_port": 2201}, k8s_node2={**forwarded, "ansible_port": 2202})
    assert inventory_errors(fine) == []


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from([*OPTIONS, "kubeadm_pod_cidr", "kubeadm_service_cidr", "kubeadm_node_ip", "ansible_host"])


@given(
    st.dictionaries(names, values),
    st.dictionaries(names, values),
    st.lists(st.text(min_size=1, max_size=8), max_size=3),
)
def test_whatever_the_inventory_holds_the_answer_is_sentences(common, special, more):
    odd = inventory(
        nodes=("k8s-node1", "k8s-node2", *more), k8s_master=common, k8s_node1=common, k8s_node2={**common, **special}
    )
    assert all(isinstance(error, str) and error.endswith(".") for error in inventory_errors(odd))


def test_a_proposed_network_is_free():
    import ipaddress

    taken = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/64")]
    assert spare_network(taken) == "172.28.0.0/16"
    assert spare_network([ipaddress.ip_network("0.0.0.0/0")]) == "one that nothing else uses"


def test_a_group_with_nearly_the_right_name_is_named():
    groups = {"bramble": ["k8s-master", "a", "b"], "master": ["k8s-master"], "nodes": ["a", "b"]}
    found = inventory_errors(Inventory(groups, {}, OPTIONS, DEFAULTS))
    assert found == [
        "Hosts a and b: it is in group bramble, but in neither master nor node (rename group nodes to node); put "
        "it in one of them."
    ]
