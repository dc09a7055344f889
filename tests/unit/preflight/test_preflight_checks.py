"""Each check, on a fit Pi and on one that is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.filter.preflight_checks import read_cards
from ansible_collections.bramble.kube.plugins.module_utils.preflight.checks import (
    CHECKS,
    MUST_CHANGE,
    OK,
    WILL_CHANGE,
    Cluster,
    Host,
    preflight_rows,
    sentences,
)
from ansible_collections.bramble.kube.plugins.module_utils.preflight.inventory import Inventory
from ansible_collections.bramble.kube.plugins.module_utils.preflight.table import preflight_table

NAMES = ("k8s-master", "k8s-node1", "k8s-node2")
PIN, OTHER_PIN = "sha256:" + "a" * 64, "sha256:" + "b" * 64
SERVER = "https://192.168.13.7:6443"
DEFAULTS = {
    "kubeadm_version": "1.37.2",
    "kubeadm_pod_cidr": "10.244.0.0/16",
    "kubeadm_service_cidr": "10.96.0.0/12",
    "base_swap": "off",
    "kubeadm_kubelet_config": {},
    "master_kube_proxy_config": {},
    "kubeadm_ignore_preflight_errors": [],
}


def fit(index: int) -> dict:
    """The facts of a Pi on which nothing has to be said."""
    return {
        "pi_model": "Raspberry Pi 4 Model B Rev 1.4",
        "pi_memory_mb": 3792,
        "pi_page_size": 4096,
        "pi_kernel_modules_absent": [],
        "pi_architecture": "arm64",
        "pi_kernel_architecture": "aarch64",
        "pi_os": {"id": "debian", "version_id": "13", "codename": "trixie", "name": "Debian GNU/Linux 13 (trixie)"},
        "pi_disk_free_mb": 20000,
        "pi_throttled": None,
        "pi_cgroup": {"version": 2, "memory": True, "cpuset": True},
        "pi_cmdline_file": "/boot/firmware/cmdline.txt",
        "pi_swaps": [],
        "pi_time": {"service": "systemd-timesyncd", "synchronized": True, "offset_s": 0.0},
        "pi_first_boot_done": True,
        "pi_interfaces": [
            {"name": "lo", "mac": "00:00:00:00:00:00", "addresses": ["127.0.0.1/8", "::1/128"]},
            {"name": "eth0", "mac": f"dc:a6:32:00:00:0{index}", "addresses": [f"192.168.13.{index}/24", "fe80::1/64"]},
            {"name": "virbr0", "mac": f"fe:54:00:00:00:0{index}", "addresses": ["192.168.122.1/24"]},
            {"name": "docker0", "mac": "02:42:00:00:00:01", "addresses": ["172.17.0.1/16"]},
            {"name": "br-0123456789ab", "mac": "02:42:00:00:00:02", "addresses": ["172.18.0.1/16"]},
        ],
        "pi_network": {
            "interface": "eth0",
            "gateway": "192.168.13.1",
            "manager": "NetworkManager",
            "nameservers": ["192.168.13.1"],
        },
        "pi_machine_id_sha256": f"{index}" * 64,
        "pi_host_key_fingerprints": [f"SHA256:{index}"],
        "pi_in_memory": [],
        "pi_firewall": {"service": "ufw", "drops": []},
        "pi_listening_tcp": [22],
        "pi_hostname": NAMES[index - 7],
        "pi_packages": {},
        "pi_kubernetes": {"kubelet_server": "", "cluster_ca_sha256": "", "control_plane": False, "cni_config": []},
    }


def cluster(settings=None, values=None, **changes) -> Cluster:
    """Three fit Pis.

    :param settings: variables of all hosts.
    :param values: variables of single hosts.
    :param changes: of one host each, with an underscore: its facts, or Host's own fields in capitals.
    """
    hosts = []
    for index, name in enumerate(NAMES, start=7):
        change = dict(changes.get(name.replace("-", "_"), {}))
        own = {key.lower(): change.pop(key) for key in list(change) if key.isupper()}
        facts = {} if own.get("trouble") else {**fit(index), **{f"pi_{key}": value for key, value in change.items()}}
        hosts.append(Host(name, "master" if index == 7 else "node", f"192.168.13.{index}", facts, **own))
    given = {
        name: {"ansible_host": f"192.168.13.{index}", **(settings or {})} for index, name in enumerate(NAMES, start=7)
    }
    for name, more in (values or {}).items():
        given[name.replace("_", "-")].update(more)
    groups = {"bramble": NAMES, "master": NAMES[:1], "node": NAMES[1:]}
    return Cluster(tuple(hosts), Inventory(groups, given, {}, DEFAULTS))


def said(state: Cluster, check: str, host: str = "k8s-node1") -> tuple[str, str]:
    """The verdict and message of one check on one host."""
    rows = [row for row in preflight_rows(state) if (row["check"], row["host"]) == (check, host)]
    assert len(rows) == 1, rows
    return rows[0]["verdict"], rows[0]["message"]


def test_on_fit_pis_every_row_is_ok():
    rows = preflight_rows(cluster())
    assert [row for row in rows if row["verdict"] != OK or row["message"]] == []
    assert {row["host"] for row in rows} == set(NAMES) and len(rows) > 40


joined = {"kubelet_server": SERVER, "cluster_ca_sha256": PIN, "control_plane": False, "cni_config": []}
leading = {**joined, "control_plane": True, "control_plane_remains": True}


def test_on_a_finished_cluster_every_row_is_ok():
    state = cluster(
        k8s_master={"kubernetes": leading, "listening_tcp": [22, 6443, 10250, 2379], "disk_free_mb": 2000},
        k8s_node1={
            "kubernetes": joined,
            "listening_tcp": [22, 10250],
            "packages": {"kubelet": {"version": "1.37.2-1.1"}},
        },
        k8s_node2={"kubernetes": {**joined, "kubelet_server": "https://k8s.example.net:6443"}},
    )
    assert [row for row in preflight_rows(state) if row["verdict"] != OK] == []


def test_a_damaged_control_plane_is_no_other_program_and_no_worker():
    """The role master names what is missing, and what brings it back."""
    remains = {**joined, "kubelet_server": "", "control_plane_remains": True}
    state = cluster(k8s_master={"kubernetes": remains, "listening_tcp": [22, 10250, 2379, 2380]})
    assert [row for row in preflight_rows(state) if row["verdict"] == MUST_CHANGE] == []
    state = cluster(k8s_master={"kubernetes": {**remains, "kubelet_server": SERVER}, "listening_tcp": [22, 2379]})
    assert [row for row in preflight_rows(state) if row["verdict"] == MUST_CHANGE] == []


ADDRESS = {"kubeadm_api_address": "192.168.13.5"}


def with_address(kept: str | None, **facts) -> Cluster:
    """A cluster whose finished control plane has this address; None without one."""
    kubernetes = leading if kept is not None else fit(7)["pi_kubernetes"]
    return cluster(ADDRESS, k8s_master={"kubernetes": {**kubernetes, "api_address": kept}, **facts})


def with_unseen_masters(state: Cluster) -> Cluster:
    """As with --limit: two more masters, of which nothing is known."""
    groups = {**state.inventory.groups, "master": [NAMES[0], "k8s-master2", "k8s-master3"]}
    return replace(state, inventory=replace(state.inventory, groups=groups))


def test_a_blank_master_without_those_that_it_has_to_join_is_refused():
    answering = {"192.168.13.5": "dc:a6:32:00:00:09"}
    state = with_unseen_masters(with_address(None, answering=answering))
    verdict, message = said(state, "cluster", "k8s-master")
    assert verdict == MUST_CHANGE and "--limit leaves out k8s-master2 and k8s-master3, so nothing says which" in message
    assert said(state, "API address", "k8s-master") == (OK, ""), "the one that answers may be a master"
    assert said(with_address(None), "cluster", "k8s-master") == (OK, "")
    finished = with_unseen_masters(with_address("192.168.13.5"))
    assert said(finished, "cluster", "k8s-master") == (OK, ""), "the others may be off"


def test_the_address_that_another_master_keeps_is_not_somebody_elses():
    state = with_address("192.168.13.5")
    blank = {**fit(8), "pi_answering": {"192.168.13.5": "dc:a6:32:00:00:09"}}
    hosts = (state.hosts[0], Host("k8s-node1", "master", "192.168.13.8", blank), state.hosts[2])
    assert said(replace(state, hosts=hosts), "API address", "k8s-node1") == (OK, "")


def test_an_address_that_is_free_or_the_clusters_own_is_good():
    assert said(with_address(None), "API address", "k8s-master") == (OK, "")
    assert said(
        with_address("192.168.13.5", answering={"192.168.13.5": "dc:a6:32:00:00:09"}), "API address", "k8s-master"
    ) == (
        OK,
        "",
    )
    held = fit(8)["pi_interfaces"]
    held[1]["addresses"].append("192.168.13.5/32")
    state = cluster(
        ADDRESS, k8s_master={"answering": {"192.168.13.5": "dc:a6:32:00:00:08"}}, k8s_node1={"interfaces": held}
    )
    assert said(state, "API address", "k8s-master") == (OK, ""), "a run that was cut has given it to one of ours"
    assert not [row for row in preflight_rows(cluster()) if row["check"] == "API address"]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (with_address("", answering={"192.168.13.5": "aa:bb"}), "where another machine answers (aa:bb)"),
        (with_address("192.168.13.6"), "but the cluster was created with 192.168.13.6, which"),
        (with_address(None, answering={"192.168.13.5": "aa:bb"}), "where another machine answers (aa:bb)"),
        (cluster({"kubeadm_api_address": "192.168.14.5"}), "is in none of its networks (192.168.13.0/24 and"),
        (cluster({"kubeadm_api_address": "192.168.13.255"}), "is in none of its networks"),
        (cluster(k8s_master={"kubernetes": {**leading, "api_address": "192.168.13.5"}}), "set it to 192.168.13.5"),
        (
            cluster(ADDRESS, k8s_master={"kubernetes": {**fit(7)["pi_kubernetes"], "foreign_keepalived": True}}),
            "something else has configured keepalived on it",
        ),
    ],
)
def test_an_address_that_cannot_be_had(state: Cluster, words: str):
    verdict, message = said(state, "API address", "k8s-master")
    assert verdict == MUST_CHANGE and words in message


@pytest.mark.parametrize(
    ("values", "verdict", "words"),
    [
        (["192.168.13.240-192.168.13.250", "192.168.13.200/29"], OK, ""),
        (["192.168.13.240-192.168.14.2"], MUST_CHANGE, "has 192.168.13.240-192.168.14.2, which is not in its network"),
        (["192.168.13.240/28", "10.0.0.0/28"], MUST_CHANGE, "has 10.0.0.0/28, which is not in its network (192.168."),
        (["192.168.13.1-192.168.13.6"], MUST_CHANGE, "which contains 192.168.13.1, its router: leave that out"),
    ],
)
def test_addresses_of_services_are_in_the_pis_network(values: list[str], verdict: str, words: str):
    found, message = said(cluster({"kubeflow_addresses": values}), "addresses")
    assert found == verdict and words in message


def test_a_firewall_lets_speakers_talk_where_there_are_any():
    drops = {"service": "ufw", "drops": ["7946/tcp", "7946/udp"]}
    assert said(cluster(k8s_node1={"firewall": drops}), "firewall") == (OK, "")
    state = cluster({"kubeflow_addresses": ["192.168.13.240/28"]}, k8s_node1={"firewall": drops})
    verdict, message = said(state, "firewall")
    assert verdict == MUST_CHANGE and "blocks 7946/tcp and 7946/udp" in message


def test_a_cluster_that_was_created_without_an_address_gets_one():
    verdict, message = said(with_address(""), "API address", "k8s-master")
    assert verdict == WILL_CHANGE and "site.yml gives it 192.168.13.5" in message


def masters(first: dict, second: dict, third: dict) -> Cluster:
    """Three masters, by what is known of their membership."""
    state = cluster(
        ADDRESS, k8s_master={"kubernetes": first}, k8s_node1={"kubernetes": second}, k8s_node2={"kubernetes": third}
    )
    return replace(state, hosts=tuple(replace(host, role="master") for host in state.hosts))


def test_a_blank_first_master_among_others_is_one_of_them():
    blank, alive = fit(7)["pi_kubernetes"], {**leading, "api_address": "192.168.13.5"}
    state = masters(blank, alive, alive)
    assert state.master is state.hosts[1]
    assert {said(state, "cluster", name)[0] for name in NAMES} == {OK}
    other = masters(alive, {**alive, "cluster_ca_sha256": OTHER_PIN}, blank)
    assert "belongs to another cluster" in said(other, "cluster", "k8s-node1")[1]


def test_masters_have_to_let_each_other_in():
    alive = {**leading, "api_address": "192.168.13.5"}
    state = masters(alive, alive, alive)
    state.hosts[0].facts["pi_firewall"]["drops"] = ["2380/tcp", "vrrp"]
    several = replace(state, inventory=replace(state.inventory, groups={**state.inventory.groups, "master": NAMES}))
    assert "blocks 2380/tcp and vrrp, which" in said(several, "firewall", "k8s-master")[1]


def test_a_node_does_not_become_a_master_as_it_is():
    alive = {**leading, "api_address": "192.168.13.5"}
    verdict, message = said(masters(alive, joined, fit(9)["pi_kubernetes"]), "cluster", "k8s-node1")
    assert verdict == MUST_CHANGE and "take it out with 'ansible-playbook reset.yml --limit k8s-node1'" in message


SSH = "Failed to connect to the host via ssh: "
CHANGED_KEY = (
    SSH + "@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@@@\n"
    "Add correct host key in /home/me/.ssh/known_hosts to get rid of this message.\n"
    "Offending ED25519 key in /home/me/.ssh/known_hosts:12\n"
    "Host key for [192.168.13.8]:2222 has changed and you have requested strict checking.\n"
    "Host key verification failed."
)
CARD_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPZGh2oxObTG3aeL3VNmIo9IIGupQr88+YRCzegzjhn1 k8s-node2"
NO_PROMPT = "Task failed: Timeout (12s) waiting for privilege escalation prompt: "
BAD = [
    (
        "reachable",
        {"REACHABLE": False, "TROUBLE": SSH + "ssh: connect to host 192.168.13.8 port 22: No route to host"},
        MUST_CHANGE,
        "k8s-node1 cannot be reached at 192.168.13.8 (no route to host): is it switched on and in the network (ping "
        "192.168.13.8)",
    ),
    (
        "reachable",
        {"REACHABLE": False, "TROUBLE": SSH + "Host key verification failed."},
        MUST_CHANGE,
        "shows a host key that this laptop does not know: run 'ssh 192.168.13.8' once and accept its key",
    ),
    (
        "reachable",
        {"REACHABLE": False, "TROUBLE": CHANGED_KEY},
        MUST_CHANGE,
        "run \"ssh-keygen -R '[192.168.13.8]:2222' -f '/home/me/.ssh/known_hosts'\", then 'ssh 192.168.13.8' once",
    ),
    (
        "reachable",
        {"REACHABLE": False, "TROUBLE": SSH + "pi@192.168.13.8: Permission denied (publickey)."},
        MUST_CHANGE,
        "does not accept this laptop's key",
    ),
    (
        "reachable",
        {
            "REACHABLE": False,
            "TROUBLE": SSH
            + "no such identity: /home/me/.ssh/pi: No such file or directory\r\npi@192.168.13.8: Permission denied.",
        },
        MUST_CHANGE,
        "the key file /home/me/.ssh/pi is not on this laptop",
    ),
    ("sudo", {"TROUBLE": "Missing sudo password"}, MUST_CHANGE, "sudo asks for a password: run with --ask-become-pass"),
    (
        "reachable",
        {"REACHABLE": False, "TROUBLE": "Invalid/incorrect password: pi@192.168.13.8: Permission denied (password)."},
        MUST_CHANGE,
        "the SSH password that was given (--ask-pass or ansible_password) is wrong",
    ),
    ("sudo", {"TROUBLE": "sudo: interactive authentication is required"}, MUST_CHANGE, "run with --ask-become-pass"),
    ("sudo", {"TROUBLE": "Task failed: Incorrect sudo password"}, MUST_CHANGE, "the password which was given is wrong"),
    ("sudo", {"TROUBLE": "/bin/sh: 1: sudo: not found"}, MUST_CHANGE, "it has no sudo: install the package sudo"),
    ("sudo", {"TROUBLE": NO_PROMPT}, MUST_CHANGE, "write 'ansible_become_exe: sudo.ws'"),
    (
        "sudo",
        {"TROUBLE": "pi is not in the sudoers file."},
        MUST_CHANGE,
        "the user may not use sudo (pi is not in the sudoers file.)",
    ),
    (
        "facts",
        {"TROUBLE": "ansible-core requires a minimum of Python version 3.9. Current version: 3.5.3 (default, ...)"},
        MUST_CHANGE,
        "its Python is too old for Ansible (3.5.3), as on Raspberry Pi OS stretch",
    ),
    (
        "facts",
        {"TROUBLE": "/bin/sh: 1: /usr/bin/python3: not found"},
        MUST_CHANGE,
        "it has no Python: run 'sudo apt install python3'",
    ),
    (
        "facts",
        {"TROUBLE": "Traceback\nKeyError: 'MemTotal'"},
        MUST_CHANGE,
        "its state could not be read: KeyError: 'MemTotal'",
    ),
    ("first boot", {"first_boot_done": False}, MUST_CHANGE, "its first boot does not finish (base_first_boot_timeout)"),
    (
        "architecture",
        {"architecture": "armhf"},
        MUST_CHANGE,
        "its programs are 32-bit (armhf), although its kernel is 64-bit (aarch64)",
    ),
    (
        "architecture",
        {"architecture": "armhf", "kernel_architecture": "armv7l"},
        MUST_CHANGE,
        "its architecture is armhf, for which",
    ),
    (
        "OS release",
        {"os": {"id": "raspbian", "version_id": "9", "codename": "stretch"}},
        MUST_CHANGE,
        "raspbian 9 (stretch) is too old: its Python does not run Ansible's modules and its package archive is gone. "
        "Write a current",
    ),
    ("OS release", {"os": {"id": "ubuntu", "version_id": "20.04", "codename": "focal"}}, MUST_CHANGE, "is too old"),
    (
        "OS release",
        {"os": {"id": "debian", "version_id": "99", "codename": "later"}},
        MUST_CHANGE,
        "is not an OS that the roles know",
    ),
    (
        "OS release",
        {"os": {"id": "fedora", "version_id": "42"}},
        MUST_CHANGE,
        "fedora 42 is not an OS that the roles know",
    ),
    ("OS release", {"os": {"id": "debian", "version_id": "11", "codename": "bullseye"}}, OK, "gets no more updates"),
    ("kernel pages", {"page_size": 16384}, OK, "its kernel has pages of 16 KiB"),
    (
        "kernel modules",
        {"kernel_modules_absent": ["vxlan"]},
        MUST_CHANGE,
        "its kernel has no module vxlan, by which flannel carries packets from Pi to Pi: install the package with the "
        "rest of this kernel's modules (on Ubuntu for the Raspberry Pi, 'sudo apt install linux-modules-extra-raspi'), "
        "or set master_flannel_backend to another way",
    ),
    ("memory", {"memory_mb": 430}, MUST_CHANGE, "430 MB of memory is too little for a node, which needs 850 MB"),
    ("disk", {"disk_free_mb": 900}, MUST_CHANGE, "900 MB free"),
    ("disk", {"read_only": ["/", "/var"]}, MUST_CHANGE, "on its disk, / and /var cannot be written to (read-only)"),
    (
        "disk",
        {"in_memory": ["/", "/var"]},
        MUST_CHANGE,
        "what is written to / and /var is kept in memory alone and lost",
    ),
    ("disk", {"disk_free_mb": 900, "kubernetes": joined}, MUST_CHANGE, "but 1000 MB are needed"),
    (
        "power",
        {"throttled": "throttled=0x50005"},
        OK,
        "its firmware reports under-voltage now, under-voltage since boot and throttling now",
    ),
    (
        "clock",
        {"time": {"service": "", "synchronized": False}},
        WILL_CHANGE,
        "its clock is not synchronised; base sets up",
    ),
    (
        "cgroups",
        {"cgroup": {"version": 2, "memory": False, "cpuset": True}},
        WILL_CHANGE,
        "its kernel has no memory cgroup; base puts the parameters into /boot/firmware/cmdline.txt and reboots",
    ),
    (
        "cgroups",
        {"cgroup": {"version": 2, "memory": False, "cpuset": False}, "cmdline_file": ""},
        MUST_CHANGE,
        "this OS has no cmdline.txt to switch it on: add 'cgroup_enable=cpuset cgroup_enable=memory' to",
    ),
    (
        "cgroups",
        {"cgroup": {"version": 1, "memory": True, "cpuset": True}},
        MUST_CHANGE,
        "the kubelet of Kubernetes 1.37.2 refuses",
    ),
    (
        "swap",
        {"swaps": [{"name": "/var/swap", "size_kb": 102396, "type": "file"}]},
        WILL_CHANGE,
        "it swaps to /var/swap; base switches",
    ),
    ("hostname", {"hostname": "raspberrypi"}, WILL_CHANGE, "its name is raspberrypi; base changes it to k8s-node1"),
    (
        "hostname",
        {"hostname": "old", "kubernetes": joined},
        MUST_CHANGE,
        "it is in the cluster as old, and a node cannot be renamed",
    ),
    (
        "identity",
        {"machine_id_sha256": "9" * 64},
        OK,
        "it has the machine-id of k8s-node2, as copies of one card have, and keeps it; base gives the others new ones",
    ),
    (
        "identity",
        {"host_key_fingerprints": ["SHA256:x", "SHA256:9"], "machine_id_sha256": "7" * 64},
        WILL_CHANGE,
        "it has the machine-id and SSH host keys of k8s-master and k8s-node2, as copies of one card have; base gives",
    ),
    (
        "identity",
        {"interfaces": [{"name": "eth0", "mac": "dc:a6:32:00:00:18", "addresses": ["192.168.13.9/24"]}]},
        MUST_CHANGE,
        "it has the same address as k8s-node2, 192.168.13.9: give each its own",
    ),
    (
        "identity",
        {"interfaces": fit(9)["pi_interfaces"]},
        MUST_CHANGE,
        "it is the same machine as k8s-node2 (network card dc:a6:32:00:00:09)",
    ),
    (
        "node address",
        {"interfaces": [{"name": "wlan0", "mac": "dc:a6:32:00:00:18", "addresses": ["192.168.14.8/24"]}]},
        MUST_CHANGE,
        "192.168.13.8 (ansible_host) is not one of its addresses (192.168.14.8): set kubeadm_node_ip",
    ),
    (
        "node address",
        {"interfaces": [{"name": "eth0", "mac": "dc:a6:32:00:00:18", "addresses": ["2001:db8::8/64"]}]},
        MUST_CHANGE,
        "it has no IPv4 address (2001:db8::8), but Pods and Services have IPv4 networks",
    ),
    (
        "name servers",
        {"network": {"nameservers": []}},
        MUST_CHANGE,
        "it has no name server: is it in the network?",
    ),
    (
        "name servers",
        {"network": {"nameservers": ["127.0.0.1"]}},
        MUST_CHANGE,
        "one of its name servers is itself (127.0.0.1), which no container can reach",
    ),
    (
        "name servers",
        {"network": {"nameservers": ["127.0.0.1", "192.168.13.1"]}},
        MUST_CHANGE,
        "itself (127.0.0.1), which no container can reach (CoreDNS stops with 'Loop'): set base_nameservers",
    ),
    (
        "name servers",
        {"network": {"nameservers": ["10.0.0.1", "10.0.0.2", "10.0.0.3", "::1"]}},
        MUST_CHANGE,
        "itself (::1), which",
    ),
    (
        "name servers",
        {"network": {"nameservers": ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]}},
        OK,
        "10.0.0.3 and 10.0.0.4, of which a container uses only the first three",
    ),
    (
        "networks",
        {"interfaces": [*fit(8)["pi_interfaces"], {"name": "wg0", "mac": "", "addresses": ["10.99.0.5/24"]}]},
        MUST_CHANGE,
        "its network 10.99.0.0/24 (wg0) overlaps the service network 10.96.0.0/12 (kubeadm_service_cidr)",
    ),
    ("cluster", {"kubernetes": joined}, MUST_CHANGE, f"it belongs to another cluster, that of {SERVER}"),
    ("cluster", {"kubernetes": leading}, MUST_CHANGE, "it runs its own control plane, but is in group node"),
    (
        "node name",
        {"kubernetes": {**joined, "node_name": "kitchen"}},
        MUST_CHANGE,
        "the cluster knows it as kitchen, and the inventory calls it k8s-node1 now",
    ),
    (
        "Kubernetes",
        {"packages": {"kubelet": {"version": "1.38.0-1.1"}}},
        MUST_CHANGE,
        "going back to 1.37.2 is not possible",
    ),
    (
        "Kubernetes",
        {"packages": {"kubelet": {"version": "1.36.3-1.1"}}},
        WILL_CHANGE,
        "it has Kubernetes 1.36.3; the run installs 1.37.2",
    ),
    (
        "Kubernetes",
        {"packages": {"kubelet": {"version": "1.36.3-1.1"}}, "kubernetes": joined},
        WILL_CHANGE,
        "it is in a cluster with Kubernetes 1.36.3; upgrade.yml upgrades it to 1.37.2",
    ),
    (
        "ports",
        {"listening_tcp": [22, 10250]},
        MUST_CHANGE,
        "another program listens on port 10250, which Kubernetes needs",
    ),
    (
        "firewall",
        {"firewall": {"service": "ufw", "drops": ["6443/tcp", "10250/tcp", "8472/udp"]}},
        MUST_CHANGE,
        "its firewall (ufw) blocks 10250/tcp and 8472/udp, which the Pis need to reach each other: allow all traffic "
        "from their network (192.168.13.0/24) and from Pods (10.244.0.0/16) ('sudo ufw allow from "
        "192.168.13.0/24', for example), or switch it off",
    ),
    (
        "Pod network",
        {"interfaces": [*fit(8)["pi_interfaces"], {"name": "cni0", "mac": "", "addresses": ["10.244.3.1/24"]}]},
        MUST_CHANGE,
        "cni0 is left of an earlier cluster's Pod network, and Pods of the new one would get addresses that the other "
        "Pis do not reach: 'ansible-playbook reset.yml --limit k8s-node1' takes it away",
    ),
    (
        "Pod network",
        {"kubernetes": {"cni_config": ["/etc/cni/net.d/10-flannel.conflist", "/etc/cni/net.d/10-kuberouter.conflist"]}},
        MUST_CHANGE,
        "/etc/cni/net.d/10-kuberouter.conflist is left of an earlier cluster's Pod network",
    ),
    (
        "Pod network",
        {"kubernetes": {"cni_config": ["/etc/cni/net.d/10-calico.conflist"]}},
        MUST_CHANGE,
        "/etc/cni/net.d/10-calico.conflist is the configuration of another Pod network, which containerd uses until",
    ),
    (
        "sources",
        {"SOURCES": ({"name": "it", "url": "https://x/", "trouble": "", "refused": "apt does not take it: why."},)},
        MUST_CHANGE,
        "apt does not take it: why.",
    ),
    (
        "sources",
        {
            "SOURCES": (
                {
                    "name": "the Docker package repository",
                    "url": "https://x/",
                    "variable": "docker_apt_repository",
                    "trouble": "connection refused",
                },
            )
        },
        MUST_CHANGE,
        "the Docker package repository cannot be reached at https://x/ (connection refused): check its network and "
        "name server, or",
    ),
    (
        "sources",
        {
            "SOURCES": (
                {
                    "name": "the Kubernetes package repository",
                    "url": "https://x/",
                    "variable": "kubeadm_apt_repository",
                    "trouble": "t",
                    "unknown_release": True,
                    "version": "1.37.9",
                    "known": ["1.37.1", "1.37.2"],
                },
            )
        },
        MUST_CHANGE,
        "there is no Kubernetes 1.37.9 at https://x/ (the last ones there: 1.37.1 and 1.37.2)",
    ),
]


@pytest.mark.parametrize(("check", "facts", "verdict", "part"), BAD, ids=[f"{row[0]}: {row[3][:40]}" for row in BAD])
def test_each_trouble_has_its_sentence(check, facts, verdict, part):
    found, message = said(cluster(k8s_node1=facts), check)
    assert (found, part in message) == (verdict, True), message
    assert message.startswith("k8s-node1") and "\n" not in message and "{" not in message


def test_every_outcome_in_the_table_happens_in_a_test():
    """The manual lists these sentences: each must be one that can come."""
    seen = {(row[0], row[2]) for row in BAD}
    assert {(check.name, outcome.level) for check in CHECKS for outcome in check.outcomes.values()} - seen == {
        ("disk speed", OK),  # only measured on demand, see below
        ("swap", OK),  # with base_swap, see below
        ("API address", MUST_CHANGE),  # with kubeadm_api_address, see above
        ("API address", WILL_CHANGE),
        ("addresses", MUST_CHANGE),  # with kubeflow_addresses, see above
        ("settings", MUST_CHANGE),  # see below
        ("kube-proxy", OK),  # with master_kube_proxy_config, see below
        ("kube-proxy", MUST_CHANGE),
        ("fixed address", MUST_CHANGE),  # with base_static_address, see below
        ("fixed address", WILL_CHANGE),
        ("name servers", WILL_CHANGE),  # with base_nameservers, see below
    }


def test_a_password_that_was_given_is_not_asked_for_again():
    """Advice that the user has followed already is no help."""
    unanswered = {"TROUBLE": NO_PROMPT}
    state = cluster(k8s_node1=unanswered)
    assert said(state, "reachable") == (OK, "")
    assert [row["check"] for row in preflight_rows(state) if row["host"] == "k8s-node1"] == ["reachable", "sudo"]
    state = cluster(values={"k8s_node1": {"ansible_become_exe": "sudo.ws"}}, k8s_node1=unanswered)
    message = said(state, "sudo")[1]
    assert "sudo.ws does not ask for it in time" in message and "ansible_become_exe" not in message
    absent = {"TROUBLE": "/bin/sh: 1: sudo.ws: not found"}
    state = cluster(values={"k8s_node1": {"ansible_become_exe": "sudo.ws"}}, k8s_node1=absent)
    assert "it has no sudo.ws" in said(state, "sudo")[1]
    for trouble in ("Incorrect sudo password", "sudo: 3 incorrect password attempts"):
        assert "--ask-become-pass" not in said(cluster(k8s_node1={"TROUBLE": trouble}), "sudo")[1]


def test_a_module_that_nothing_needs_may_be_absent():
    for settings in ({"kubeadm_cni": "kube-router"}, {"kubeadm_cni": "none"}, {"master_flannel_backend": "host-gw"}):
        rows = preflight_rows(cluster(settings, k8s_node1={"kernel_modules_absent": ["vxlan"]}))
        assert [row for row in rows if row["message"]] == []


HOME = {"name": "eth0", "mac": "dc:a6:32:00:00:08", "addresses": ["192.168.13.8/24"]}


@pytest.mark.parametrize(
    ("card", "address"), [("tailscale0", "100.64.0.8"), ("usb0", "192.168.7.2"), ("wlan0", "169.254.3.8")]
)
def test_an_address_that_the_other_pis_may_not_reach_is_not_taken_without_being_asked_for(card: str, address: str):
    """By an address in the inventory, or by a name behind which the Pi's default route leads into a tunnel."""
    cards = {"interfaces": [HOME, {"name": card, "mac": "", "addresses": [f"{address}/24"]}]}
    wrong = (
        f"its address for the cluster would be {address} ({card}), which is not in the other Pis' network: set "
        f"kubeadm_node_ip to the one by which they reach it (192.168.13.8), or to {address} if they do"
    )
    by_address = {"k8s_node1": {"ansible_host": address}}
    verdict, message = said(cluster(values=by_address, k8s_node1=cards), "node address")
    assert verdict == MUST_CHANGE and wrong in message
    by_name = {"k8s_node1": {"ansible_host": "k8s-node1.local"}}
    into_tunnel = cluster(values=by_name, k8s_node1={**cards, "reached_address": "", "address": address})
    assert wrong in said(into_tunnel, "node address")[1]
    for state in (
        cluster(values={"k8s_node1": {"ansible_host": address, "kubeadm_node_ip": address}}, k8s_node1=cards),
        cluster(values={"k8s_node1": {"ansible_host": address, "kubeadm_node_ip": "192.168.13.8"}}, k8s_node1=cards),
        cluster(values=by_address, k8s_node1={**cards, "kubernetes": joined}),
        cluster(values=by_name, k8s_node1={**cards, "reached_address": "192.168.13.8", "address": address}),
    ):
        assert said(state, "node address") == (OK, "")


