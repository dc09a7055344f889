"""A playbook stops when a Pi is lost in the middle of it, and does not go on with the Pis of the next play.

ansible-core ends a playbook after a play only when as many hosts failed as the play has. With any_errors_fatal, a host
that became unreachable is counted twice, as unreachable and as failed: the play ends, and the next one begins.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"
PLAYS = [
    pytest.param(play, id=f"{path.stem}: {play['name']}")
    for path in sorted(PLAYBOOKS.glob("*.yml"))
    for play in yaml.safe_load(path.read_text(encoding="utf-8"))
    if "hosts" in play
]


@pytest.mark.parametrize("play", PLAYS)
def test_a_play_is_written_so_that_the_playbook_ends_with_it(play: dict) -> None:
    if play["hosts"] == "master[0]" or play.get("serial") == 1:
        assert "any_errors_fatal" not in play, "one host at a time: without this, its failure ends the playbook"
    elif play["hosts"] == "node" or (play["hosts"].startswith("master") and "any_errors_fatal" in play):
        assert play["any_errors_fatal"]
        assert play["max_fail_percentage"] == 0, "without this, the next play goes on with the master alone"
    elif play.get("any_errors_fatal"):
        assert "bramble" in play["hosts"], "all Pis are failed then, and no later play has any"


INVENTORY = """\
[master]
m ansible_host=127.0.0.1 ansible_port=1 ansible_ssh_common_args='-o BatchMode=yes -o ConnectTimeout=5'
[node]
n1 ansible_connection=local
n2 ansible_connection=local
"""


@pytest.mark.parametrize(
    "first",
    [
        {"hosts": "master"},
        {"hosts": "all:!n2", "serial": 1},
        {"hosts": "all:!n2", "any_errors_fatal": True, "max_fail_percentage": 0},
        {"hosts": "master", "any_errors_fatal": True, "max_fail_percentage": 0},
    ],
    ids=["one host", "one after the other", "several", "one of several masters"],
)
def test_ansible_ends_the_playbook_with_such_a_play(tmp_path: Path, first: dict) -> None:
    (tmp_path / "inventory").write_text(INVENTORY)
    ping, said = (
        {"ansible.builtin.raw": "true"},
        {"ansible.builtin.debug": {"msg": "went on on {{ inventory_hostname }}"}},
    )
    plays = [
        {**first, "gather_facts": False, "tasks": [ping, said]},
        {"hosts": "node", "gather_facts": False, "tasks": [said]},
    ]
    (tmp_path / "playbook.yml").write_text(yaml.safe_dump(plays))
    (tmp_path / "ansible.cfg").write_text("")
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "inventory", "playbook.yml"],
        cwd=tmp_path,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
            "LC_ALL": "C.UTF-8",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "unreachable=1" in done.stdout, done.stdout + done.stderr
    assert "went on on" not in done.stdout
