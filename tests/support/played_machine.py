# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that is a folder, whose programs answer and do what a test says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done, System

Answer = str | Done | Callable[[list[str]], "str | Done | None"]


class Played(System):
    """Every program succeeds and prints nothing, unless a test says otherwise.

    :ivar asked: the commands that were run, in their order.
    :ivar environments: what each got besides the usual environment.
    :ivar fed: what each read.
    :ivar limits: seconds after which each would have been stopped.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.asked: list[str] = []
        self.environments: list[dict[str, str]] = []
        self.fed: list[str] = []
        self.limits: list[float | None] = []
        self._answers: dict[str, list[Answer]] = {}

    def says(self, words: str, *answers: Answer) -> None:
        """What a command with these words answers, one after the other; the last one from then on.

        The words that were given last win.
        """
        self._answers = {words: list(answers), **{other: a for other, a in self._answers.items() if other != words}}

    def put(self, path: str, text: str | bytes = "x", mode: int = 0o644) -> Path:
        """Write a file."""
        file = Path(self.path(path))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        file.chmod(mode)
        return file

    def at(self, path: str) -> Path:
        """Where a path of the machine is."""
        return Path(self.path(path))

    def mode(self, path: str) -> int:
        """Permission bits."""
        return self.at(path).stat().st_mode & 0o7777

    def files(self, below: str = "/") -> dict[str, str]:
        """Every file and its text."""
        top = self.at(below)
        return {
            "/" + str(path.relative_to(self.root)): path.read_bytes().decode("utf-8", "replace")
            for path in sorted(top.rglob("*"))
            if path.is_file()
        }

    def call(self, arguments: Iterable[str], timeout: float | None = None, data: str = "", **environment: str) -> Done:
        """As System does."""
        words = list(arguments)
        line = " ".join(words)
        self.asked.append(line)
        self.environments.append(environment)
        self.fed.append(data)
        self.limits.append(timeout)
        for part, answers in self._answers.items():
            if part in line:
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                answer = answer(words) if callable(answer) else answer
                if answer is not None:
                    return Done(0, answer, "") if isinstance(answer, str) else answer
        return Done(0, "", "")


class Clock:
    """Time that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._looks = 0

    def monotonic(self) -> float:
        """What it says."""
        self._looks += 1
        assert self._looks < 10_000, "it waits without sleeping"
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let it go on."""
        self.slept.append(seconds)
        self.now += seconds
        self._looks = 0
        assert len(self.slept) < 10_000, "it waits for ever"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time for everything that imports ``time``."""
    made = Clock()
    monkeypatch.setattr("time.monotonic", made.monotonic)
    monkeypatch.setattr("time.sleep", made.sleep)
    return made


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Played:
    """A machine on which nothing is. Files cannot be given to root by everybody who runs tests."""
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    monkeypatch.setattr(os, "chown", lambda *_: None)
    return Played(tmp_path / "root")


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files and folders that were brought to the card, as they were called then."""
    found: list[str] = []

    def fsync(number: int, real: Callable[[int], None] = os.fsync) -> None:
        found.append(os.readlink(f"/proc/self/fd/{number}"))
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    return found