def test_a_firewall_may_drop_what_this_pi_does_not_need():
    def verdict(drops, host="k8s-node1", **settings):
        facts = {"firewall": {"service": "", "drops": drops}}
        return said(cluster(settings, k8s_node1=facts, k8s_master=facts), "firewall", host)[0]

    assert verdict(["6443/tcp"]) == OK
    assert verdict(["6443/tcp"], "k8s-master") == MUST_CHANGE
    assert verdict(["8472/udp"]) == MUST_CHANGE
    assert verdict(["8472/udp"], kubeadm_cni="kube-router") == OK
    assert verdict(["179/tcp"], kubeadm_cni="kube-router") == MUST_CHANGE
    assert verdict(["179/tcp"]) == OK
    assert verdict(["2380/tcp", "vrrp"], "k8s-master") == OK, "one master has no peers"
    assert verdict(["8472/udp"], master_flannel_backend="host-gw") == OK


def test_a_member_of_a_cluster_keeps_its_pod_network():
    links = [*fit(8)["pi_interfaces"], {"name": "cni0", "mac": "", "addresses": ["10.244.3.1/24"]}]
    file = ["/etc/cni/net.d/10-calico.conflist"]
    damaged = {"kubelet_server": "", "node_name": "k8s-node1", "cni_config": file}
    for state, settings in ((joined, {}), (damaged, {}), ({"cni_config": file}, {"kubeadm_cni": "none"})):
        rows = preflight_rows(cluster(settings, k8s_node1={"interfaces": links, "kubernetes": {**state}}))
        assert [row for row in rows if (row["check"], row["host"]) == ("Pod network", "k8s-node1")] == []


