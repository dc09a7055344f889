# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords, and patience for those who guess."""

from __future__ import annotations

import logins
import pytest
from logins import Logins, Patience, hashed, matches

HASH = hashed("correct horse")


def test_only_the_password_fits() -> None:
    assert matches("correct horse", HASH)
    assert not any(matches(word, HASH) for word in ("", "correct", "correct horse ", "x" * 5000))


def test_a_hash_as_others_write_it() -> None:
    """RFC 7914's own example (section 12), in this form."""
    wanted = "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
    assert matches("pleaseletmein", f"scrypt:16384:8:1:{b'SodiumChloride'.hex()}:{wanted}")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "plain",
        "scrypt:1:2",
        "scrypt:3:8:1:00:00",
        "md5:16384:8:1:00:00",
        "scrypt:16384:8:1:zz:00",
        "scrypt:99999999999:8:1:00:00",
    ],
)
def test_a_broken_line_lets_nobody_in(line: str) -> None:
    assert not matches("", line)


def test_the_folder(tmp_path) -> None:
    (tmp_path / "ada").write_text(HASH + "\n")
    (tmp_path / "empty").write_text("")
    (tmp_path.parent / "outside").write_text(HASH)
    known = Logins(tmp_path)
    assert known.check("ada", "correct horse")
    assert not known.check("ada", "wrong")
    for name in ("ben", "empty", "", "..", "../outside", "Ada", "ada\n", "..data"):
        assert not known.check(name, "correct horse"), name
    assert known.mark("ada") and not known.mark("ben")


def test_nobody_has_no_password_at_all(tmp_path, monkeypatch) -> None:
    """Not even one that would hash to what stands in for a login that is not there."""
    monkeypatch.setattr(logins, "scrypt", lambda *_given: bytes(32))
    assert matches("anything", logins._NOBODY)
    assert not Logins(tmp_path).check("ada", "anything")


def test_a_new_password_has_another_mark(tmp_path) -> None:
    (tmp_path / "ada").write_text(HASH)
    before = Logins(tmp_path).mark("ada")
    (tmp_path / "ada").write_text(hashed("correct horse"))
    assert Logins(tmp_path).mark("ada") != before


def test_an_unknown_name_costs_as_much_as_a_wrong_password(tmp_path, monkeypatch) -> None:
    tried = []
    monkeypatch.setattr(logins, "scrypt", lambda *given: tried.append(given) or b"x" * 32)
    (tmp_path / "ada").write_text(HASH)
    Logins(tmp_path).check("ada", "x")
    Logins(tmp_path).check("nobody", "x")
    assert len(tried) == 2 and tried[0][2:] == tried[1][2:] == (16384, 8, 1)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_wrong_password_waits_twice_as_long() -> None:
    clock = Clock()
    patience = Patience(clock)
    waits = []
    for _try in range(8):
        patience.failed("ada", "10.0.0.1")
        waits.append(patience.wait("ada", "10.0.0.1"))
    assert waits == [0, 0, 0, 2, 4, 8, 16, 32]
    clock.now += 32
    assert patience.wait("ada", "10.0.0.1") == 0


def test_no_wait_is_longer_than_five_minutes() -> None:
    patience = Patience(Clock())
    for _try in range(2000):
        patience.failed("ada", "10.0.0.1")
    assert patience.wait("ada", "10.0.0.1") == 300


def test_guessing_at_a_name_keeps_its_owner_out_for_seconds_only() -> None:
    patience = Patience(Clock())
    for place in range(500):
        patience.failed("ada", f"10.0.{place // 250}.{place % 250}")
    assert 0 < patience.wait("ada", "192.168.1.7") <= 20
    assert patience.wait("ben", "192.168.1.7") == 0


def test_an_address_that_tries_many_names_waits() -> None:
    patience = Patience(Clock())
    for place in range(40):
        patience.failed(f"name{place}", "10.0.0.1")
    assert patience.wait("fresh", "10.0.0.1") == 60


def test_the_right_password_forgives() -> None:
    patience = Patience(Clock())
    for _try in range(6):
        patience.failed("ada", "10.0.0.1")
    patience.passed("ada", "10.0.0.1")
    assert patience.wait("ada", "10.0.0.1") == 0


def test_memory_has_an_end(monkeypatch) -> None:
    monkeypatch.setattr(logins, "REMEMBERED", 50)
    patience = Patience(Clock())
    for place in range(500):
        patience.failed(f"name{place}", f"10.0.0.{place}")
    assert len(patience._failed) <= 50
