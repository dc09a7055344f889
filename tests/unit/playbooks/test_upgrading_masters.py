# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an upgrade takes for the masters, and what it tells of each, with one master and with several."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from lab_cluster import run_playbook

NEWS = {"os": [], "engine": [], "reboot": False}
SAID = (
    "case {{ inventory_hostname }} {{ upgrade_masters | join(',') }} "
    "{{ upgrade_shares_address }} {{ upgrade_something }} "
    "{{ upgrade_machines.values() | map(attribute='control_plane', default='-') | join(',') }}"
)


def said(folder: Path, *masters: str, **due: list[str]) -> dict[str, str]:
    """What each host of the cluster says.

    :param due: host → what is due on it.
    """
    local = {"ansible_connection": "local"}
    groups = {
        "master": {"hosts": dict.fromkeys(masters, local)},
        "node": {"hosts": {"n1": local}},
    }
    (folder / "hosts.yml").write_text(yaml.safe_dump({"bramble": {"children": groups}}))
    machines = {host: {"reasons": reasons} for host, reasons in due.items()}
    tasks = [
        {
            "ansible.builtin.set_fact": {
                "upgrade_news": NEWS,
                "upgrade_control_plane": "of-{{ inventory_hostname }}",
                "upgrade_due": {"machines": machines, "control_plane": ""},
            }
        },
        {"bramble.kube.show": {"text": SAID}},
        {"ansible.builtin.meta": "end_play"},
        *(  # for their variables
            {"import_role": {"name": f"bramble.kube.{role}", "tasks_from": tasks, "rolespec_validate": False}}
            for role, tasks in (("kubeadm", "settings"), ("upgrade", "finish"))
        ),
    ]
    (folder / "play.yml").write_text(yaml.safe_dump([{"hosts": "bramble", "gather_facts": False, "tasks": tasks}]))
    output = run_playbook(folder / "hosts.yml", str(folder / "play.yml"))
    return dict(re.findall(r"case (\S+) (\S+ \S+ \S+ \S+)", output))


def test_a_lone_master_keeps_its_address(tmp_path: Path) -> None:
    assert said(tmp_path, "m1", m1=["kubelet 1"]) == {"m1": "m1 False True -,-", "n1": "m1 False False -,-"}


@pytest.mark.parametrize("due", ["m1", "m3", "n1"])
def test_each_of_several_masters_is_told_of_and_gives_its_address_away(tmp_path: Path, due: str) -> None:
    expected = {host: f"m1,m2,m3 {host != 'n1'} {host == due} -,of-m2,of-m3,-" for host in ("m1", "m2", "m3", "n1")}
    assert said(tmp_path, "m1", "m2", "m3", **{due: ["kubelet 1"]}) == expected
