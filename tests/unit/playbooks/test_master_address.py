# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""backup.yml and restore.yml know the master's address, also when the inventory reaches it by a name."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.bramble.kube.plugins.module_utils.common.cluster_nodes import cluster_nodes

PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"


@pytest.mark.parametrize(
    ("playbook", "module"), [("backup.yml", "control_plane_backup"), ("restore.yml", "control_plane_restore")]
)
def test_the_address_of_a_master_reached_by_a_name_is_read_before_it_is_asked_for(playbook: str, module: str) -> None:
    tasks = next(
        play["tasks"] for play in yaml.safe_load((PLAYBOOKS / playbook).read_text(encoding="utf-8")) if "tasks" in play
    )
    first = next(number for number, task in enumerate(tasks) if f"bramble.kube.{module}" in task)
    assert tasks[first][f"bramble.kube.{module}"]["address"] == "{{ kubeadm_node_ip }}"
    read = [name for task in tasks[:first] for name in task.get("bramble.kube.pi_facts", {}).get("only", ())]
    known = {f"pi_{name}": "192.168.13.7" for name in read}
    by_name = {"m": {"ansible_host": "k8s-master.local", "ansible_facts": known}}
    assert cluster_nodes(["m"], by_name)["m"]["address"] == "192.168.13.7"
