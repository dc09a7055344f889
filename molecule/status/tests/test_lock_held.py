# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's lock is held by one run alone, through cut SSH sessions and reboots of the master."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests" / "support"))

from lab_cluster import ROOT, environment, playbook_command
from troubles import MASTER, Lab, healed, wait

LOCK = "/run/bramble.kube.lock"
REFUSED = "Another run is active on this cluster"
#: As in a container: the first process there is number 1 for both runs, and the host name is the same.
CONTAINER = ("unshare", *(() if os.geteuid() == 0 else ("--user", "--map-root-user"))) + (
    "--pid",
    "--fork",
    "--mount-proc",
    "--kill-child",
)
LONG_RUN = f"""\
- import_playbook: {ROOT}/playbooks/lock.yml

- hosts: master
  gather_facts: false
  environment: "{{{{ lookup('bramble.kube.run_lock') }}}}"
  tasks:
    - name: Work until the test is over
      ansible.builtin.raw: test ! -e /run/over
      register: work
      until: work.rc != 0
      retries: 600
      delay: 1
      failed_when: false
    - name: Next task
      ansible.builtin.debug: {{msg: it went on}}
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The scenario's Pis, or those of the inventory in BRAMBLE_INVENTORY."""
    own = os.environ.get("BRAMBLE_INVENTORY")
    made = Lab(Path(own) if own else Path(__file__).resolve().parents[1] / "inventory")
    with healed(made):
        yield made


