# ruff: noqa: E501 - an inventory and its sentence, side by side
"""Bad inventories, given to ansible-playbook: one clear sentence each, and nothing is changed on any host."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from apiserver import free_port

REPOSITORY = Path(__file__).resolve().parents[3]

#: Three hosts that are not there: loopback addresses without a server, which nothing asks before the inventory is right.
GOOD = """\
bramble:
  children:
    master:
      hosts:
        k8s-master: {ansible_host: 127.0.13.7}
    node:
      hosts:
        k8s-node1: {ansible_host: 127.0.13.8}
        k8s-node2: {ansible_host: 127.0.13.9}
"""


def with_variable(line: str) -> str:
    return f"{GOOD}  vars:\n    {line}\n"


BAD = {
    "no master": (GOOD.replace("    master:\n      hosts:\n        k8s-master: {ansible_host: 127.0.13.7}\n", ""),
                  "Group master: it has no host; it needs the Pi that becomes the control plane, or three of them."),
    "two masters": (GOOD.replace("      hosts:\n        k8s-master", "      hosts:\n        second: {ansible_host: 127.0.13.10}\n        k8s-master"),
                    "Group master: it has 2 hosts (second and k8s-master), but there can be 1, 3 or 5, because etcd"),
    "nothing at all": ("all: {hosts: {}}\n", "hosts.yml: is -i right?"),
    "YAML that cannot be read": (GOOD.replace("  children:", "  children: {"), "hosts.yml: is -i right?"),
    "a host in no group": (GOOD + "ungrouped:\n  hosts:\n    pi5: {ansible_host: 127.0.13.20}\n",
                           "Host pi5: it is in no group; put it in master or node"),
    "one address for two hosts": (GOOD.replace("127.0.13.9", "127.0.13.8"),
                                  "Hosts k8s-node1 and k8s-node2: they have the same address, 127.0.13.8 (ansible_host); give each its own address."),
    "one name for two hosts": (with_variable("base_hostname: pi"),
                               "Hosts k8s-master, k8s-node1 and k8s-node2: they have the same name, pi; give each its own (base_hostname)."),
    "a name that no node can have": (GOOD.replace("k8s-node1", "k8s_node1"), "use k8s-node1."),
    "a version as a number": (with_variable("kubeadm_version: 1.37"), "such as 1.37.2 (in quotation marks, or YAML reads a number)."),
    "a version from 2018": (with_variable("kubeadm_version: 1.9.7"),
                            "kubeadm_version is 1.9.7, but the Kubernetes package repository starts at 1.24; choose that or a later release"),
    "pods in the Pis' network": (with_variable("kubeadm_pod_cidr: 127.0.0.0/16"),
                                 "the pod network 127.0.0.0/16 (kubeadm_pod_cidr) contains the address 127.0.13.7 of host k8s-master"),
    "a wrong choice": (with_variable("kubeadm_cni: calico"), "Every host: kubeadm_cni is 'calico'; use flannel, kube-router or none."),
    "a text for a list": (with_variable("kubeadm_ignore_preflight_errors: Mem"),
                          "Every host: kubeadm_ignore_preflight_errors is 'Mem'; use a list, each entry a text."),
    "all checks of kubeadm ignored": (with_variable("kubeadm_ignore_preflight_errors: [All]"),
                                      "kubeadm_ignore_preflight_errors contains 'all', which hides what keeps a cluster from working"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_inventory_is_named_before_any_host_is_asked(preflight, case):
    inventory, sentence = BAD[case]
    run = preflight(inventory)
    assert sentence in run.text, run.output
    assert run.code != 0 and not run.changed
    assert "UNREACHABLE" not in run.output, "a host was asked"


def test_limit_does_not_hide_a_bad_inventory(preflight):
    run = preflight(BAD["two masters"][0], "--limit", "k8s-node1")
    assert "Group master: it has 2 hosts" in run.text and run.code != 0 and not run.changed


def test_check_mode_says_the_same(preflight):
    run = preflight(BAD["a version as a number"][0], "--check", "--diff")
    assert BAD["a version as a number"][1] in run.text and run.code != 0


def test_a_host_that_does_not_answer_is_named_and_stops_the_run_for_all(preflight):
    closed_port = free_port()
    inventory = GOOD.replace("127.0.13.9}", f"127.0.0.1, ansible_port: {closed_port}, ansible_user: pi}}")
    local = (
        "ansible_connection: local, ansible_become: false, ansible_python_interpreter: '{{ ansible_playbook_python }}'"
    )
    for address in ("127.0.13.7", "127.0.13.8"):
        inventory = inventory.replace(f"{address}}}", f"{address}, {local}}}")
    run = preflight(inventory)
    assert (
        "k8s-node2 cannot be reached at 127.0.0.1 (connection refused): is it switched on and in the network (ping 127.0.0.1), "
        f"and does 'ssh -p {closed_port} pi@127.0.0.1' work without asking anything?" in run.text
    ), run.output
    assert run.code != 0 and not run.changed
    assert "127.0.13.7 (ansible_host) is not one of its addresses" in run.text, (
        "what is wrong with the others is said at once"
    )


def test_no_host_answers(preflight):
    closed_port = free_port()
    inventory = with_variable(f"ansible_port: {closed_port}")
    for number in "789":
        inventory = inventory.replace(f"127.0.13.{number}", f"127.0.0.{number}")
    run = preflight(inventory)
    assert run.text.count("cannot be reached at 127.0.0.") >= 3 and run.code != 0 and not run.changed


def test_a_host_without_sudo_is_named_even_if_it_is_the_only_one(preflight):
    inventory = """\
bramble:
  children:
    master:
      hosts:
        k8s-master:
          ansible_host: 127.0.0.1
          ansible_connection: local
          ansible_python_interpreter: "{{ ansible_playbook_python }}"
          ansible_become_user: nobody
          ansible_become_exe: "echo 'pi is not in the sudoers file.' >&2; false"
    node: {hosts: {}}
"""
    run = preflight(inventory)
    assert (
        "k8s-master: the user may not use sudo (pi is not in the sudoers file.): add it to the group sudo" in run.text
    ), run.output
    assert run.code != 0 and not run.changed


@pytest.mark.parametrize("name", sorted(folder.name for folder in (REPOSITORY / "inventories").iterdir()))
def test_the_inventories_of_this_repository_are_good(name):
    """Without asking their hosts, which may be there or not."""
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible"),
            "localhost",
            *("-i", REPOSITORY / "inventories" / name),
            *("-m", "ansible.builtin.debug", "-a", "msg={{ groups | bramble.kube.inventory_errors(hostvars) }}"),
        ],
        cwd=REPOSITORY,
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal", "ANSIBLE_FORCE_COLOR": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "msg: []" in done.stdout, done.stdout + done.stderr
