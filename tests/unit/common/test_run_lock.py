# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shell scripts that hold the run's lock and ask for it, run for real."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common import run_lock as runlock
from ansible_collections.bramble.kube.plugins.module_utils.common.run_lock import Run
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import machine_lock as busy


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "it's a lock")


@pytest.fixture
def holder(path):
    """A run that has the lock."""
    script = runlock.hold_script(
        path, Run("laptop:1", 1, "laptop:1 anna on laptop has been running site.yml since 14:03:12")
    )
    process = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == runlock.HELD
    yield process
    process.kill()
    process.wait()


def sh(script: str) -> subprocess.CompletedProcess:
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, timeout=60)


def test_the_second_is_refused_and_told_who_has_it(path, holder, monkeypatch):
    monkeypatch.setattr(runlock, "GRACE", 0)
    refused = sh(runlock.hold_script(path, Run("other:2", 2, "other:2 bert on other")))
    assert refused.returncode == runlock.REFUSED
    told = runlock.refusal(runlock.read_note(refused.stdout))
    assert told.startswith(
        "Another run is at work on this cluster: anna on laptop has been running site.yml since 14:03:12."
    )


def test_a_run_knows_its_own_lock(path, holder):
    assert sh(runlock.ask_script(path, Run("laptop:1", 1, ""), 0)).returncode == 0
    assert sh(runlock.ask_script(path, Run("laptop:11", 11, ""), 0)).returncode != 0
    assert sh(runlock.ask_script(path, Run("laptop:11", 11, ""), 0.2)).returncode != 0


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
    assert subprocess.run(["flock", "--nonblock", path, "true"], check=False).returncode == 0


def test_the_lock_is_free_when_the_session_above_it_is_gone(path, holder):
    holder.stdout.close()
    assert holder.wait(timeout=30) is not None
    assert subprocess.run(["flock", "--nonblock", path, "true"], check=False).returncode == 0


def test_a_run_describes_itself():
    run = Run.here(4711, "site.yml")
    assert run.note.startswith(run.key + " ")
    assert "has been running site.yml since" in run.note
    assert "\n" not in run.note


def test_a_machine_runs_one_kubeadm_at_a_time(tmp_path):
    with busy.busy("kubeadm", folder=str(tmp_path)):
        second = busy.busy("kubeadm", seconds=0, folder=str(tmp_path))
        with pytest.raises(TimeoutError, match="A kubeadm that an earlier run has started is still at work"), second:
            pass
    with busy.busy("kubeadm", seconds=0, folder=str(tmp_path)):
        pass