@pytest.fixture
def begin(lab: Lab, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts runs that hold the lock until /run/over is there, or they are killed."""
    playbook, begun = tmp_path / "long_run.yml", []
    playbook.write_text(LONG_RUN)
    lab.on(MASTER, "rm -f /run/over")

    def start(*before: str) -> subprocess.Popen[str]:
        output = (tmp_path / f"run{len(begun)}").open("w+")
        command = [*before, *playbook_command(lab.inventory, str(playbook))]
        begun.append(
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment(PYTHONUNBUFFERED="1"),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        )
        begun[-1].output = lambda: " ".join(Path(output.name).read_text().split())
        return begun[-1]

    yield start
    lab.on(MASTER, "touch /run/over")
    for run in begun:
        run.kill()
        run.wait()
    # The task's process outlives a run that is killed.
    subprocess.run(["pkill", "-f", str(playbook)], check=False)


def works(run: subprocess.Popen[str]) -> bool:
    assert run.poll() is None, run.output()
    return "Work until the test is over" in run.output()


def holder(lab: Lab) -> tuple[str, str]:
    """The run that has the lock, and its process on the master; a pair of empty texts when the lock is free."""
    words = lab.on(MASTER, f"flock --nonblock {LOCK} true || head -n 1 {LOCK}").split()
    return (words[0], words[1]) if words else ("", "")


def second_run(lab: Lab, *before: str) -> str:
    """What another run says that wants the lock."""
    done = subprocess.run(
        [*before, *playbook_command(lab.inventory, "playbooks/lock.yml")],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return " ".join((done.stdout + done.stderr).split())


def test_two_runs_in_containers_with_the_same_name_and_number_are_two(lab: Lab, begin) -> None:
    first = begin(*CONTAINER)
    wait("the first run", lambda: works(first))
    key, _process = holder(lab)
    said = second_run(lab, *CONTAINER)
    assert REFUSED in said, said
    assert "(process 1)" in said
    assert holder(lab)[0] == key
    waiting = begin(*CONTAINER)
    time.sleep(1)
    first.kill()  # with all processes in its container, so nobody frees the lock
    wait("the one that waited", lambda: works(waiting))
    assert holder(lab)[0] not in ("", key)


def test_one_who_waits_gets_in_when_the_holders_run_is_killed(lab: Lab, begin) -> None:
    first = begin()
    wait("the first run", lambda: works(first))
    key, _process = holder(lab)
    waiting = begin()
    time.sleep(1)
    first.kill()
    wait("the one that waited", lambda: works(waiting))
    assert holder(lab)[0] not in ("", key)


#: Samples what a process sees that would like to have the lock, until another process holds it than at the beginning.
SAMPLE = f"""\
was=$(cut -d' ' -f2 {LOCK})
p=$was
until [[ $(cat /proc/$p/comm) = sshd* ]]; do p=$(awk '{{print $4}}' /proc/$p/stat); done
kill -9 $p
while [ "$(cut -d' ' -f2 {LOCK})" = $was ] || [ -d /proc/$was ]; do
    flock --nonblock {LOCK} echo free || true
    sleep 0.05
done
"""


def test_a_cut_session_is_begun_again_and_nobody_gets_in_meanwhile(lab: Lab, begin) -> None:
    first = begin()
    wait("the first run", lambda: works(first))
    key, process = holder(lab)
    assert "free" not in lab.on(MASTER, SAMPLE)
    now = holder(lab)
    assert now[0] == key
    assert now[1] != process
    assert REFUSED in second_run(lab)
    lab.on(MASTER, "touch /run/over")
    assert first.wait(60) == 0, first.output()
    assert "it went on" in first.output()
    wait("a free lock", lambda: holder(lab) == ("", ""), 10)


def test_a_run_that_lost_its_lock_to_another_one_stops_at_its_next_task(lab: Lab, begin) -> None:
    """The laptop's process is stopped, so that it comes too late; it would have come back in a second otherwise."""
    first = begin()
    wait("the first run", lambda: works(first))
    session = subprocess.run(
        ["pgrep", "-f", f"^ssh .*ControlPath=none.*{lab.addresses[MASTER]}"], capture_output=True, text=True, check=True
    )
    (number,) = session.stdout.split()
    os.kill(int(number), signal.SIGSTOP)
    lab.on(MASTER, f"kill -9 $(cut -d' ' -f2 {LOCK})")
    second = begin()
    wait("the second run", lambda: works(second))
    os.kill(int(number), signal.SIGCONT)
    time.sleep(10)
    lab.on(MASTER, "touch /run/over")
    assert first.wait(60) != 0
    assert "it went on" not in first.output()
    assert "This run has lost the cluster's lock, and another run has it now" in first.output()
    assert second.wait(60) == 0, second.output()


def at_task(lab: Lab, name: str, tmp_path: Path, *arguments: str) -> str:
    """Run a playbook, and another one at a task.

    :returns: what the other one said.
    """
    said = tmp_path / "said"
    other = shlex.join(
        ["env", "-u", "ANSIBLE_CALLBACKS_ENABLED", *playbook_command(lab.inventory, "playbooks/lock.yml")]
    )
    done = lab.play(
        *arguments,
        ANSIBLE_CALLBACK_PLUGINS=str(ROOT / "tests/faults/plugins"),
        ANSIBLE_CALLBACKS_ENABLED="fault",
        FAULT_HOST=MASTER,
        FAULT_NAME=name,
        FAULT_COMMAND=f"{other} >{said} 2>&1 || true",
        FAULT_TASKS=str(tmp_path / "tasks"),
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert said.exists(), "the task never began on the master: " + done.stdout[-4000:]
    return " ".join(said.read_text().split())


def boot(lab: Lab) -> str:
    return lab.on(MASTER, "cat /proc/sys/kernel/random/boot_id")


def test_the_lock_is_held_after_the_reboot_that_base_makes(lab: Lab, tmp_path: Path) -> None:
    lab.on(MASTER, "sed -i 's/ *cgroup_enable=memory//' /boot/firmware/cmdline.txt")
    lab.engine("restart", f"{lab.instance}-{MASTER}")
    wait("the master", lambda: "running" in lab.on(MASTER, "systemctl is-system-running || true"))
    before = boot(lab)
    said = at_task(lab, "Check that the clock, modules and settings came back", tmp_path, "site.yml", "--tags", "base")
    assert boot(lab) != before
    assert REFUSED in said, said


def test_the_lock_is_held_after_the_reboot_that_upgrade_makes(lab: Lab, tmp_path: Path) -> None:
    wait("the API server", lab.answers)
    before = boot(lab)
    lab.on(MASTER, "touch /run/reboot-required")
    said = at_task(lab, "Wait until the Pi is Ready with its new release", tmp_path, "playbooks/upgrade.yml")
    assert boot(lab) != before
    assert REFUSED in said, said
