# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the desk makes of releases and rules: who waits for whom, plain sentences, what stands against a decision."""

from __future__ import annotations

from typing import Any

import board as rules
import pytest
import rubric
from board import Board, Saying
from frame import sentence
from words import Words
from words import read as read_words

ENGLISH = Words("en", read_words()["en"])
JAPANESE = Words("ja", read_words()["ja"])
PEOPLE = {
    "ada": ["trainer"],
    "ben": ["reviewer"],
    "cleo": ["trainer", "reviewer"],
    "olga": ["operator"],
    "vic": ["viewer"],
    "zed": ["king"],
}
CHANGED = {"with": "digits-6", "cases": 360, "different": 14, "better": 11, "worse": 3, "mostly": "8 read as 3"}
SLICES = [
    {"name": "0", "cases": 36, "score": 1.0, "before": 1.0},
    {"name": "8", "cases": 36, "score": 0.889, "before": 0.944},
    {"name": "9", "cases": 36, "score": 0.972, "before": 0.975},
]


def gate(**model: Any) -> dict[str, Any]:
    return {"spec": {"people": PEOPLE, "models": {"digits": {"thresholds": {"accuracy": {"min": 0.93}}, **model}}}}


def release(name: str = "digits-7", phase: str = "Waiting", evidence: Any = None, **spec: Any) -> dict[str, Any]:
    found = {"scores": {"accuracy": 0.961}} if evidence is None else evidence
    return {
        "metadata": {"name": name},
        "spec": {
            "model": "digits",
            "askedBy": "ada",
            "cause": {"loop": "data"},
            **({"evidence": found} if found else {}),
            **spec,
        },
        "status": {"phase": phase},
    }


def board(*releases: dict[str, Any], **model: Any) -> Board:
    return Board({rules.name_of(one): one for one in releases}, gate(**model))


def decided(verdict: str = "approved", by: str = "ben") -> dict[str, Any]:
    return {"verdict": verdict, "by": by, "reason": "it is good enough", "at": "2026-01-01T00:00:00Z"}


def keys(sayings: list[Saying]) -> list[str]:
    return [saying.key for saying in sayings]


def test_roles_are_the_gates() -> None:
    seen = board()
    assert seen.roles("cleo") == {"trainer", "reviewer"}
    assert not seen.roles("nobody") and not seen.roles("zed") and not Board().roles("ada")
    assert seen.people() == ["ada", "ben", "cleo", "olga", "vic"]
    assert seen.reviewers("digits") == ["ben", "cleo"]
    assert board(reviewers=["ben", "ada"]).reviewers("digits") == ["ben"], "a list does not make a reviewer"


def test_models_releases_and_what_waits() -> None:
    seen = board(
        release("digits-2", "Replaced", decision=decided()),
        release("digits-10"),
        release("digits-9", "Live", decision=decided()),
        release("digits-11", "Training", evidence={}),
    )
    assert [rules.name_of(one) for one in seen.of("digits")] == ["digits-11", "digits-10", "digits-9", "digits-2"]
    assert rules.name_of(seen.live("digits")) == "digits-9"
    assert [rules.name_of(one) for one in seen.waiting()] == ["digits-10"]
    assert seen.next_name("digits") == "digits-12" and seen.next_name("other") == "other-1"


@pytest.mark.parametrize(
    ("phase", "decision", "shown"),
    [
        ("Waiting", None, "Waiting"),
        ("Waiting", decided(), "Approved"),
        ("Waiting", decided("refused"), "Refused"),
        ("Live", decided(), "Live"),
        ("RolledBack", decided(), "RolledBack"),
        ("", None, "Asked"),
    ],
)
def test_a_decision_counts_at_once(phase: str, decision: Any, shown: str) -> None:
    assert rules.phase(release(phase=phase, **({"decision": decision} if decision else {}))) == shown


@pytest.mark.parametrize(
    ("person", "release_", "model", "any_", "approve"),
    [
        ("ben", release(), {}, [], []),
        ("ada", release(), {}, ["bar.role", "bar.own"], []),
        ("vic", release(), {}, ["bar.role"], []),
        ("olga", release(), {}, ["bar.role"], []),
        ("cleo", release(askedBy="cleo"), {}, ["bar.own"], []),
        ("cleo", release(askedBy="cleo"), {"alone": True}, [], []),
        ("cleo", release(), {"reviewers": ["ben"]}, ["bar.list"], []),
        ("ben", release(evidence={}), {}, ["bar.noevidence"], []),
        ("ben", release(decision=decided()), {}, ["bar.decided"], []),
        ("ben", release(evidence={"scores": {"accuracy": 0.9}}), {}, [], ["bar.below"]),
        ("ben", release(evidence={"scores": {"accuracy": 0.93}}), {}, [], []),
        ("ben", release(evidence={"scores": {}}), {}, [], ["bar.noscore"]),
        ("ben", release(), {"thresholds": {"latencyMs95": {"max": 200}}}, [], ["bar.noscore"]),
        (
            "ben",
            release(evidence={"scores": {"latencyMs95": 201}}),
            {"thresholds": {"latencyMs95": {"max": 200}}},
            [],
            ["bar.above"],
        ),
        ("ben", release(), {"requiredTests": ["model-3"]}, [], ["bar.test"]),
        ("ben", release(answers={"model-3": {}}), {"requiredTests": ["model-3"]}, [], []),
        (
            "ben",
            release(evidence={"scores": {"accuracy": 1}, "tests": {"model-3": {"points": 0}}}),
            {"requiredTests": ["model-3"]},
            [],
            ["bar.test"],
        ),
        (
            "ben",
            release(evidence={"scores": {"accuracy": 1}, "tests": {"model-3": {"points": 0.5}}}),
            {"requiredTests": ["model-3"]},
            [],
            [],
        ),
        (
            "ben",
            release(
                evidence={"scores": {"accuracy": 1}, "tests": {"model-3": {"points": 0, "failed": True}}},
                answers={"model-3": {}},
            ),
            {"requiredTests": ["model-3"]},
            [],
            ["bar.failed"],
        ),
        ("ben", release(reviews={"ben": {}}), {"reviews": 2}, [], ["bar.reviews"]),
        ("ben", release(reviews={"ben": {}, "cleo": {}}), {"reviews": 2}, [], []),
        ("ben", release(askedBy="cleo", reviews={"ben": {}, "cleo": {}}), {"reviews": 2}, [], ["bar.reviews"]),
    ],
)
def test_what_stands_against_a_decision(person, release_, model, any_, approve) -> None:
    against, against_approval = rules.bars(release_, board(release_, **model), person)
    assert (keys(against), keys(against_approval)) == (any_, approve)
    for saying in [*against, *against_approval]:
        assert sentence(ENGLISH, saying) and sentence(JAPANESE, saying)


