# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which master begins, which join it, and whose kubeconfig the laptop gets: also where the first has a blank card."""

from __future__ import annotations

import re

import pytest
import yaml
from lab_cluster import run_playbook

MASTERS = ("m1", "m2", "m3")
#: By case: of each master the address of its finished control plane, None without one, "unasked" without facts.
CASES = {
    "blank": [None, None, None],
    "grows": ["192.168.13.5", None, None],
    "cut": ["192.168.13.5", "192.168.13.5", None],
    "finished": ["192.168.13.5"] * 3,
    "first is blank": [None, "192.168.13.5", "192.168.13.5"],
    "unasked": ["unasked"] * 3,
    "first is off": ["unasked", "192.168.13.5", "192.168.13.5"],
}
SAID = (
    "{{ master_first }} {{ master_joining | join(',') or 'nobody' }} {{ inventory_hostname == master_first }} "
    "{{ node_master }}"
)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """By case: whom each master takes for the first, who joins it, whether that is itself, and whom nodes join."""
    folder = tmp_path_factory.mktemp("joining")
    hosts = {name: {"ansible_connection": "local"} for name in MASTERS}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"bramble": {"children": {"master": {"hosts": hosts}}}}))
    plays = []
    for case, addresses in CASES.items():
        known = dict(zip(MASTERS, addresses))
        facts = {"pi_kubernetes": "{{ {'api_address': known[inventory_hostname]} }}", "cacheable": True}
        tasks = [
            {"ansible.builtin.set_fact": facts, "when": "known[inventory_hostname] != 'unasked'"},
            {"bramble.kube.show": {"text": f"case {case.replace(' ', '-')} {{{{ inventory_hostname }}}} {SAID}"}},
            {"ansible.builtin.meta": "end_play"},
            *(  # for their variables
                {"import_role": {"name": f"bramble.kube.{role}", "tasks_from": tasks, "rolespec_validate": False}}
                for role, tasks in (("kubeadm", "settings"), ("master", "node_images"), ("node", "main"))
            ),
        ]
        hosts = "master:!m1" if case == "first is off" else "master"  # as with --limit
        plays.append({"hosts": hosts, "gather_facts": False, "vars": {"known": known}, "tasks": tasks})
    (folder / "play.yml").write_text(yaml.safe_dump(plays[-2:] + plays[:-2]))
    output = run_playbook(folder / "hosts.yml", str(folder / "play.yml"))
    found = re.findall(r"case (\S+) (\S+) (\S+ \S+ \S+ \S+)", output)
    return {case: [what for name, _host, what in found if name == case.replace(" ", "-")] for case in CASES}


@pytest.mark.parametrize(
    ("case", "first", "joining"),
    [
        ("blank", "m1", "m2,m3"),
        ("grows", "m1", "m2,m3"),
        ("cut", "m1", "m3"),
        ("finished", "m1", "nobody"),
        ("first is blank", "m2", "m1"),
        ("unasked", "m1", "m2,m3"),
        ("first is off", "m2", "nobody"),
    ],
)
def test_who_begins_and_who_joins(said: dict[str, list[str]], case: str, first: str, joining: str) -> None:
    asked = MASTERS[case == "first is off" :]
    assert sorted(said[case]) == sorted(f"{first} {joining} {name == first} {first}" for name in asked)
