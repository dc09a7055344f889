# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said about a new model: counting, comparing and choosing, on plain data."""

from __future__ import annotations

import judge
import pytest
import rubric


def row(number, truth, new, old=None, confidence=0.9, part="all"):
    """One held-out case."""
    told = {"id": f"case-{number}", "slice": part, "truth": truth, "new": new, "confidence": confidence}
    told["right"] = new == truth
    if old is not None:
        told.update(old=old, wasRight=old == truth, differs=old != new)
    return told


def test_slices_begin_with_the_worst_and_compare_only_what_both_answered():
    rows = [
        row(1, "8", "3", "8", part="8"),
        row(2, "8", "8", part="8"),
        row(3, "3", "3", "8", part="3"),
    ]
    assert judge.slices(rows) == [
        {"name": "8", "cases": 2, "score": 0.5, "before": 1.0},
        {"name": "3", "cases": 1, "score": 1.0, "before": 0.0},
    ]


def test_confusion_counts_truth_by_answer():
    rows = [row(1, "a", "b"), row(2, "a", "a"), row(3, "b", "b"), row(4, "b", "unknown")]
    assert judge.confusion(rows, ["a", "b"]) == {"labels": ["a", "b"], "counts": [[1, 1], [0, 1]]}


def test_changed_says_better_worse_and_the_most_frequent_mistake():
    rows = [
        row(1, "8", "3", "8"),
        row(2, "8", "3", "8"),
        row(3, "1", "1", "7"),
        row(4, "2", "5", "6"),
        row(5, "2", "2", "2"),
        row(6, "9", "9"),
    ]
    told = judge.changed(rows, "digits-6")
    assert told == {"with": "digits-6", "cases": 5, "different": 4, "better": 1, "worse": 2, "mostly": "8 read as 3"}
    assert judge.in_words({"accuracy": 0.5}, told, 6) == (
        "50.0% of 6 held-out cases are right; 4 of 5 are answered differently from digits-6: 1 now right, 2 now wrong."
    )
    apart = "digits-6 has no model file on the volume."
    assert judge.in_words({"accuracy": 0.5}, None, 6, apart) == (
        "50.0% of 6 held-out cases are right; it could not be compared: digits-6 has no model file on the volume."
    )


def many(disagree):
    """Three hundred cases, some of which the two models answer differently."""
    return [
        row(n, "a", "b" if n < disagree else "a", "a", confidence=(n % 97) / 97, part="odd" if n % 2 else "even")
        for n in range(300)
    ]


def test_the_twenty_are_of_each_kind_and_then_come_others_that_changed():
    chosen = judge.choose(many(40), "digits-7")
    look, others = chosen[:20], chosen[20:]
    kinds = [one["why"] for one in look]
    assert kinds == sorted(kinds, key=["disagree", "unsure", "slice", "random"].index)
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"disagree": 10, "unsure": 5, "slice": 3, "random": 2}
    assert all(one["differs"] for one in others)
    assert len({one["id"] for one in chosen}) == len(chosen)


def test_the_cases_depend_on_the_release_and_on_nothing_else():
    rows = many(40)
    first = [one["id"] for one in judge.choose(rows, "digits-7")]
    assert first == [one["id"] for one in judge.choose(list(reversed(rows)), "digits-7")]
    assert first != [one["id"] for one in judge.choose(rows, "digits-8")]


@pytest.mark.parametrize(("rows", "count"), [([], 0), (many(0)[:7], 7), (many(0), 20), (many(300), 200)])
def test_few_cases_none_or_very_many(rows, count):
    assert len(judge.choose(rows, "digits-1")) == count


def test_without_confidences_there_is_no_unsure_case():
    rows = [row(n, "a", "a", confidence=None) for n in range(30)]
    assert {one["why"] for one in judge.choose(rows, "x-1")} == {"random"}


def test_population_stability_index():
    assert judge.psi([0.5, 0.5], [0.5, 0.5]) == 0
    assert judge.psi([0.5, 0.5], [0.25, 0.75]) == pytest.approx(0.2747, abs=1e-4)  # -.25·ln(.5) + .25·ln(1.5)
    assert judge.psi([1.0, 0.0], [0.0, 1.0]) > 5


@pytest.mark.parametrize(("part", "value"), [(0, 1), (0.5, 5), (0.95, 10), (1, 10)])
def test_percentile(part, value):
    assert judge.percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], part) == value


def test_no_values_have_no_percentile():
    assert judge.percentile([], 0.5) == 0


def test_the_rubric_has_28_tests_seven_in_each_section():
    assert len(rubric.TESTS) == 28
    for section in rubric.SECTIONS:
        assert [name for name in rubric.TESTS if name.startswith(section)] == [f"{section}-{n}" for n in range(1, 8)]


def test_the_score_is_the_least_of_the_four():
    points = {**{name: 1 for name in rubric.TESTS if not name.startswith("data")}, "data-1": 0.5, "data-2": 1}
    assert rubric.score(points) == (1.5, {"data": 1.5, "model": 7, "infra": 7, "monitor": 7})
    assert rubric.score({})[0] == 0


def checked(*broken, **points):
    """A release's spec whose check found this; the others have a whole point."""
    tests = {name: {"points": points.get(name.replace("-", "_"), 1)} for name in rubric.TESTS}
    for name in broken:
        tests[name] = {"points": 0, "failed": True}
    return {"evidence": {"tests": tests}}


def test_an_answer_is_half_a_point_and_makes_up_for_no_failed_test():
    spec = {**checked("infra-1", data_3=0, data_4=0.5), "answers": {"data-3": {}, "infra-1": {}, "model-2": {}}}
    told = rubric.points_of(spec)
    assert {name: points for name, points in told.items() if points != 1} == {
        "data-3": 0.5,
        "data-4": 0.5,
        "infra-1": 0,
    }
    assert rubric.score(told)[0] == 6
    assert rubric.points_of({}) == dict.fromkeys(rubric.TESTS, 0)


def test_what_the_next_half_point_takes():
    assert rubric.next_half(checked("data-1", data_3=0, data_5=0.5)) == {"data-3": "answer"}
    assert rubric.next_half(checked("data-1", data_5=0.5)) == {"data-1": "fix"}
    assert rubric.next_half(checked(data_5=0.5)) == {"data-5": "automate"}
    assert list(rubric.next_half({})) == ["data-1", "model-1", "infra-1", "monitor-1"], "each of the weakest sections"
    assert rubric.next_half(checked()) == {}
