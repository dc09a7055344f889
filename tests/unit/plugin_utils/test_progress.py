"""The line at the bottom of the terminal: what it says, what it remembers, and how a terminal looks with it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pyte
import pytest
from ansible.utils.display import get_text_width

from ansible_collections.bramble.kube.plugins.callback.progress import kind_of_run, memory_path
from ansible_collections.bramble.kube.plugins.plugin_utils.progress import Memory, Run, clock, shortened

LAST = [("Prepare", "Packages", 70.0), ("Prepare", "Swap", 2.0), ("Join", "Join", 30.0)]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.9, "0:59"), (61, "1:01"), (3600, "1:00:00")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("text", "width", "short"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("a\nb\x1b", 9, "a b "), ("日本語", 5, "日本…"), ("abc", 0, "")],
)
def test_shortened_to_columns(text: str, width: int, short: str) -> None:
    assert shortened(text, width) == short


def test_what_the_last_run_took_is_beside_what_this_one_takes() -> None:
    run = Run(plays=2, last=LAST, started=0.0)
    run.begin_play("Prepare")
    run.begin_task("Packages", 10.0)
    run.begin_host("pi-1")
    assert run.line(58.0, 200) == (
        "1/2 · Prepare · Packages · pi-1 · 0:48 (last time 1:10) · 0:58 in all, 0:54 to go as last time"
    )
    # Longer than last time: nothing is left of this step, and no time is negative.
    assert run.remaining(500.0) == 32.0


def test_what_the_last_run_did_not_do_has_no_time() -> None:
    run = Run(plays=2, last=LAST, started=0.0)
    run.begin_play("Prepare")
    run.begin_task("Kernel", 10.0)
    assert run.line(15.0, 200) == "1/2 · Prepare · Kernel · 0:05 · 0:15 in all, 1:42 to go as last time"


def test_what_this_run_leaves_out_is_not_waited_for() -> None:
    run = Run(plays=2, last=LAST, started=0.0)
    run.begin_play("Prepare")
    run.begin_play("Join")
    run.begin_task("Join", 10.0)
    assert run.remaining(10.0) == 30.0


def test_a_task_of_the_same_name_comes_twice() -> None:
    run = Run(plays=1, last=[("A", "Wait", 5.0), ("A", "Wait", 50.0)], started=0.0)
    run.begin_play("A")
    run.begin_task("Wait", 0.0)
    assert run.usual == 5.0
    run.begin_task("Wait", 5.0)
    assert run.usual == 50.0


def test_the_first_run_claims_nothing() -> None:
    run = Run(plays=2, started=0.0)
    run.begin_play("Prepare")
    run.begin_task("Swap", 1.0)
    assert run.line(4.0, 200) == "1/2 · Prepare · Swap · 0:03 · 0:04 in all"


@pytest.mark.parametrize("width", range(0, 120, 7))
def test_the_line_fits_and_times_are_kept(width: int) -> None:
    run = Run(plays=2, last=LAST, started=0.0)
    run.begin_play("Prepare the Pis 日本語")
    run.begin_task("Packages of Kubernetes", 10.0)
    run.begin_host("k8s-node1")
    line = run.line(58.0, width)
    assert get_text_width(line) <= width
    assert width < 84 or line.endswith("to go as last time")


def test_kinds_of_runs() -> None:
    plain = {"tags": ["all"], "skip_tags": [], "subset": None, "check": False}
    assert kind_of_run("site.yml", plain) == "site.yml"
    other = {"tags": ["kubeadm", "base"], "skip_tags": ["x"], "subset": "k8s-node1", "check": True}
    assert kind_of_run("site.yml", other) == "site.yml --tags base,kubeadm --skip-tags x --limit k8s-node1 --check"


def test_the_memory_is_beside_the_inventory(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").touch()
    here = str(tmp_path / ".progress.json")
    assert memory_path([str(tmp_path)]) == here
    assert memory_path([str(tmp_path / "hosts.yml")]) == here
    assert memory_path(["pi-1,pi-2,"]) == ""


def test_the_memory_keeps_the_last_run_of_each_kind(tmp_path: Path) -> None:
    path = tmp_path / "m"
    Memory(str(path), "site.yml").write([("A", "a", 1.0)])
    Memory(str(path), "status.yml").write([("B", "b", 2.0)])
    Memory(str(path), "site.yml").write([("A", "a", 3.0)])
    assert Memory(str(path), "site.yml").read() == [("A", "a", 3.0)]
    assert Memory(str(path), "status.yml").read() == [("B", "b", 2.0)]
    for number in range(40):
        Memory(str(path), f"other-{number}").write([])
    assert len(json.loads(path.read_text())) == Memory.KEPT
    assert [file.name for file in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"site.yml": 3}', '{"site.yml": [["a", "b", "c"]]}', "\x00"])
def test_a_damaged_memory_is_none(tmp_path: Path, damage: str) -> None:
    (tmp_path / "m").write_text(damage)
    assert Memory(str(tmp_path / "m"), "site.yml").read() == []
    Memory(str(tmp_path / "m"), "site.yml").write([("A", "a", 1.0)])
    assert Memory(str(tmp_path / "m"), "site.yml").read() == [("A", "a", 1.0)]


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path) -> None:
    Memory(str(tmp_path / "absent" / "m"), "site.yml").write([("A", "a", 1.0)])


class Terminal:
    """ansible-playbook in a terminal of so many rows."""

    def __init__(self, folder: Path, rows: int = 14, columns: int = 100, **environment: str) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environ = {name: value for name, value in os.environ.items() if name != "CI"}
        environ |= {"TERM": "xterm-256color", "ANSIBLE_CALLBACKS_ENABLED": "bramble.kube.progress", **environment}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ansible", "playbook", "-i", folder, folder / "site.yml"],
            stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True,
        )  # fmt: skip
        os.close(slave)

    def until(self, wanted: Callable[[list[str]], bool], seconds: float = 60) -> list[str]:
        """Rows of the screen as soon as they are as wanted, or when the program has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    read = os.read(self.master, 65536)
                except OSError:
                    read = b""
                if not read:
                    self.process.wait(60)
                    return self.rows()
                self.stream.feed(read)
            if wanted(self.rows()):
                return self.rows()
        raise AssertionError("\n".join(self.rows()))

    def rows(self) -> list[str]:
        """Rows of the screen."""
        return [row.rstrip() for row in self.screen.display]

    def to_its_end(self) -> list[str]:
        """The screen after the run."""
        rows = self.until(lambda _rows: False)
        os.close(self.master)
        return rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hosts.ini").write_text("pi-1 ansible_connection=local\n")
    (tmp_path / "site.yml").write_text(
        """
- name: Prepare
  hosts: all
  gather_facts: false
  tasks:
    - name: Packages
      ansible.builtin.command: sleep 3
      changed_when: false
    - name: Show much
      ansible.builtin.debug: {msg: "{{ range(40) | list }}"}
- name: Join
  hosts: all
  gather_facts: false
  tasks:
    - name: Wait for it
      ansible.builtin.command: sleep 2
      changed_when: false
"""
    )
    return tmp_path


