# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the desk keeps: sessions that end, judgements whose last word counts, conversations and whom they call."""

from __future__ import annotations

import threading

import pytest
from store import IDLE, Judgement, Store


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept(tmp_path, clock):
    store = Store(tmp_path / "desk.sqlite", clock)
    yield store
    store.close()


def judged(item: str, verdict: str = "same", label: str | None = None, **answers: str) -> Judgement:
    return Judgement(item, verdict, label, answers, "2026-01-01T00:00:00Z")


def test_a_session_ends_after_twelve_hours_without_use(kept: Store, clock: Clock) -> None:
    token = kept.start_session("ada", "mark")
    for _hour in range(30):  # used each hour, it goes on
        clock.now += 3600
        assert kept.session(token) == ("ada", "mark")
    clock.now += IDLE + 1
    assert kept.session(token) is None


def test_logging_out_ends_this_session_alone(kept: Store) -> None:
    one, other = kept.start_session("ada", ""), kept.start_session("ada", "")
    kept.end_session(one)
    assert kept.session(one) is None and kept.session(other)
    assert kept.session("") is None and kept.session("guess") is None


def test_the_file_holds_no_token(kept: Store, tmp_path) -> None:
    token = kept.start_session("ada", "")
    kept.close()
    assert all(token.encode() not in file.read_bytes() for file in tmp_path.iterdir())
    assert (tmp_path / "desk.sqlite").stat().st_mode & 0o077 == 0


def test_a_form_belongs_to_its_session(kept: Store) -> None:
    one, other = kept.start_session("ada", ""), kept.start_session("ada", "")
    assert kept.fits(one, kept.form_token(one))
    assert not kept.fits(one, kept.form_token(other)) and not kept.fits(one, "") and not kept.fits(one, "é")


def test_all_of_it_outlives_a_restart(kept: Store, tmp_path, clock) -> None:
    token = kept.start_session("ada", "mark")
    form, seed = kept.form_token(token), kept.seed("digits-1", "ada")
    kept.judge("digits-1", "ada", judged("a", "newBetter", "3", urgent="today"))
    kept.comment("digits-1", "", "ada", "hello", set())
    kept.close()
    again = Store(tmp_path / "desk.sqlite", clock)
    assert again.session(token) == ("ada", "mark") and again.form_token(token) == form
    assert again.seed("digits-1", "ada") == seed
    assert again.judgements("digits-1", "ada") == {"a": judged("a", "newBetter", "3", urgent="today")}
    assert [comment.text for comment in again.comments("digits-1")] == ["hello"]
    again.close()


def test_the_last_word_counts(kept: Store) -> None:
    kept.judge("digits-1", "ada", judged("a", "same"))
    kept.judge("digits-1", "ada", judged("a", "newBetter"))
    kept.judge("digits-1", "ben", judged("a", "oldBetter"))
    assert kept.judgements("digits-1", "ada")["a"].verdict == "newBetter"


def test_unfinished_reviews_stay_their_owners(kept: Store) -> None:
    kept.seed("digits-1", "ada")
    kept.judge("digits-1", "ada", judged("a"))
    assert kept.finished("digits-1", "ada") is None and kept.finished_judgements("digits-1") == []
    assert kept.corrected("digits-1", "ada") == []
    kept.finish("digits-1", "ada", "fine", ["a"])
    assert kept.corrected("digits-1", "ada") == ["a"]
    assert kept.finished("digits-1", "ada")[1] == "fine"
    assert [(person, one.item) for person, one in kept.finished_judgements("digits-1")] == [("ada", "a")]


def test_mentions_reach_people_and_nobody_else(kept: Store) -> None:
    people = {"ada", "ben", "cleo"}
    text = "@ben and @cleo, see me@ada.example; @nobody, @ben again, and I am @ada"
    assert kept.comment("digits-1", "case-3", "ada", text, people) == ["ben", "cleo"]
    assert [(one.release, one.item, one.author) for one in kept.unseen("ben")] == [("digits-1", "case-3", "ada")]
    assert kept.unseen("ada") == []
    kept.saw("ben", "digits-2")
    assert kept.unseen("ben")
    kept.saw("ben", "digits-1")
    assert kept.unseen("ben") == [] and kept.unseen("cleo")


def test_settings(kept: Store) -> None:
    assert kept.settings("ada") == ("", True)
    kept.set_settings("ada", "ja", False)
    assert kept.settings("ada") == ("ja", False)


def test_twenty_at_once_lose_nothing(kept: Store) -> None:
    def work(number: int) -> None:
        for item in range(20):
            kept.judge("digits-1", f"person{number}", judged(str(item)))
            kept.comment("digits-1", "", f"person{number}", str(item), set())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(kept.judgements("digits-1", f"person{number}")) == 20 for number in range(20))
    assert len(kept.comments("digits-1")) == 400