def test_what_only_the_master_needs():
    few = {"memory_mb": 906, "listening_tcp": [22, 6443, 2379], "fsync_ms": 25.4}
    state = cluster(k8s_master=few, k8s_node1=few)
    assert "906 MB of memory is too little for a master, which needs 1700 MB" in said(state, "memory", "k8s-master")[1]
    assert (
        said(state, "memory") == (OK, "") and said(state, "ports") == (OK, "") and said(state, "disk speed") == (OK, "")
    )
    assert "listens on ports 2379 and 6443" in said(state, "ports", "k8s-master")[1]
    assert said(state, "disk speed", "k8s-master") == (
        OK,
        "k8s-master: a write reaches its disk after 25.4 ms, etcd wants 10 ms: an SSD on USB makes the cluster "
        "more stable.",
    )


def test_settings_that_allow_more():
    little = {"memory_mb": 400}
    assert said(cluster({"kubeadm_ignore_preflight_errors": ["Mem"]}, k8s_node1=little), "memory") == (OK, "")
    cgroup_v1 = {"cgroup": {"version": 1, "memory": True, "cpuset": True}}
    assert said(cluster({"kubeadm_kubelet_config": {"failCgroupV1": False}}, k8s_node1=cgroup_v1), "cgroups") == (
        OK,
        "",
    )
    assert said(cluster({"kubeadm_version": "1.34.4"}, k8s_node1=cgroup_v1), "cgroups") == (OK, "")
    zram = {"swaps": [{"name": "/dev/zram0", "size_kb": 1, "type": "partition"}]}
    assert said(cluster({"base_swap": "zram"}, k8s_node1=zram), "swap")[0] == OK
    assert said(cluster({"base_swap": "keep"}, k8s_node1=zram), "swap")[1].endswith(
        "will keep doing so (base_swap: keep)."
    )
    file = {"swaps": [{"name": "/var/swap", "size_kb": 1, "type": "file"}]}
    assert said(cluster({"base_swap": "zram"}, k8s_node1=file), "swap")[0] == WILL_CHANGE
    assert said(cluster({"base_swap": False}, k8s_node1=file), "swap")[0] == WILL_CHANGE
    other = cluster(values={"k8s_node1": {"kubeadm_node_ip": "10.0.0.9"}})
    assert "10.0.0.9 (kubeadm_node_ip) is not one of its addresses" in said(other, "node address")[1]


