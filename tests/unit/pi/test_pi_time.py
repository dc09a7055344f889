# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The step that waits for the right time, and the question to a time server."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.pi import ntp
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import clock

TEN_YEARS = 315360000
CHRONY = "Id=chrony.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n"
OPTIONS = {name: option["default"] for name, option in clock.OPTIONS.items()}


def answer(at: float, first: int = 0x24, stratum: int = 2) -> bytes:
    """A time server's answer."""
    return struct.pack("!BB", first, stratum) + bytes(38) + struct.pack("!II", int(at + ntp.EPOCH) % 2**32, 2**31)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (answer(1790000000), 1790000000.5),
        (answer(2100000000), 2100000000.5),  # after 2036, when the seconds begin anew
        (answer(1790000000, stratum=0), None),  # "kiss of death": do not ask again
        (answer(1790000000, stratum=16), None),
        (answer(1790000000, first=0xE4), None),  # the server's own clock is not synchronised
        (answer(1790000000, first=0x23), None),  # a question
        (b"hello", None),
    ],
)
def test_the_time_in_an_answer(given: bytes, told: float | None) -> None:
    assert ntp.when(given) == told


@pytest.fixture
def server() -> Iterator[int]:
    """Port of a time server that answers once, ten years ago."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("127.0.0.1", 0))
    listening.settimeout(5)

    def serve() -> None:
        _question, sender = listening.recvfrom(512)
        listening.sendto(answer(time.time() - TEN_YEARS), sender)

    thread = threading.Thread(target=serve)
    thread.start()
    yield listening.getsockname()[1]
    thread.join()
    listening.close()


def test_a_server_is_asked(server: int) -> None:
    assert abs(ntp.ask("127.0.0.1", port=server) + TEN_YEARS - time.time()) < 2


def test_nobody_answers() -> None:
    assert ntp.ask("127.0.0.1", timeout=0.1, port=9) is None


def put_chrony(pi, offset: float) -> None:
    """A machine whose chrony is synchronised, and knows an offset."""
    pi.programs["systemctl show"] = CHRONY
    pi.programs["chronyc -n -c tracking"] = f"C0A80D01,192.168.13.1,3,1.0,{offset},0,0,0,0,0,0,0,0,Normal\n"


def test_a_server_with_another_time_is_refused_before_it_is_set(pi, monkeypatch) -> None:
    put_chrony(pi, 0)
    monkeypatch.setattr(ntp, "ask", lambda server: time.time() - TEN_YEARS)
    wanted = {**OPTIONS, "servers": ["10.0.0.1"], "reference": time.time()}
    with pytest.raises(
        Stop, match=r"By the time server 10.0.0.1 it is 20.* UTC, but on the computer that runs Ansible"
    ):
        clock.run(pi, wanted, False)
    assert pi.read(clock.CHRONY_FILE) == ""


def test_servers_that_are_set_already_are_neither_asked_nor_set_again(pi, monkeypatch) -> None:
    put_chrony(pi, 0)
    monkeypatch.setattr(ntp, "ask", lambda server: pytest.fail("a server was asked"))
    wanted = {**OPTIONS, "servers": ["10.0.0.1"]}
    file, text = clock.wanted_file("chrony", wanted["servers"])
    pi.put(file, text)
    assert clock.run(pi, wanted, True)["diff"] == []


@pytest.mark.parametrize(("offset", "behind"), [(TEN_YEARS, 0), (0, TEN_YEARS)])
def test_a_clock_that_is_synchronised_to_another_time_is_no_right_clock(pi, monkeypatch, offset, behind) -> None:
    """Behind: the computer that runs Ansible."""
    put_chrony(pi, offset)
    monkeypatch.setattr(clock, "_SETTING", 0)
    wanted = {**OPTIONS, "reference": time.time() - behind}
    assert clock.is_due(pi, wanted)
    with pytest.raises(Stop, match=r"By the clock, which is synchronised, it is .*base_ntp_servers"):
        clock.run(pi, wanted, False)


@pytest.mark.parametrize("wanted", [{"reference": 0.0}, {"reference": 1.0, "tolerance": 0}])
def test_nothing_is_compared_unless_wanted(pi, wanted: dict) -> None:
    put_chrony(pi, 0)
    assert not clock.is_due(pi, {**OPTIONS, **wanted})
    assert clock.run(pi, {**OPTIONS, **wanted}, False)["synchronized"]
