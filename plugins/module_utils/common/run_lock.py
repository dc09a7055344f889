# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who runs a playbook on a cluster: the note beside the lock, and the shell scripts that hold it and ask for it."""

from __future__ import annotations

import getpass
import shlex
import socket
import time
from dataclasses import dataclass

#: Exit status of the script that holds the lock when somebody else has it.
REFUSED = 73
#: What it prints when it has the lock.
HELD = "held"
#: Seconds that the lock of a run that has just ended may need to become free: its SSH session must be noticed as gone.
GRACE = 5


@dataclass(frozen=True)
class Run:
    """One run of ansible-playbook.

    :ivar key: tells it from every other run.
    :ivar process: its process on the laptop.
    :ivar note: the key, and what a user wants to know about it; one line.
    """

    key: str
    process: int
    note: str

    @classmethod
    def here(cls, process: int, playbook: str) -> Run:
        """The run with this process on this computer."""
        host = socket.gethostname()
        key = f"{host}:{process}"
        since = time.strftime("%H:%M:%S %Z")
        who = f"{getpass.getuser()} on {host}"
        return cls(key, process, f"{key} {who} has been running {playbook} since {since} (process {process})")


def hold_script(path: str, run: Run) -> str:
    """A script that takes the lock and holds it until its output goes nowhere any more."""
    file, note = shlex.quote(path), shlex.quote(run.note)
    return "; ".join(
        [
            "umask 022",
            f"exec 9>>{file} || exit 74",
            f"flock -w {GRACE} 9 || {{ cat {file}; exit {REFUSED}; }}",
            f"printf '%s\\n' {note} >{file}",
            f"echo {HELD}",
            # Without the lock in sleep, so that the kernel frees it the moment that this shell dies.
            "while sleep 2 9>&-; do echo || exit 1; done",
        ]
    )


def ask_script(path: str, run: Run, seconds: float) -> str:
    """A script that succeeds if this run has the lock, or gets it within some seconds."""
    file, key = shlex.quote(path), shlex.quote(run.key + " ")
    look = f"grep -qsF -- {key} {file} && exit 0"
    return f"for try in $(seq {int(seconds * 10) + 1}); do {look}; sleep 0.1; done; exit 1" if seconds else look


def read_note(output: str) -> str:
    """The note in what the first script printed when somebody else has the lock."""
    return next((line.strip() for line in output.splitlines() if line.strip()), "")


def refusal(note: str) -> str:
    """The sentence for somebody whose run has to wait."""
    who = note.partition(" ")[2] or "somebody has been running a playbook"
    return (
        f"Another run is at work on this cluster: {who}. Wait until it ends, or end it there with Ctrl-C; then run this"
        " again."
    )