@pytest.mark.parametrize(
    ("settings", "version", "verdict", "words"),
    [
        (
            {"mode": "ipvs"},
            "1.37.2",
            OK,
            "which Kubernetes 1.40 switches off and 1.43 removes: set it to nftables",
        ),
        ({"mode": "ipvs"}, "1.40.0", MUST_CHANGE, "with which kube-proxy of Kubernetes 1.40.0 does not start: set it"),
        ({"mode": "ipvs", "featureGates": {"KubeProxyIPVS": True}}, "1.40.0", OK, "switches off"),
        ({"mode": "nftables"}, "1.40.0", OK, ""),
        ({}, "1.40.0", OK, ""),
    ],
)
def test_a_mode_of_kube_proxy_that_ends(settings, version, verdict, words):
    state = cluster({"master_kube_proxy_config": settings, "kubeadm_version": version})
    found, message = said(state, "kube-proxy", "k8s-master")
    assert found == verdict
    assert words in message and bool(words) == bool(message)


def test_a_fixed_address():
    def outcome(address, state="NetworkManager", **facts):
        network = {"network": {"interface": "eth0", "manager": state, "nameservers": ["192.168.13.1"]}}
        wanted = {"k8s_node1": {"base_static_address": address}}
        return said(cluster(values=wanted, k8s_node1={**network, **facts}), "fixed address")

    assert outcome("192.168.13.8/24") == (OK, "")
    assert outcome("192.168.13.88/24")[0] == WILL_CHANGE
    assert "base gives it 192.168.13.88/24, and undoes that" in outcome("192.168.13.88/24")[1]
    assert outcome("192.168.13.8/24", "")[0] == MUST_CHANGE
    assert "its network card eth0 is not managed by" in outcome("192.168.13.8/24", "")[1]
    assert outcome("192.168.13.88/24", kubernetes=joined)[0] == MUST_CHANGE
    assert "it is in the cluster with the address 192.168.13.8/24" in outcome("192.168.13.88/24", kubernetes=joined)[1]
    gone = {"REACHABLE": False, "TROUBLE": SSH + "ssh: connect to host 192.168.13.8 port 22: No route to host"}
    state = cluster(values={"k8s_node1": {"base_static_address": "192.168.13.88/24"}}, k8s_node1=gone)
    assert "may have its new address already: write 'ansible_host: 192.168.13.88'" in said(state, "reachable")[1]


