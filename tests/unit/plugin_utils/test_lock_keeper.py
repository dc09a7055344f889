# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes that keep a run's lock, run for real: this machine is laptop and master, and a shell the SSH."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible.errors import AnsibleLookupError

from ansible_collections.bramble.kube.plugins.lookup.run_lock import LookupModule
from ansible_collections.bramble.kube.plugins.module_utils.common import run_lock
from ansible_collections.bramble.kube.plugins.module_utils.common.run_lock import AGAIN, HELD, STOP, TAKING, Run
from ansible_collections.bramble.kube.plugins.plugin_utils.lock_keeper import NO_CONNECTION, Keeper, Slate

#: Where the machine answers, too, in a run that has given it another address.
NEW_ADDRESS = "192.168.13.99"


def wait(what: str, condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.05)


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


class Laptop:
    """A run of ansible-playbook with its keeper.

    :ivar process: stands for ansible-playbook.
    :ivar offline: while this file is there, there is no connection to the machine.
    """

    def __init__(self, folder: Path, path: Path) -> None:
        folder.mkdir()
        self.path, self.offline = path, folder / "offline"
        self.process = subprocess.Popen(["sleep", "600"])
        self.run = Run.here(self.process.pid, "site.yml")
        self.folder = folder
        self.slate = Slate.of(str(folder), "master", str(path))
        assert self.slate.begin()
        Keeper(self.execute, str(path), self.run, self.slate).start()

    def execute(self, script: str) -> tuple[int, str]:
        if self.offline.exists() and self.slate.address != NEW_ADDRESS:
            return NO_CONNECTION, "no route to host"
        # Not in the keeper's process group: nobody on a laptop can kill what runs on a Pi.
        command = ["setsid", "--wait", "sh", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout or done.stderr

    def end(self) -> None:
        """As kill -9."""
        self.process.kill()
        self.process.wait()

    def keeps(self, process: int) -> bool:
        """Whether a process has the slate's lock open."""
        try:
            opened = [os.readlink(entry) for entry in Path(f"/proc/{process}/fd").iterdir()]
        except OSError:
            return False
        return any(str(self.folder) in name for name in opened)

    @property
    def keeper(self) -> int:
        found: list[int] = []

        def one() -> bool:  # a session that is just being forked still has it open
            found[:] = [int(e.name) for e in Path("/proc").iterdir() if e.name.isdigit() and self.keeps(int(e.name))]
            return len(found) == 1

        wait("one keeper", one)
        return found[0]

    def holder(self) -> int:
        """The process that holds the lock, as it wrote it down."""
        wait("the note, which is written after the lock was taken", self.path.read_text)
        return int(self.path.read_text().split()[1])

    def cut(self) -> None:
        """Cut the SSH session; the process at its other end does not hear of it at once."""
        for session in children(self.keeper):
            os.kill(session, signal.SIGKILL)

    def has(self) -> bool:
        return self.slate.read()[0] == HELD and self.execute(run_lock.ask_script(str(self.path), self.run, 0))[0] == 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


@pytest.fixture
def laptop(tmp_path: Path, path: Path) -> Iterator[Callable[[str], Laptop]]:
    made = []

    def make(name: str) -> Laptop:
        made.append(Laptop(tmp_path / name, path))
        return made[-1]

    yield make
    for one in made:
        one.end()
    if path.is_file():
        wait("the end of all keepers", lambda: is_free(path))


def is_free(path: Path) -> bool:
    return subprocess.run(["flock", "--nonblock", path, "true"], check=False).returncode == 0


def test_the_lock_is_there_when_the_wait_is_over_and_gone_with_the_run(laptop, path):
    anna = laptop("anna")
    assert anna.slate.wait() == ""
    assert anna.has()
    anna.end()
    wait("a free lock", lambda: is_free(path), 5)


def test_a_second_run_is_refused_and_the_first_one_goes_on(laptop):
    anna = laptop("anna")
    assert anna.slate.wait() == ""
    assert laptop("bert").slate.wait().startswith(f"Another run is active on this cluster: {anna.run.note}. Wait")
    assert anna.has()


def test_a_cut_session_is_begun_again_and_nobody_gets_in_meanwhile(laptop, path):
    anna = laptop("anna")
    assert anna.slate.wait() == ""
    first, free = anna.holder(), 0
    anna.cut()
    deadline = time.monotonic() + 20
    while not (anna.has() and anna.holder() != first):
        free += is_free(path)
        assert time.monotonic() < deadline
    assert free == 0
    assert anna.slate.wait() == ""


def test_the_lock_is_taken_again_after_a_reboot(laptop, path):
    """The holder is gone with all that is in /run, and for a while there is no connection."""
    anna = laptop("anna")
    assert anna.slate.wait() == ""
    anna.offline.touch()
    os.kill(anna.holder(), signal.SIGKILL)
    path.unlink()
    wait("the keeper to notice", lambda: anna.slate.read() == (AGAIN, "no route to host"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_lock, "PATIENCE", 0)
        assert "has lost the cluster's lock and cannot take it back within 0 seconds: no route" in anna.slate.wait()
    anna.offline.unlink()
    assert anna.slate.wait() == ""
    assert anna.has()


class Raw:
    """A templar for variables without templates."""

    def template(self, value: str) -> str:
        return value


@pytest.mark.parametrize(
    "variables",
    [
        {"inventory_hostname": "master", "ansible_host": NEW_ADDRESS, "hostvars": {"master": {"ansible_host": "old"}}},
        {"inventory_hostname": "node1", "ansible_host": "x", "hostvars": {"master": {"ansible_host": NEW_ADDRESS}}},
    ],
)
def test_the_lock_is_taken_again_where_the_run_has_moved_the_machine_to(laptop, variables):
    """As role base does, which goes on at base_static_address."""
    anna = laptop("anna")
    assert anna.slate.wait() == ""
    first = anna.holder()
    anna.offline.touch()
    anna.cut()
    wait("the keeper to notice", lambda: anna.slate.read()[0] == AGAIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ansible.constants.DEFAULT_LOCAL_TMP", str(anna.folder))
        assert LookupModule(templar=Raw()).run([], variables) == [{}]
    wait("a session at the new address", lambda: anna.has() and anna.holder() != first)


def test_a_run_that_lost_its_lock_to_another_one_stops(laptop, path):
    anna = laptop("anna")
    assert anna.slate.wait() == ""
    anna.offline.touch()
    os.kill(anna.holder(), signal.SIGKILL)
    wait("the keeper to notice", lambda: anna.slate.read()[0] == AGAIN)
    bert = laptop("bert")
    assert bert.slate.wait() == ""
    anna.offline.unlink()
    told = anna.slate.wait()
    assert told.startswith(f"This run has lost the cluster's lock, and another run has it now: {bert.run.note}.")
    lookup = LookupModule()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ansible.constants.DEFAULT_LOCAL_TMP", str(anna.folder))
        with pytest.raises(AnsibleLookupError, match="This run has lost the cluster's lock"):
            lookup.run([])
        patch.setattr("ansible.constants.DEFAULT_LOCAL_TMP", str(bert.folder))
        assert lookup.run([]) == [{}]
    bert.end()
    wait("a free lock", lambda: is_free(path), 5)
    assert anna.slate.wait() == told, "it does not come back"


def test_one_who_waits_gets_in_when_the_holders_run_is_killed(laptop):
    anna = laptop("anna")
    assert anna.slate.wait() == ""
    bert = laptop("bert")
    time.sleep(1)
    assert bert.slate.read()[0] == TAKING
    anna.end()
    assert bert.slate.wait() == ""
    assert bert.has()


def test_a_run_whose_keeper_was_killed_stops(laptop):
    anna = laptop("anna")
    assert anna.slate.wait() == ""
    os.kill(anna.keeper, signal.SIGKILL)
    wait("the kernel", lambda: not anna.slate.keeper_lives())
    assert "keeps the cluster's lock has ended" in anna.slate.wait()


def test_a_lock_that_cannot_be_taken_is_said_with_its_reason(laptop, path):
    path.mkdir()
    told = laptop("anna").slate.wait()
    assert told.startswith(f"The lock {path} cannot be taken: ")
    assert "irectory" in told


def test_one_task_of_a_run_makes_the_slate(tmp_path):
    first, second = (Slate.of(str(tmp_path), "master", "/run/lock") for _task in range(2))
    assert first.begin()
    assert not second.begin()
    assert second.keeper_lives()
    assert [slate.read()[0] for slate in Slate.all(str(tmp_path))] == [TAKING]
    assert Slate.of(str(tmp_path), "other", "/run/lock").read() == ("", "")
    first.leave()
    assert not second.keeper_lives()


def test_a_keeper_writes_nothing_when_the_runs_folder_is_gone(tmp_path):
    Slate.of(str(tmp_path / "gone"), "master", "/run/lock").write(STOP, "why")
    assert not (tmp_path / "gone").exists()
