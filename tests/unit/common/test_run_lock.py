# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell scripts that hold the run's lock, run for real, and what a task makes of the lock's state."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common import run_lock
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.run_lock import (
    AGAIN,
    HELD,
    STOP,
    TAKING,
    Run,
    verdict,
)
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import machine_lock as busy

ANNA = Run("a" * 32, 1, "anna on laptop has been running site.yml since 14:03:12")
BERT = Run("b" * 32, 1, "bert on laptop has been running upgrade.yml since 14:03:13")


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "it's a lock")


@pytest.fixture
def begin(path):
    """Starts sessions that hold the lock, and ends them after the test."""
    begun = []

    def start(run: Run) -> subprocess.Popen:
        process = subprocess.Popen(["sh", "-c", run_lock.hold_script(path, run)], stdout=subprocess.PIPE, text=True)
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.wait()


@pytest.fixture
def holder(begin):
    """Anna's run has the lock."""
    process = begin(ANNA)
    assert process.stdout.readline().strip() == HELD
    return process


def sh(script: str) -> subprocess.CompletedProcess:
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, timeout=60)


def has(run: Run, path: str, seconds: float = 0) -> bool:
    return sh(run_lock.ask_script(path, run, seconds)).returncode == 0


def is_free(path: str) -> bool:
    return subprocess.run(["flock", "--nonblock", path, "true"], check=False).returncode == 0


def test_the_second_is_refused_and_told_who_has_it(path, holder, monkeypatch):
    monkeypatch.setattr(run_lock, "GRACE", 0)
    refused = sh(run_lock.hold_script(path, BERT))
    assert refused.returncode == run_lock.REFUSED
    told = run_lock.refusal(run_lock.read_note(refused.stdout))
    assert told.startswith(
        "Another run is active on this cluster: anna on laptop has been running site.yml since 14:03:12."
    )


def test_a_run_knows_its_own_lock(path, holder):
    assert has(ANNA, path)
    assert not has(BERT, path)
    assert not has(BERT, path, 0.2)