def test_name_servers_of_ones_own():
    state = {"network": {"nameservers": ["127.0.0.1"]}}
    wanted = {"k8s_node1": {"base_nameservers": ["192.168.13.1"]}}
    assert said(cluster(values=wanted, k8s_node1=state), "name servers") == (
        WILL_CHANGE,
        "k8s-node1: its name servers are 127.0.0.1; base changes them to 192.168.13.1.",
    )


def test_clusters_are_told_apart_by_their_ca():
    other = {**joined, "cluster_ca_sha256": OTHER_PIN, "kubelet_server": "https://192.168.1.2:6443"}
    state = cluster(
        k8s_master={"kubernetes": leading}, k8s_node1={"kubernetes": joined}, k8s_node2={"kubernetes": other}
    )
    assert said(state, "cluster", "k8s-node1") == (OK, "")
    assert "it belongs to another cluster, that of https://192.168.1.2:6443" in said(state, "cluster", "k8s-node2")[1]
    state = cluster(k8s_master={"kubernetes": joined})
    assert "is a worker of the cluster of" in said(state, "cluster", "k8s-master")[1]
    unreadable = cluster(
        k8s_master={"kubernetes": {**leading, "cluster_ca_sha256": ""}}, k8s_node1={"kubernetes": other}
    )
    assert said(unreadable, "cluster", "k8s-node1") == (OK, ""), (
        "half of /etc/kubernetes deleted is not another cluster"
    )


