# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kubeadm's configuration as the role master renders it: a cluster compares it with the one that it was made with."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from lab_cluster import ROOT, run_playbook

GOLDEN = Path(__file__).with_name("kubeadm_init")
#: Each host's settings. Those without an address are rendered as they were before there was one.
HOSTS = {
    "plain": {},
    "old": {"kubeadm_version": "1.30.1"},
    "much": {
        "ansible_host": "pi.local",
        "kubeadm_node_ip": "192.168.13.17",
        "kubeadm_kubelet_server_tls": True,
        "master_schedulable": True,
        "master_audit_log": True,
        "master_api_server_names": ["bramble.example.org"],
        "master_kube_proxy_config": {"conntrack": {"maxPerCore": 0}},
        "base_swap": "zram",
    },
    "address": {"kubeadm_api_address": "192.168.13.5"},
}
#: The fact pi_interfaces of the host with an address; other hosts look at it in vain.
CARDS = [
    {"name": "wlan0", "addresses": ["192.168.14.10/24"]},
    {"name": "eth1", "addresses": ["192.168.13.10/24", "fe80::1/64"]},
]


def rendered(folder: Path) -> dict[str, str]:
    """By host, the text."""
    hosts = {
        name: {"ansible_host": f"192.168.13.{number}", "ansible_connection": "local", **settings}
        for number, (name, settings) in enumerate(HOSTS.items(), start=7)
    }
    (folder / "hosts.yml").write_text(yaml.safe_dump({"bramble": {"children": {"master": {"hosts": hosts}}}}))
    for name in ("files", "templates"):
        (folder / name).symlink_to(ROOT / "roles/master" / name)
    copy = {
        "content": "{{ master_init.config }}",
        "dest": f"{folder}/{{{{ inventory_hostname }}}}.yaml",
        "mode": "0600",
    }
    kept = {"content": "{{ master_address_files | to_json }}", "dest": f"{folder}/{{{{ inventory_hostname }}}}.json"}
    tasks = [
        {"ansible.builtin.set_fact": {"pi_interfaces": CARDS, "cacheable": True}},
        {"ansible.builtin.copy": copy},
        {"ansible.builtin.copy": {**kept, "mode": "0600"}},
        {"ansible.builtin.meta": "end_play"},
        *(  # for their variables
            {"import_role": {"name": f"bramble.kube.{role}", "tasks_from": tasks, "rolespec_validate": False}}
            for role, tasks in (("kubeadm", "settings"), ("master", "node_images"))
        ),
    ]
    (folder / "play.yml").write_text(yaml.safe_dump([{"hosts": "master", "gather_facts": False, "tasks": tasks}]))
    run_playbook(folder / "hosts.yml", str(folder / "play.yml"), ANSIBLE_LOCALHOST_WARNING="0")
    return {file.name: file.read_text() for name in HOSTS for file in folder.glob(f"{name}.*")}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """By host, the text."""
    return rendered(tmp_path_factory.mktemp("kubeadm_init"))


@pytest.mark.parametrize("name", HOSTS)
def test_the_configuration_is_byte_for_byte_what_it_was(texts: dict[str, str], name: str) -> None:
    assert texts[f"{name}.yaml"] == (GOLDEN / f"{name}.yaml").read_text()


def test_without_an_address_nothing_keeps_one(texts: dict[str, str]) -> None:
    assert {json.loads(texts[f"{name}.json"] or "[]") == [] for name in HOSTS if name != "address"} == {True}


def test_keepalived_asks_this_pi_and_tells_the_other_masters(texts: dict[str, str]) -> None:
    files = {file["path"]: file for file in json.loads(texts["address.json"])}
    assert files["/etc/keepalived/api-ready"]["content"].startswith("#!/bin/sh\n")
    assert "\n[Service]\n" in files["/etc/systemd/system/keepalived.service.d/bramble.conf"]["content"]
    text = files["/etc/keepalived/keepalived.conf"]["content"]
    script, instance = re.findall(r"^vrrp_\w+ \w+ \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    assert 'script "/etc/keepalived/api-ready 192.168.13.10"\n' in script
    assert re.findall(r"^    (interface|virtual_router_id|priority|unicast_src_ip) (\S+)$", instance, re.MULTILINE) == [
        ("interface", "eth1"),
        ("virtual_router_id", "5"),
        ("priority", "100"),
        ("unicast_src_ip", "192.168.13.10"),
    ]
    assert re.findall(r"^        (\S+)$", instance, re.MULTILINE) == [
        *("192.168.13.17", "192.168.13.8", "192.168.13.7"),
        *("192.168.13.5/32", "api_ready"),
    ]
