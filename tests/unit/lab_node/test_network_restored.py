# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After demo-down, a machine's network is as it was before the lab started an engine on it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "lab/network"
#: A firewall with rules of the machine's owner and of the engine, as `iptables -S` prints it.
FILTER = """\
-P INPUT ACCEPT
-P FORWARD DROP
-N DOCKER
-N DOCKER-USER
-N OWN
-A FORWARD -j DOCKER-USER
-A FORWARD -m comment --comment "mine, for DOCKER; $(touch harm)" -j OWN
-A FORWARD -i docker0 -o eth0 -m comment --comment "its own" -j ACCEPT
-A DOCKER ! -i docker0 -o docker0 -j DROP
"""
NAT = "-P PREROUTING ACCEPT\n-N DOCKER\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
IPTABLES = """\
#!/bin/bash
table=filter
[ "$1" != -t ] || { table=$2; shift 2; }
case "$1" in
-S) [ ! -e $STATE/$table ] || { if [ -n "$2" ]; then grep -- "^-P $2" $STATE/$table; else cat $STATE/$table; fi; } ;;
-X) sed -i "/^-N $2\\$/d" $STATE/$table; echo "$table $*" >> $STATE/calls ;;
*) printf '%s' "$table"  >> $STATE/calls; printf ' [%s]' "$@" >> $STATE/calls; echo >> $STATE/calls ;;
esac
"""
IP = """\
#!/bin/bash
case "$1 $2" in
"link show") [ -e $STATE/bridge ] ;;
"link delete") rm $STATE/bridge ;;
esac
"""


class Machine:
    """A machine with a firewall that is files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in (
            ("iptables", IPTABLES),
            ("ip6tables", "#!/bin/sh\n"),
            ("ip", IP),
            ("sudo", '#!/bin/sh\n"$@"\n'),
        ):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)

    def put(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def run(self, word: str) -> None:
        environment = {
            **os.environ,
            "PATH": f"{self.folder}:/usr/bin:/bin",
            "STATE": str(self.folder),
            "BRAMBLE_IP_FORWARD": str(self.folder / "forward"),
        }
        subprocess.run([SCRIPT, word, self.folder / "noted"], env=environment, cwd=self.folder, check=True)

    def engine_starts(self) -> None:
        self.put("filter", FILTER)
        self.put("nat", NAT)
        self.put("forward", "1\n")
        self.put("bridge", "")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_as_it_was(machine: Machine) -> None:
    machine.put("filter", "-P FORWARD ACCEPT\n-N OWN\n")
    machine.put("forward", "0\n")
    machine.run("note")
    machine.engine_starts()
    machine.run("restore")
    calls = (machine.folder / "calls").read_text()
    assert "filter [-D] [FORWARD] [-j] [DOCKER-USER]\n" in calls
    assert "[-D] [FORWARD] [-i] [docker0] [-o] [eth0] [-m] [comment] [--comment] [its own] [-j] [ACCEPT]\n" in calls
    assert "nat [-D] [PREROUTING]" in calls and "filter [-P] [FORWARD] [ACCEPT]\n" in calls
    assert "filter -X DOCKER-USER" in calls and "nat -X DOCKER" in calls
    assert "OWN" not in calls and "mine" not in calls and not (machine.folder / "harm").exists()
    assert not (machine.folder / "bridge").exists() and (machine.folder / "forward").read_text() == "0\n"


def test_what_another_engine_had_left_stays(machine: Machine) -> None:
    machine.engine_starts()
    machine.run("note")
    machine.run("restore")
    assert (machine.folder / "bridge").exists() and (machine.folder / "forward").read_text() == "1\n"
    assert (machine.folder / "calls").read_text() == "filter [-P] [FORWARD] [DROP]\n"


def test_without_notes_nothing_is_touched(machine: Machine) -> None:
    machine.engine_starts()
    machine.run("restore")
    assert (machine.folder / "bridge").exists() and not (machine.folder / "calls").exists()
