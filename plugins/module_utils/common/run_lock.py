# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""One run at a time on a cluster: the shell scripts that hold the lock, and what a task makes of the lock's state.

`flock` decides. The note in the locked file says who has the lock, and is believed only while the process that wrote
it, which had the lock when it did, is alive: a process never gives the lock up before its end.
"""

from __future__ import annotations

import getpass
import secrets
import shlex
import socket
import time
from dataclasses import dataclass

#: Exit status of the script that holds the lock when another run has it.
REFUSED = 73
#: What it prints when it has the lock.
HELD = "held"
#: Line of the note while the session of the run that has the lock is cut: it will end or come back, so others wait.
CUT = "cut"
#: What the line of the note begins with that a run writes when it comes back to its lock; its process follows.
BACK = "back"
#: Seconds that a lock may need to become free: that of a run which has just ended, or of this run's own cut session.
GRACE = 5
#: Seconds for which the lock outlives its SSH session, so that a run whose session was cut can come back to it.
LINGER = 20
#: Seconds for which a task waits until the run has its lock again. A reboot is no such wait: its task takes as long.
PATIENCE = 120


@dataclass(frozen=True)
class Run:
    """One run of ansible-playbook.

    :ivar key: made by chance, so that it tells this run from every other one, also from one in a container with the
        same host name and process number.
    :ivar process: its process on the laptop.
    :ivar note: what a user wants to know about it; one line.
    """

    key: str
    process: int
    note: str

    @classmethod
    def here(cls, process: int, playbook: str) -> Run:
        """The run with this process on this computer."""
        since = time.strftime("%H:%M:%S %Z")
        who = f"{getpass.getuser()} on {socket.gethostname()}"
        return cls(
            secrets.token_hex(16), process, f"{who} has been running {playbook} since {since} (process {process})"
        )


def _mine(file: str, key: str) -> str:
    """A shell function: whether a living process of this run has the lock; `$holder` is its number."""
    test = f'[ "$key" = {key} ] && grep -qsaF {key} "/proc/$holder/cmdline"'
    return f"mine() {{ read -r key holder rest <{file} && {test}; }}"


def hold_script(path: str, run: Run) -> str:
    """A script that takes the lock, and holds it until `LINGER` seconds after its output goes nowhere any more."""
    file, note = shlex.quote(path), shlex.quote(run.note)
    # A cut session's process is ended only when this one is next in the kernel's queue (proc_locks(5)). Nobody else
    # comes between: others do not queue, and whoever is quicker gives the lock up for a living run that comes back.
    # A machine too slow for that tries again, or waits for the end of LINGER.
    queued = f'grep -q -- "-> FLOCK .*:$(stat -L -c %i {file}) " /proc/locks'
    kill = f'for try in $(seq {GRACE * 3}); do sleep 0.3; {queued} && kill -9 "$holder" && break; done'
    take_over = f"echo {BACK} $$ >>{file}; {{ {kill}; }} >/dev/null 2>&1 9>&- & flock -w {GRACE} 9 && break"
    returning = f'pid=$(sed -n "s/^{BACK} //p" {file} | tail -n 1); [ "${{pid:-$$}}" != $$ ]'
    other_is_back = f'read -r key rest <{file} && {returning} && grep -qsaF "$key" "/proc/$pid/cmdline"'
    return "\n".join(
        [
            "umask 022; trap '' PIPE HUP",
            f"exec 9>>{file} || exit 74",
            _mine(file, run.key),
            f"back() {{ {other_is_back}; }}",
            "tries=0",
            "until flock -n 9 && ! { back && flock -u 9; }; do",
            f"  if mine; then {take_over}; fi",
            f"  grep -qx {CUT} {file} || tries=$((tries + 1))",
            f"  [ $tries -gt {GRACE * 5} ] && {{ cat {file}; exit {REFUSED}; }}",
            "  sleep 0.2",
            "done",
            f"printf '%s %s %s\\n' {run.key} $$ {note} >{file}",
            f"echo {HELD}",
            # sleep has neither the lock nor the session, so that both end the moment that this shell dies.
            "while sleep 2 9>&- >/dev/null; do",
            f"  [ {file} -ef /proc/$$/fd/9 ] || exit 75",  # a file that somebody has removed keeps nobody out
            "  echo || break",
            "done 2>/dev/null",
            f"echo {CUT} >>{file}",
            f"sleep {LINGER} 9>&- >/dev/null",
        ]
    )


def ask_script(path: str, run: Run, seconds: float) -> str:
    """A script that succeeds if this run has the lock, or gets it within some seconds."""
    file = shlex.quote(path)
    # Here flock asks alone; it succeeds if nobody has the lock.
    look = f"mine 2>/dev/null && ! flock -n {file} true && exit 0"
    tries = int(seconds * 10) + 1
    return f"{_mine(file, run.key)}\nfor try in $(seq {tries}); do {look}; sleep 0.1; done; exit 1"


def release_script(path: str, run: Run) -> str:
    """A script that frees the lock if this run has it."""
    return f'{_mine(shlex.quote(path), run.key)}\nmine 2>/dev/null && kill -9 "$holder"'


def read_note(output: str) -> str:
    """Who has the lock, in what the first script printed when it was refused."""
    line = next((line for line in output.splitlines() if line.strip()), "")
    return (line.split(None, 2) + ["", "", ""])[2].strip() or "somebody has been running a playbook"


def refusal(note: str) -> str:
    """The sentence for somebody whose run has to wait."""
    return (
        f"Another run is active on this cluster: {note}. Wait until it ends, or end it there with Ctrl-C; then run"
        " this again."
    )


def loss(note: str) -> str:
    """The sentence for somebody whose run has lost the lock to another one."""
    return (
        f"This run has lost the cluster's lock, and another run has it now: {note}. Wait until that one ends; then run"
        " this again, and it continues where it stopped."
    )


# What the keeper on the laptop knows about the lock ------------------------------------------------------------------
#: It is being taken for the first time.
TAKING = "taking"
#: The run had it, its session is gone, and it is being taken again.
AGAIN = "again"
#: The run does not have it and will not get it; the text says why.
STOP = "stop"


def verdict(state: str, text: str, keeper_lives: bool, waited: float) -> str | None:
    """What a task has to do.

    :param state: `HELD`, `TAKING`, `AGAIN` or `STOP`.
    :param text: what belongs to the state: why the run has to stop, or what the last try to take the lock said.
    :param keeper_lives: whether the process on the laptop that keeps the lock is there.
    :param waited: seconds for which this task has waited.
    :returns: "" to go on, None to wait, otherwise the sentence with which to stop.
    """
    if state == STOP:
        return text
    if not keeper_lives:
        return (
            "The process on this computer that keeps the cluster's lock has ended, so nothing keeps other runs out any "
            "more; run this again, and it continues where it stopped."
        )
    if state == HELD:
        return ""
    if waited < PATIENCE:
        return None
    lost = "has lost the cluster's lock and cannot take it back" if state == AGAIN else "cannot take the cluster's lock"
    return f"This run {lost} within {PATIENCE} seconds{': ' + text if text else ''}; run it again."
