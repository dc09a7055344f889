# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook that changes the cluster takes its lock first, and a run that has lost it stops at its next task."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOKS = ROOT / "playbooks"
HELD = "{{ lookup('bramble.kube.run_lock') }}"
CHANGING = ["site", "kubeflow", "loop", "upgrade", "backup", "restore", "reset"]


def plays(playbook: str) -> Iterator[dict]:
    """All plays of a playbook, those of imported playbooks in their place."""
    for play in yaml.safe_load((PLAYBOOKS / playbook).read_text(encoding="utf-8")):
        imported = play.get("ansible.builtin.import_playbook")
        if imported:
            yield from plays(imported)
        else:
            yield play


def takes_lock(play: dict) -> bool:
    return any(task.get("ansible.builtin.import_tasks") == "tasks/lock.yml" for task in play.get("tasks", ()))


@pytest.mark.parametrize("playbook", CHANGING)
def test_a_playbook_looks_at_the_lock_from_the_play_that_takes_it_to_its_end(playbook: str) -> None:
    all_plays = list(plays(f"{playbook}.yml"))
    first = next(number for number, play in enumerate(all_plays) if takes_lock(play))
    unwatched = [play["name"] for play in all_plays[first:] if play.get("environment") != HELD]
    assert set(unwatched) <= {"Take the cluster's lock", "Check the inventory before connecting to any Pi"}
    assert all_plays[first + 1 :] or all_plays[first].get("environment") == HELD


def test_every_other_playbook_is_one_that_changes_nothing_or_a_part_of_one_of_these() -> None:
    alone = {"preflight.yml", "status.yml", "laptop.yml", "cards.yml"}
    parts = {"inventory.yml", "lock.yml", "ready.yml", "nodes.yml"}
    assert {path.name for path in PLAYBOOKS.glob("*.yml")} == alone | parts | {f"{name}.yml" for name in CHANGING}


LOST = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - bramble.kube.run_lock: {path: "{{ lock }}"}

- hosts: localhost
  gather_facts: false
  environment: "{{ lookup('bramble.kube.run_lock') }}"
  tasks:
    - bramble.kube.run_lock: {path: "{{ lock }}"}
    - name: Another one takes the lock
      shell: |
        exec >/dev/null 2>&1
        echo 'key 1 bert on tablet has been running site.yml' >>{{ lock }}
        setsid flock {{ lock }} sleep 600 &
        echo $! >{{ lock }}.other
        kill -9 $(cut -d' ' -f2 {{ lock }} | head -1)
        while flock --nonblock {{ lock }} true; do sleep 0.1; done
        echo 'key 1 bert on tablet has been running site.yml' >{{ lock }}
      changed_when: true
      notify: Handle
  handlers:
    - name: Handle
      debug: {msg: went on}
"""
#: What the next task may be.
NEXT = """\
- {command: echo went on}
- {debug: {msg: went on}}
- {command: echo went on, delegate_to: localhost}
- {block: [{command: "false"}], rescue: [{debug: {msg: went on}}]}
- {debug: {msg: went on}, loop: [1, 2]}
- {include_role: {name: a}}
- {meta: flush_handlers}
"""
SENTENCE = (
    "This run has lost the cluster's lock, and another run has it now: bert on tablet has been running site.yml."
    " Wait until that one ends; then run this again, and it continues where it stopped."
)


@pytest.mark.parametrize("go_on", [False, True], ids=["stops at its next task", "every kind of task stops it"])
def test_a_run_that_has_lost_its_lock(tmp_path: Path, go_on: bool) -> None:
    tasks = [{**task, **({} if "meta" in task else {"ignore_errors": go_on})} for task in yaml.safe_load(NEXT)]
    playbook = yaml.safe_load(LOST)
    playbook[-1]["tasks"] += tasks
    (tmp_path / "playbook.yml").write_text(yaml.safe_dump(playbook))
    (tmp_path / "roles/a/tasks").mkdir(parents=True)
    (tmp_path / "roles/a/tasks/main.yml").write_text("- debug: {msg: went on}")
    try:
        done = play(tmp_path, "-e", f"lock={tmp_path / 'lock'}")
    finally:
        os.killpg(int((tmp_path / "lock.other").read_text()), signal.SIGKILL)
    said = " ".join(done.stdout.split())
    assert "changed=1" in said, done.stdout + done.stderr
    assert '"msg": "went on"' not in said, done.stdout
    assert said.count(SENTENCE) >= (len(tasks) if go_on else 1), done.stdout
    assert done.returncode != 0
    assert f"failed=1 skipped=0 rescued=0 ignored={len(tasks) - 1 if go_on else 0}" in said  # a handler ignores nothing


def test_a_dry_run_needs_no_lock(tmp_path: Path) -> None:
    (tmp_path / "playbook.yml").write_text(LOST.partition("    - name: Another")[0])
    done = play(tmp_path, "-e", f"lock={tmp_path / 'lock'}", "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "lock").exists()


def play(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the folder's playbook on this machine."""
    (folder / "ansible.cfg").write_text(f"[defaults]\ncollections_path = {ROOT / '.lab/collections'}\n")
    return subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-c", "local", "playbook.yml"]
        + ["-e", f"ansible_python_interpreter={sys.executable}", *arguments],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "LC_ALL": "C.UTF-8",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