@pytest.mark.parametrize(
    ("values", "found", "words"),
    [
        ({}, "k8s-node1", ""),
        ({}, "", ""),
        ({"base_hostname": "kitchen"}, "kitchen", ""),
        ({"kubeadm_node_name": "Kitchen"}, "kitchen", ""),
        ({"base_hostname": "kitchen"}, "k8s-node1", "reset.yml --limit k8s-node1', after which it joins as kitchen"),
        ({}, "kitchen", "the cluster knows it as kitchen, and the inventory calls it k8s-node1 now"),
    ],
)
def test_a_node_that_was_renamed_in_the_inventory(values, found, words):
    state = cluster(values={"k8s_node1": values}, k8s_node1={"kubernetes": {**joined, "node_name": found}})
    verdict, message = said(state, "node name") if found else (OK, "")
    assert verdict == (MUST_CHANGE if words else OK)
    assert words in message


def test_a_master_that_was_renamed_in_the_inventory():
    state = cluster(k8s_master={"kubernetes": {**leading, "node_name": "boss"}})
    assert "Call it boss again" in said(state, "node name", "k8s-master")[1]


def test_a_template_that_facts_do_not_resolve():
    state = cluster()
    state = Cluster(
        state.hosts,
        Inventory(
            state.inventory.groups, state.inventory.values, {}, DEFAULTS, {"k8s-node1": {"kubeadm_node_ip": "no wlan0"}}
        ),
    )
    assert said(state, "settings") == (
        MUST_CHANGE,
        "k8s-node1: kubeadm_node_ip has a template that cannot be resolved: no wlan0.",
    )


