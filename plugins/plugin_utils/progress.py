# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a run is, what the last one of its kind took, and a line at the bottom of the terminal that says so."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from ansible.utils.display import get_text_width

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file

#: A step of a run: the play's name, the task's name, and the seconds it took.
Step = tuple[str, str, float]


def clock(seconds: float) -> str:
    """Seconds as ``m:ss``, or ``h:mm:ss``."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def shortened(text: str, width: int) -> str:
    """The text in at most so many columns of a terminal, with an ellipsis where something is left out."""
    text = "".join(char if char.isprintable() else " " for char in text)
    if get_text_width(text) <= width:
        return text
    while text and get_text_width(text) > width - 1:
        text = text[:-1]
    return text.rstrip() + "…" if width > 0 else ""


@dataclass
class Run:
    """One run: where it is, and what the last run with the same options took (empty if there is none)."""

    plays: int
    last: list[Step] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    play_number: int = 0
    play: str = ""
    task: str = ""
    task_started: float = 0.0
    hosts: list[str] = field(default_factory=list)
    attempt: str = ""
    done: list[Step] = field(default_factory=list)
    #: How many steps of the last run are behind us.
    passed: int = 0
    #: Seconds that this step took in the last run, if it had it.
    usual: float | None = None

    def begin_play(self, name: str) -> None:
        """The next play."""
        self.end_task()
        self.play_number, self.play = self.play_number + 1, name

    def begin_task(self, name: str, now: float) -> None:
        """The next task; the last run's step of this name, if one is still ahead, says how long it may take."""
        self.end_task(now)
        self.task, self.task_started, self.hosts, self.attempt, self.usual = name, now, [], "", None
        for index in range(self.passed, len(self.last)):
            play, task, seconds = self.last[index]
            if (play, task) == (self.play, name):
                self.passed, self.usual = index + 1, seconds
                break

    def end_task(self, now: float | None = None) -> None:
        """Keep what the task took."""
        if self.task:
            now = time.monotonic() if now is None else now
            self.done.append((self.play, self.task, round(now - self.task_started, 1)))
        self.task = ""

    def begin_host(self, name: str) -> None:
        """A host works on the task."""
        if name not in self.hosts:
            self.hosts.append(name)

    def end_host(self, name: str) -> None:
        """A host is done with the task."""
        if name in self.hosts:
            self.hosts.remove(name)

    def remaining(self, now: float) -> float | None:
        """Seconds still to come if all goes as in the last run; None without one."""
        if not self.last:
            return None
        here = max(0.0, self.usual - (now - self.task_started)) if self.usual is not None else 0.0
        return here + sum(seconds for _play, _task, seconds in self.last[self.passed :])

    def line(self, now: float, width: int) -> str:
        """What is happening, in at most ``width`` columns: place and times are kept, names give way."""
        place = f"{self.play_number}/{self.plays}" if self.plays else ""
        times = []
        if self.task:
            last = f" (last time {clock(self.usual)})" if self.usual is not None and self.usual >= 1 else ""
            times.append(clock(now - self.task_started) + last + self.attempt)
        left = self.remaining(now)
        times.append(f"{clock(now - self.started)} in all" + (f", {clock(left)} to go as last time" if left else ""))
        right = " · ".join(times)
        names = [self.play, self.task, ", ".join(self.hosts)]
        middle = shortened(" · ".join(name for name in names if name), width - get_text_width(place + right) - 6)
        return shortened(" · ".join(part for part in (place, middle, right) if part), width)


class Memory:
    """What the last runs took, in a file beside the inventory; a file that cannot be read or written is no memory."""

    #: Kinds of runs that are kept, the newest last.
    KEPT = 20

    def __init__(self, path: str, kind: str) -> None:
        """``kind`` tells runs apart that cannot be compared: playbook, tags, limit, check mode."""
        self.path, self.kind = path, kind

    def _all(self) -> dict[str, list[Step]]:
        try:
            with open(self.path, encoding="utf-8") as file:
                read = json.load(file)
            return {
                str(kind): [(str(play), str(task), float(seconds)) for play, task, seconds in steps]
                for kind, steps in read.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def read(self) -> list[Step]:
        """Steps of the last run of this kind."""
        return self._all().get(self.kind, [])

    def write(self, steps: Iterable[Step]) -> None:
        """Keep these steps; the file is whole at any time."""
        kept = {kind: old for kind, old in self._all().items() if kind != self.kind}
        kept = dict([*kept.items(), (self.kind, list(steps))][-self.KEPT :])
        with contextlib.suppress(OSError):
            atomic_file.replace(self.path, json.dumps(kept, ensure_ascii=False).encode(), durable=False)


class BottomLine:
    """The last row of a terminal, kept out of what scrolls above it, as apt does for its progress bar."""

    def __init__(self, terminal: int) -> None:
        """``terminal`` is the descriptor of a terminal."""
        self.terminal, self.rows = terminal, 0

    def _write(self, text: str) -> None:
        # One write each: nothing that Ansible prints can come in between.
        try:
            os.write(self.terminal, text.encode("utf-8", "replace"))
        except OSError:  # the terminal is gone
            self.rows = 0

    def width(self) -> int:
        """Columns, one less than there are: a full last row could scroll."""
        try:
            return os.get_terminal_size(self.terminal).columns - 1
        except OSError:
            return 0

    def show(self, text: str) -> None:
        """Put this text there."""
        try:
            rows = os.get_terminal_size(self.terminal).lines
        except OSError:
            return
        if rows < 4:
            self.close()
            return
        start = ""
        if rows != self.rows:
            # A line feed, so that the cursor is not in the row that is taken; then what scrolls is all but that row.
            start = f"\n\0337\033[1;{rows - 1}r\0338\033[1A"
            self.rows = rows
        self._write(f"{start}\0337\033[{rows};1H\033[2K\033[2m{text}\033[0m\0338")

    def close(self) -> None:
        """Give the row back."""
        if self.rows:
            self._write(f"\0337\033[r\033[{self.rows};1H\033[2K\0338")
            self.rows = 0
