"""What each host of an inventory is in the cluster."""

from __future__ import annotations

from ansible_collections.bramble.kube.plugins.module_utils.common.cluster_nodes import cluster_nodes

HOSTVARS = {
    "a": {"ansible_host": "192.168.1.1", "kubeadm_node_ip": "10.0.0.1", "kubeadm_node_name": "First"},
    "b": {"ansible_host": "b.local", "ansible_facts": {"pi_reached_address": "10.0.0.2", "pi_address": "10.9.9.9"}},
    "c": {"ansible_host": "192.168.1.3", "base_hostname": "Pi-C", "kubeadm_node_labels": {"disk": "nvme"}},
    "D": {"ansible_facts": {"pi_reached_address": "", "pi_address": "10.0.0.4", "pi_machine_id_sha256": "ab"}},
    "10.0.0.5": {"kubeadm_node_taints": [{"key": "k", "effect": "NoExecute"}]},
    "e": {},
}


def column(name):
    return [node[name] for node in cluster_nodes(HOSTVARS, HOSTVARS).values()]


def test_the_address_for_the_clusters_traffic_counts_then_the_one_that_ansible_came_by():
    assert column("address") == ["10.0.0.1", "10.0.0.2", "192.168.1.3", "10.0.0.4", "10.0.0.5", ""]


def test_a_node_has_the_hosts_name_in_lower_case_unless_it_is_given_one():
    assert column("name") == ["first", "b", "pi-c", "d", "10.0.0.5", "e"]
    assert column("hostname") == ["a", "b", "Pi-C", "D", "10.0.0.5", "e"]


def test_labels_taints_and_machine_come_along():
    assert column("labels") == [{}, {}, {"disk": "nvme"}, {}, {}, {}]
    assert column("taints") == [[], [], [], [], [{"key": "k", "effect": "NoExecute"}], []]
    assert column("machine_id") == ["", "", "", "ab", "", ""]


def test_a_host_without_variables_is_no_error():
    assert cluster_nodes(["new"], {})["new"]["name"] == "new"