def test_an_unreachable_host_has_one_row_and_the_user_in_its_sentence():
    state = cluster({"ansible_user": "pi"}, k8s_node2={"REACHABLE": False, "TROUBLE": SSH + "Connection timed out"})
    rows = [row for row in preflight_rows(state) if row["host"] == "k8s-node2"]
    assert [row["check"] for row in rows] == ["reachable"]
    assert "does 'ssh pi@192.168.13.9' work without asking anything?" in rows[0]["message"]


def test_a_port_is_part_of_what_to_run():
    settings = {"ansible_user": "pi", "ansible_port": 2222}
    changed = SSH + "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\nHost key verification failed."
    state = cluster(settings, k8s_node1={"REACHABLE": False, "TROUBLE": changed})
    message = said(state, "reachable")[1]
    assert "ssh-keygen -R '[192.168.13.8]:2222'" in message and "'ssh -p 2222 pi@192.168.13.8' once" in message


def test_one_sentence_for_several_hosts():
    same = {"pi_memory_mb": 400}
    state = cluster(k8s_node1={"memory_mb": 400}, k8s_node2={"memory_mb": 400})
    assert same and sentences(preflight_rows(state), MUST_CHANGE) == [
        "Each of k8s-node1 and k8s-node2: 400 MB of memory is too little for a node, which needs 850 MB: "
        "use a Pi with more."
    ]


