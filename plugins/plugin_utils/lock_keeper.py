# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holds a lock on a machine for as long as a run of ansible-playbook lives, and tells the run's tasks how it stands.

A task's own SSH session ends with the task, and ControlPersist keeps the connection below it open for minutes after
the run: neither lives as long as the run does. So three processes on the laptop do nothing else:

- the guard waits for the end of ansible-playbook, however that happens, frees the lock, and ends all three;
- the keeper starts sessions, one after the other ended, and writes down whether the run has the lock;
- the session is one SSH session with `flock` at its other end.

What the keeper writes down lies in a folder that no other run has, Ansible's local temporary folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ansible_collections.bramble.kube.plugins.module_utils.common.run_lock import (
    AGAIN,
    HELD,
    REFUSED,
    STOP,
    TAKING,
    Run,
    ask_script,
    hold_script,
    loss,
    read_note,
    refusal,
    release_script,
    verdict,
)

#: Runs a shell script on the machine; returns its exit status, and what it printed or why there is no connection.
Execute = Callable[[str], tuple[int, str]]
#: Exit status when there is no connection, as ssh has it.
NO_CONNECTION = 255


class Slate:
    """What this run's tasks can read about one lock.

    :param folder: its own.
    :param host: the machine's name in the inventory; known to the one that makes it.
    """

    def __init__(self, folder: Path, host: str = "") -> None:
        self._folder, self._host = folder, host
        self._alive = -1

    @classmethod
    def of(cls, folder: str, host: str, path: str) -> Slate:
        """That of a lock of the run with this temporary folder."""
        name = hashlib.sha256(f"{host}\0{path}".encode()).hexdigest()[:16]
        return cls(Path(folder) / "bramble.kube.run_lock" / name, host)

    @classmethod
    def all(cls, folder: str) -> list[Slate]:
        """Those of all locks of the run with this temporary folder."""
        return [cls(found) for found in Path(folder).glob("bramble.kube.run_lock/[!.]*")]

    def begin(self) -> bool:
        """Make it, as the one whose life counts; False when another task of this run has done so."""
        self._folder.parent.mkdir(mode=0o700, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".", dir=self._folder.parent))
        self._alive = os.open(beside / "alive", os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._alive, fcntl.LOCK_EX)
        (beside / "host").write_text(self._host, encoding="utf-8")
        Slate(beside).write(TAKING)
        try:
            beside.rename(self._folder)
        except OSError:
            self.leave()
            shutil.rmtree(beside)
            return False
        return True

    def leave(self) -> None:
        """From now on it is not this process whose life counts."""
        os.close(self._alive)

    def write(self, state: str, text: str = "") -> None:
        """Write down how the lock stands."""
        self._put("state", json.dumps([state, text]))

    def _put(self, name: str, text: str) -> None:
        """Write a file; not once the run has ended, and the folder is gone."""
        with contextlib.suppress(FileNotFoundError):
            beside = self._folder / f"{name}.{os.getpid()}.part"
            beside.write_text(text, encoding="utf-8")
            beside.replace(self._folder / name)

    def _get(self, name: str) -> str:
        try:
            return (self._folder / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    @property
    def host(self) -> str:
        """The machine's name in the inventory."""
        return self._get("host")

    @property
    def address(self) -> str:
        """Where the machine is by now; empty where it was when the lock was taken."""
        return self._get("address")

    def move(self, address: str) -> None:
        """Let the keeper look for the machine at another address."""
        if address and address != self.address:
            self._put("address", address)

    def read(self) -> tuple[str, str]:
        """How the lock stands; a pair of empty texts when this run never asked for it."""
        state, text = json.loads(self._get("state") or '["", ""]')
        return state, text

    def keeper_lives(self) -> bool:
        """Whether the process that writes it is there."""
        with (self._folder / "alive").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def wait(self) -> str:
        """Wait while the lock is being taken.

        :returns: "" when this run has the lock, otherwise why it has to stop.
        """
        begun = time.monotonic()
        while True:
            lives = self.keeper_lives()  # asked first: a keeper writes why it gives up, and then ends
            told = verdict(*self.read(), lives, time.monotonic() - begun)
            if told is not None:
                return told
            time.sleep(0.1)


class Keeper:
    """The three processes.

    :param execute: runs a script on the machine; may take as long as the run does.
    """

    def __init__(self, execute: Execute, path: str, run: Run, slate: Slate) -> None:
        self._execute, self._path, self._run, self._slate = execute, path, run, slate

    def start(self) -> None:
        """Start them, and return at once."""
        child = os.fork()
        if child == 0:
            os.setsid()
            if os.fork() == 0:
                self._guard()
            os._exit(0)
        os.waitpid(child, 0)
        self._slate.leave()

    def _guard(self) -> None:
        try:
            guard = os.getpid()
            keeper = os.fork()
            if keeper == 0:
                os.setpgid(0, 0)
                self._keep(guard)
            self._slate.leave()
            wait_for_end(self._run.process)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(keeper, signal.SIGKILL)  # the keeper, the session and its SSH
            self._execute(release_script(self._path, self._run))
        finally:
            os._exit(0)

    def _keep(self, guard: int) -> None:
        had = False
        try:
            while True:
                held, code, output = self._session(guard)
                had = had or held
                if code == REFUSED:
                    self._slate.write(STOP, (loss if had else refusal)(read_note(output)))
                    break
                trouble = " ".join(output.split())[-300:]
                if not had and code != NO_CONNECTION:
                    self._slate.write(STOP, f"The lock {self._path} cannot be taken: {trouble or f'exit code {code}'}")
                    break
                # The machine reboots, or the connection was cut.
                self._slate.write(AGAIN if had else TAKING, trouble)
                time.sleep(0.5)
        finally:
            os._exit(0)

    def _session(self, guard: int) -> tuple[bool, int, str]:
        """Hold the lock until the session ends.

        :returns: whether the run had the lock in it, the script's exit status and what it printed.
        """
        reading, writing = os.pipe()
        session = os.fork()
        if session == 0:
            try:
                self._slate.leave()
                code, output = self._execute(hold_script(self._path, self._run))
                os.write(writing, json.dumps([code, output.strip()[:2000]]).encode())
            finally:
                os._exit(0)
        os.close(writing)
        held = False
        with open(reading, encoding="utf-8") as answer:
            while not select.select([answer], [], [], 0.5 if held else 0)[0]:
                if os.getppid() != guard:
                    os.killpg(0, signal.SIGKILL)
                if not held and self._execute(ask_script(self._path, self._run, 1))[0] == 0:
                    held = True
                    self._slate.write(HELD)
            os.waitpid(session, 0)
            code, output = json.loads(answer.read() or f'[{NO_CONNECTION}, "the session was ended"]')
        return held, code, output


def wait_for_end(process: int) -> None:
    """Return when a process that is no child of this one has ended; a zombie has."""
    with contextlib.suppress(ProcessLookupError):
        with contextlib.suppress(AttributeError):  # neither Linux nor new enough
            select.select([os.pidfd_open(process)], [], [])
            return
        while True:
            os.kill(process, 0)
            time.sleep(0.5)