def test_plain_words() -> None:
    one = release(evidence={"scores": {"accuracy": 0.961}, "changed": CHANGED, "slices": SLICES})
    said = [sentence(ENGLISH, saying) for saying in rules.plain(one, board(one))]
    assert said == [
        "Of 360 cases held back for checking, 14 are read differently than by digits-6, which is live: "
        "11 now right, 3 now wrong.",
        "Where it is now wrong, it mostly reads 8 as 3.",
        "Right answers: 96.1%.",
        "It does worst with \u201c8\u201d: 88.9% of 36 cases right.",
        "It dropped most with \u201c8\u201d: 94.4% before, 88.9% now.",
        "It reaches every value that an approval needs.",
    ]
    assert sentence(JAPANESE, rules.plain(one, board(one))[0]) == (
        "検証用に取り分けた360件のうち、稼働中のdigits-6と答えが違うのは14件です。11件は新たに正解、3件は新たに不正解になりました。"
    )


def test_plain_words_of_the_first_and_of_one_that_was_decided() -> None:
    first = release(evidence={"scores": {"accuracy": 0.9}})
    assert keys(rules.plain(first, board(first))) == ["plain.first", "plain.score", "bar.below"]
    past = release(phase="Replaced", decision=decided(), evidence={"scores": {"accuracy": 0.961}, "changed": CHANGED})
    assert "digits-6, which was live at the time:" in sentence(ENGLISH, rules.plain(past, board(past))[0])
    apart = {"scores": {"accuracy": 0.961}, "tests": {"infra-7": {"points": 0, "failed": True}}}
    assert keys(rules.plain(release(evidence=apart), board()))[0] == "plain.apart"
    same = release(evidence={"scores": {"accuracy": 0.961}, "changed": {**CHANGED, "different": 0}})
    assert keys(rules.plain(same, board(same)))[0] == "plain.unchanged"


@pytest.mark.parametrize("phase", ["Asked", "Training", "Checking", "Failed"])
def test_before_there_is_evidence(phase: str) -> None:
    one = release(phase=phase, evidence={})
    assert keys(rules.plain(one, board(one))) == [f"plain.{phase}"]


def test_what_helper_texts_do_not_know_is_shown_as_it_is() -> None:
    assert "twins" in sentence(JAPANESE, Saying("plain.mostly", {"mostly": "twins"}))


def test_the_test_score_is_the_weakest_group() -> None:
    tests = {test: {"points": 1} for test in rubric.TESTS if test not in ("data-3", "data-5", "model-2")}
    one = release(evidence={"scores": {}, "tests": tests}, answers={"data-5": {"by": "ben"}})
    assert rules.score(one) == (5.5, {"data": 5.5, "model": 6, "infra": 7, "monitor": 7})
    answered = release(evidence={"scores": {}, "tests": tests}, answers={"data-5": {}, "data-3": {}, "model-2": {}})
    assert rules.score(answered)[0] == 6
    nothing = release(evidence={"scores": {}})
    assert rules.score(nothing)[0] == 0


def test_who_may_take_it_back() -> None:
    live = release(phase="Live", decision=decided())
    assert [person for person in PEOPLE if rules.may_roll_back(live, board(live), person)] == ["ben", "cleo", "olga"]
    for other in (
        release(),
        release(phase="Refused", decision=decided("refused")),
        release(phase="Replaced", decision=decided()),
    ):
        assert not rules.may_roll_back(other, board(other), "ben")
    assert not rules.may_roll_back({**live, "spec": {**live["spec"], "rollback": {"by": "ben"}}}, board(), "ben")


def test_the_main_score() -> None:
    one = release(evidence={"scores": {"f1": 0.8, "accuracy": 0.9, "latencyMs95": 3}})
    assert rules.main_score(one, {"thresholds": {"latencyMs95": {"max": 9}, "f1": {"min": 0.5}}}) == "f1"
    assert rules.main_score(one, {}) == "accuracy"
    assert rules.main_score(release(evidence={"scores": {}}), {}) == ""