def test_the_table_has_one_line_for_each_finding():
    text = preflight_table(preflight_rows(cluster(k8s_node1={"memory_mb": 400}, k8s_master={"disk_free_mb": 5000})))
    lines = text.splitlines()
    assert lines[0].split() == ["Check", "Hosts", "Found", "Wanted", "Verdict"]
    assert [line.split()[0] for line in lines if line.startswith("memory")] == ["memory"]
    assert any(line.split() == ["swap", "all", "off", "off", "ok"] for line in lines)
    assert any("k8s-node1" in line and "400 MB" in line and line.endswith("YOU MUST CHANGE IT") for line in lines)
    assert lines[-2:] == [
        "You must change:",
        "- k8s-node1: 400 MB of memory is too little for a node, which needs 850 MB: use a Pi with more.",
    ]
    assert preflight_table([]) == ""


@given(st.sets(st.sampled_from(sorted(fit(7)))), st.booleans())
def test_a_fact_that_is_missing_or_empty_is_no_error(missing, empty):
    state = cluster()
    facts = {key: value for key, value in fit(8).items() if key not in missing}
    if empty:
        facts.update(dict.fromkeys(missing))
    hosts = (state.hosts[0], Host("k8s-node1", "node", "192.168.13.8", facts), state.hosts[2])
    rows = preflight_rows(Cluster(hosts, state.inventory))
    assert {row["host"] for row in rows} == set(NAMES)
    assert preflight_table(rows)


def test_a_pi_that_answers_with_the_card_of_another_host_is_named(tmp_path):
    (tmp_path / "k8s-node2.pub").write_text(f"{CARD_KEY}\n")
    cards = read_cards(str(tmp_path))
    found = next(iter(cards))
    told = f"The fingerprint for the ED25519 key sent by the remote host is\n{found}.\n"
    trouble = CHANGED_KEY.replace("Add", f"{told}Add")
    at_node1 = cluster(k8s_node1={"REACHABLE": False, "TROUBLE": trouble})
    verdict, message = said(replace(at_node1, cards=cards), "reachable")
    assert verdict == MUST_CHANGE
    assert message.startswith("k8s-node1: the Pi at 192.168.13.8 has the card of k8s-node2: put the cards into")
    # Its own card, after another key was known by that address, and a key that is nobody's.
    at_node2 = cluster(k8s_node2={"REACHABLE": False, "TROUBLE": trouble})
    assert "shows another host key" in said(replace(at_node2, cards=cards), "reachable", "k8s-node2")[1]
    assert "shows another host key" in said(at_node1, "reachable")[1]
    assert read_cards(str(tmp_path / "nowhere")) == {}


def test_a_pi_with_the_name_of_another_host_is_asked_about():
    verdict, message = said(cluster(k8s_node1={"hostname": "k8s-node2"}), "hostname")
    assert verdict == WILL_CHANGE
    assert message.startswith(
        "k8s-node1: its name is k8s-node2, which the inventory gives to k8s-node2: was the card of"
    )
