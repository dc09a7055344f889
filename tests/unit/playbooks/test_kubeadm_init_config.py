# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kubeadm's configuration as the role master renders it: a cluster compares it with the one that it was made with."""

from __future__ import annotations

import functools
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


@functools.cache
def rendered(folder: Path) -> dict[str, str]:
    """By host, the text."""
    hosts = {
        name: {"ansible_host": f"192.168.13.{number}", "ansible_connection": "local", **settings}
        for number, (name, settings) in enumerate(HOSTS.items(), start=7)
    }
    (folder / "hosts.yml").write_text(yaml.safe_dump({"bramble": {"children": {"master": {"hosts": hosts}}}}))
    (folder / "templates").symlink_to(ROOT / "roles/master/templates")
    copy = {"content": "{{ master_init.config }}", "dest": f"{folder}/{{{{ inventory_hostname }}}}.yaml", "mode": "0600"}
    tasks = [
        {"ansible.builtin.copy": copy},
        {"ansible.builtin.meta": "end_play"},
        *(  # for their variables
            {"import_role": {"name": f"bramble.kube.{role}", "tasks_from": tasks, "rolespec_validate": False}}
            for role, tasks in (("kubeadm", "settings"), ("master", "node_images"))
        ),
    ]
    (folder / "play.yml").write_text(yaml.safe_dump([{"hosts": "master", "gather_facts": False, "tasks": tasks}]))
    run_playbook(folder / "hosts.yml", str(folder / "play.yml"), ANSIBLE_LOCALHOST_WARNING="0")
    return {name: (folder / f"{name}.yaml").read_text() for name in HOSTS}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """By host, the text."""
    return rendered(tmp_path_factory.mktemp("kubeadm_init"))


@pytest.mark.parametrize("name", HOSTS)
def test_the_configuration_is_byte_for_byte_what_it_was(texts: dict[str, str], name: str) -> None:
    assert texts[name] == (GOLDEN / f"{name}.yaml").read_text()
