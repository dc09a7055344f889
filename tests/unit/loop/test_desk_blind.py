# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A review is blind: order and sides say nothing, and what is counted is what was meant."""

from __future__ import annotations

import blind
import pytest
from hypothesis import given
from hypothesis import strategies as st

IDS = [f"case-{number}" for number in range(200)]
seeds = st.binary(min_size=16, max_size=16)
two = {"id": "a", "old": "3", "new": "8"}
one = {"id": "a", "new": "8"}
same = {"id": "a", "old": "8", "new": "8"}


@given(seeds)
def test_the_order_is_each_case_once_and_stays(seed: bytes) -> None:
    assert sorted(blind.order(seed, IDS)) == sorted(IDS)
    assert blind.order(seed, IDS) == blind.order(seed, reversed(IDS))


def test_two_reviewers_have_another_order_and_other_sides() -> None:
    assert blind.order(b"a" * 16, IDS) != blind.order(b"b" * 16, IDS)
    sides = [[blind.new_is_a(seed, case) for case in IDS] for seed in (b"a" * 16, b"b" * 16)]
    assert sides[0] != sides[1]


def test_sides_are_even_and_do_not_follow_the_order() -> None:
    first = early = 0
    for number in range(50):
        seed = number.to_bytes(16, "big")
        order = blind.order(seed, IDS)
        first += sum(blind.new_is_a(seed, case) for case in order)
        early += sum(blind.new_is_a(seed, case) for case in order[:20])
    assert abs(first / 10_000 - 0.5) < 0.02  # four standard deviations
    assert abs(early / 1_000 - 0.5) < 0.07


@given(seeds)
def test_the_better_side_is_whose_answer_was_shown_there(seed: bytes) -> None:
    shown = blind.answers(seed, two)
    assert sorted(shown) == ["3", "8"]
    for side, answer in zip("AB", shown):
        assert blind.verdict(seed, two, side) == ("newBetter" if answer == "8" else "oldBetter")


@given(seeds, st.sampled_from([two, one, same]), st.sampled_from(("A", "B", "same", "right", "wrong", "unknown")))
def test_a_verdict_leads_back_to_its_button(seed: bytes, case: dict, choice: str) -> None:
    try:
        given_ = blind.verdict(seed, case, choice)
    except ValueError:
        assert (choice in ("A", "B", "same")) != blind.compares(case)
        return
    assert blind.choice(seed, case, given_) == choice


@pytest.mark.parametrize("case", [one, same])
def test_one_answer_is_right_or_wrong(case: dict) -> None:
    assert blind.answers(b"x", case) == ("8",)
    with pytest.raises(ValueError):
        blind.verdict(b"x", case, "A")
    assert blind.verdict(b"x", case, "wrong") == "wrong"


@pytest.mark.parametrize("choice", ["", "C", "newBetter", "a"])
def test_no_other_choice(choice: str) -> None:
    with pytest.raises(ValueError):
        blind.verdict(b"x", two, choice)


@given(st.lists(st.sampled_from(blind.VERDICTS)))
def test_the_tally_adds_up(verdicts: list[str]) -> None:
    tally = blind.tally(verdicts)
    assert tally.pop("judged") == sum(tally.values()) == len(verdicts)
