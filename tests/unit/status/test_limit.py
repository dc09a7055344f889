# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""status.yml --limit: the Pis of the play are not the inventory, and nobody is advised against the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from scenes import NAMES, Sketch

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The inventory of a healthy cluster, and status.yml's own task that shows it, after what it has read."""
    sketch = Sketch()
    # What tells the time of the sketch is of the past by now.
    read = {name: {"facts": sketch.facts[name], "state": {**sketch.state[name], "certificates": []}} for name in NAMES}
    (tmp_path / "read.json").write_text(json.dumps(read))
    (tmp_path / "cluster.json").write_text(json.dumps(sketch.cluster))
    hosts = {name: {"ansible_host": f"192.168.13.{7 + number}"} for number, name in enumerate(NAMES)}
    groups = {"master": {"hosts": {NAMES[0]: hosts.pop(NAMES[0])}}, "node": {"hosts": hosts}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"bramble": {"children": groups}}))
    play = yaml.safe_load((ROOT / "playbooks/status.yml").read_text())[-1]
    [showing] = [task for task in play["tasks"] if task["name"] == "Show the cluster's status"]
    answers = {
        "status_pi": "{{ (lookup('ansible.builtin.file', 'read.json') | from_json)[inventory_hostname] }}",
        "status_cluster": {"cluster": "{{ lookup('ansible.builtin.file', 'cluster.json') | from_json }}"},
    }
    play["tasks"] = [{"ansible.builtin.set_fact": answers, "tags": ["status"]}, showing]
    (tmp_path / "status.yml").write_text(yaml.safe_dump([play]))
    return tmp_path


def status(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "ansible-playbook"), "-i", "hosts.yml", "status.yml"),
            *("-e", "status_drill_days=0", *arguments),
        ],
        cwd=folder,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join(done.stdout.split())


@pytest.mark.parametrize("limit", [NAMES[1], NAMES[0], f"{NAMES[1]},{NAMES[2]}"])
def test_a_pi_that_is_left_out_is_still_one_of_the_inventory(folder: Path, limit: str) -> None:
    seen = len(limit.split(","))
    said = status(folder, "--limit", limit)
    assert f"{seen} of {seen} Pi{'s' * (seen > 1)} Ready (--limit leaves out {3 - seen}), all is well" in said, said
    assert "delete node" not in said


def test_a_node_that_is_in_no_inventory_is_named_with_and_without_it(folder: Path) -> None:
    inventory = yaml.safe_load((folder / "hosts.yml").read_text())
    del inventory["bramble"]["children"]["node"]["hosts"][NAMES[2]]
    (folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
    for arguments in ((), ("--limit", NAMES[1])):
        said = status(folder, *arguments)
        assert NAMES[2] in said and "all is well" not in said, said