def test_a_run_in_a_terminal(folder: Path) -> None:
    first = Terminal(folder)
    # On a busy machine, a second more or less is shown.
    moved = re.compile(r"1/2 · Prepare · Packages · pi-1 · \d:\d[1-9] · ")
    assert moved.match(first.until(lambda rows: moved.match(rows[-1]))[-1])
    # Everything that scrolls, scrolls above it.
    rows = first.until(lambda rows: "Wait for it · pi-1" in rows[-1])
    assert rows[-1].startswith("2/2 · Join · ")
    assert not [row for row in rows[:-1] if " in all" in row]
    rows = first.to_its_end()
    assert first.process.returncode == 0
    assert not [row for row in rows if " in all" in row]
    assert [row for row in rows if row.startswith("PLAY RECAP")]
    assert first.screen.margins is None

    second = Terminal(folder)
    known = re.compile(r".* · Packages · pi-1 · \d:\d\d \(last time \d:\d\d\) · .* to go as last time$")
    assert known.match(second.until(lambda rows: known.match(rows[-1]))[-1])
    second.to_its_end()


def test_the_terminal_is_whole_after_an_interrupt(folder: Path) -> None:
    run = Terminal(folder)
    run.until(lambda rows: "Packages · pi-1" in rows[-1])
    os.killpg(run.process.pid, signal.SIGINT)
    rows = run.to_its_end()
    assert run.process.returncode != 0
    assert run.screen.margins is None
    assert not [row for row in rows if " in all" in row]
    assert not (folder / ".progress.json").exists()


def test_a_run_that_failed_is_not_kept(folder: Path) -> None:
    play = (folder / "site.yml").read_text().replace("sleep 3", "sleep x")
    (folder / "site.yml").write_text(play)
    run = Terminal(folder)
    run.to_its_end()
    assert run.process.returncode == 2
    assert not (folder / ".progress.json").exists()


@pytest.mark.parametrize("environment", [{"CI": "true"}, {"TERM": "dumb"}], ids=str)
def test_quiet_where_nobody_looks(folder: Path, environment: dict[str, str]) -> None:
    (folder / "site.yml").write_text((folder / "site.yml").read_text().replace("sleep 3", "sleep 1"))
    run = Terminal(folder, **environment)
    rows = run.until(lambda rows: any(" in all" in row for row in rows))
    os.close(run.master)
    assert run.process.returncode == 0
    assert [row for row in rows if row.startswith("PLAY RECAP")]
    assert not (folder / ".progress.json").exists()