def test_the_note_of_a_dead_holder_is_not_believed(path, holder, tmp_path):
    """The kernel is asked: the holder is dead, and another process has the lock."""
    holder.kill()
    holder.wait()
    with subprocess.Popen(["flock", path, "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        assert ANNA.key in Path(path).read_text()
        assert not has(ANNA, path)
        other.kill()


def test_a_process_that_has_the_holders_number_is_not_taken_for_it(path, holder):
    text = Path(path).read_text()
    Path(path).write_text(text.replace(f" {holder.pid} ", f" {os.getpid()} "))
    assert not has(ANNA, path)


def test_a_lock_file_that_was_removed_is_no_lock(path, holder):
    """The process has its lock, but one on a file that nobody else will find."""
    text = Path(path).read_text()
    Path(path).unlink()
    Path(path).write_text(text)
    assert not has(ANNA, path)
    assert holder.wait(timeout=30) == 75


def wait_for_sleep(holder) -> None:
    """Wait until the holder's child is sleep itself: one that is just being started still has the lock's file open."""
    deadline = time.monotonic() + 10
    children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children")
    while not any(Path(f"/proc/{child}/comm").read_text() == "sleep\n" for child in children.read_text().split()):
        assert time.monotonic() < deadline, "the holder starts no sleep"
        time.sleep(0.01)


def test_the_lock_is_free_when_the_holder_is_killed(path, holder):
    wait_for_sleep(holder)
    holder.kill()
    holder.wait()
    assert is_free(path)


def test_the_lock_is_free_when_the_run_frees_it_and_no_other_run_can(path, holder):
    wait_for_sleep(holder)
    assert sh(run_lock.release_script(path, BERT)).returncode != 0
    assert not is_free(path)
    assert sh(run_lock.release_script(path, ANNA)).returncode == 0
    holder.wait(timeout=5)
    assert is_free(path)


def test_the_lock_outlives_a_cut_session_for_a_while(path, begin, monkeypatch):
    monkeypatch.setattr(run_lock, "LINGER", 4)
    holder = begin(ANNA)
    holder.stdout.readline()
    holder.stdout.close()
    time.sleep(3)  # the holder has noticed
    assert has(ANNA, path)
    assert holder.wait(timeout=30) is not None
    assert is_free(path)


def test_a_run_comes_back_to_its_lock_while_others_want_it(path, begin, holder):
    """Another one asks all the time, for longer than the run needs to take its lock from its own cut session."""
    bert = begin(BERT)
    time.sleep(0.5)
    again = begin(ANNA)
    assert again.stdout.readline().strip() == HELD
    assert holder.wait(timeout=5) == -9
    assert has(ANNA, path)
    assert bert.wait(timeout=30) == run_lock.REFUSED
    assert has(ANNA, path)


@pytest.fixture
def begin_slowly(begin, tmp_path, monkeypatch):
    """Starts a session on a machine whose program that queues for the lock needs a second to start."""
    slow = tmp_path / "slow"
    slow.mkdir()
    script = f'#!/bin/sh\n[ "$1" = -w ] && sleep 1\nexec {shutil.which("flock")} "$@"\n'
    (slow / "flock").write_text(script)
    (slow / "flock").chmod(0o755)

    def start(run: Run) -> subprocess.Popen:
        with monkeypatch.context() as patch:
            patch.setenv("PATH", f"{slow}:{os.environ['PATH']}")
            return begin(run)

    return start


def test_nobody_gets_in_while_a_slow_machine_comes_back_to_its_lock(path, begin, holder, begin_slowly):
    """Longer than the time after which the program that queues was once taken to be there."""
    others = [begin(BERT) for _other in range(4)]
    again = begin_slowly(ANNA)
    while holder.poll() is None:
        time.sleep(0.01)
    assert again.stdout.readline().strip() == HELD
    assert has(ANNA, path)
    for other in others:
        assert other.wait(timeout=30) == run_lock.REFUSED


def test_who_is_quicker_gives_the_lock_up_for_the_run_that_comes_back(path, begin, holder, begin_slowly):
    """The cut session ends by itself before its run is in the queue."""
    bert, again = begin(BERT), begin_slowly(ANNA)
    deadline = time.monotonic() + 10
    while f"{run_lock.BACK} " not in Path(path).read_text():
        assert time.monotonic() < deadline, "the run does not come back"
        time.sleep(0.01)
    holder.kill()
    assert again.stdout.readline().strip() == HELD
    assert bert.wait(timeout=30) == run_lock.REFUSED
    assert has(ANNA, path)


def test_a_run_that_died_as_it_came_back_keeps_nobody_out(path, begin, holder, begin_slowly):
    again = begin_slowly(ANNA)
    while f"{run_lock.BACK} " not in Path(path).read_text():
        time.sleep(0.01)
    again.kill()
    again.wait()
    holder.kill()
    assert begin(BERT).stdout.readline().strip() == HELD
    assert has(BERT, path)


def test_one_who_waits_gets_the_lock_when_its_holder_is_killed(path, begin, holder):
    bert = begin(BERT)
    time.sleep(0.5)
    assert bert.poll() is None
    holder.kill()
    assert bert.stdout.readline().strip() == HELD
    assert has(BERT, path)
    assert not has(ANNA, path)


def test_one_who_waits_gets_the_lock_of_a_run_that_died_with_all_its_processes(path, begin, monkeypatch):
    """As a container is killed: nobody frees the lock, and the session is cut."""
    monkeypatch.setattr(run_lock, "GRACE", 3)
    monkeypatch.setattr(run_lock, "LINGER", 6)
    holder = begin(ANNA)
    holder.stdout.readline()
    holder.stdout.close()
    bert = begin(BERT)
    assert bert.stdout.readline().strip() == HELD
    assert has(BERT, path)
    assert Path(path).read_text().count("\n") == 1


def test_two_containers_with_the_same_host_name_and_process_number_are_two_runs(monkeypatch):
    monkeypatch.setattr(run_lock.socket, "gethostname", lambda: "runner")
    first, second = (Run.here(7, "site.yml") for _run in range(2))
    assert first.key != second.key
    assert len(first.key) == 32


def test_a_run_describes_itself():
    run = Run.here(4711, "site.yml")
    assert "has been running site.yml since" in run.note
    assert "(process 4711)" in run.note
    assert "\n" not in run.note


@pytest.mark.parametrize("output", ["", "\n", "key", "key 4711", "key 4711 "])
def test_a_note_that_is_cut_names_nobody(output):
    assert run_lock.read_note(output) == "somebody has been running a playbook"


@pytest.mark.parametrize(
    ("state", "text", "lives", "waited", "told"),
    [
        (HELD, "", True, 0, ""),
        (HELD, "", False, 0, "has ended, so nothing keeps other runs out any more"),
        (TAKING, "", True, 0, None),
        (AGAIN, "", True, run_lock.PATIENCE - 1, None),
        (
            AGAIN,
            "no route to host",
            True,
            run_lock.PATIENCE,
            "has lost the cluster's lock and cannot take it back within",
        ),
        (AGAIN, "no route to host", True, run_lock.PATIENCE, "seconds: no route to host; run it again."),
        (TAKING, "", True, run_lock.PATIENCE, "cannot take the cluster's lock within 120 seconds; run it again."),
        (AGAIN, "", False, 0, "has ended, so nothing keeps other runs out any more"),
        (STOP, "why", True, 0, "why"),
        (STOP, "why", False, 0, "why"),
    ],
)
def test_what_a_task_makes_of_the_locks_state(state, text, lives, waited, told):
    found = verdict(state, text, lives, waited)
    assert found == told if not told else told in found
    assert "\n" not in (found or "")


def test_a_machine_runs_one_kubeadm_at_a_time(tmp_path):
    with busy.busy("kubeadm", folder=str(tmp_path)):
        second = busy.busy("kubeadm", seconds=0, folder=str(tmp_path))
        with pytest.raises(Stop, match="A kubeadm that an earlier run started is still running after"), second:
            pass
    with busy.busy("kubeadm", seconds=0, folder=str(tmp_path)):
        pass
