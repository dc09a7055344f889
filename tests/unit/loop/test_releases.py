# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which release the laptop takes back, and the table of the ML Test Score."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.loop import releases

GATE = {
    "people": {"ada": ["trainer"], "ben": ["reviewer"], "olga": ["operator"], "vic": ["viewer"]},
    "models": {"digits": {}, "wine": {}},
}
WHY = "it reads eights as threes"


def release(name, phase="Replaced", replaced="", verdict="approved", rollback=False, tests=None, answers=None):
    spec = {"model": name.rpartition("-")[0], "evidence": {"tests": tests or {}}}
    if verdict:
        spec["decision"] = {"verdict": verdict, "by": "ben"}
    if rollback:
        spec["rollback"] = {"by": "ben"}
    if answers:
        spec["answers"] = answers
    return {"metadata": {"name": name}, "spec": spec, "status": {"phase": phase, "replaced": replaced}}


THREE = [
    release("digits-1"),
    release("digits-2", "RolledBack", "digits-1", rollback=True),
    release("digits-10", "Live", "digits-2"),
    release("digits-11", "Waiting", verdict=""),
    release("digits-12", "Shadow"),
    release("wine-1", "Live"),
]


@pytest.mark.parametrize(
    ("wanted", "by", "plan"),
    [
        ("digits", "ben", ("digits-10", "ben", "digits-1", False)),
        ("digits-10", "olga", ("digits-10", "olga", "digits-1", False)),
        ("digits-12", "ben", ("digits-12", "ben", "digits-10", False)),
        ("digits-2", "ben", ("digits-2", "ben", "digits-10", True)),
    ],
)
def test_what_goes_back_to_what(wanted, by, plan):
    told = releases.rollback(THREE, GATE, wanted, by, WHY)
    assert told["error"] == ""
    assert (told["release"], told["by"], told["back_to"], told["done"]) == plan


@pytest.mark.parametrize(
    ("wanted", "by", "reason", "sentence"),
    [
        ("", "ben", WHY, "Name the model to roll back, such as -e loop_rollback=digits."),
        ("digitz", "ben", WHY, "There is no model and no release digitz; there is digits and wine."),
        ("wine", "ben", WHY, "wine-1 has replaced no release that could answer, so there is nothing to go back to."),
        ("digits-11", "ben", WHY, "digits-11 was never approved, so there is nothing to go back from."),
        ("digits-1", "ben", WHY, "digits-1 is Replaced, so it answers nobody; name the release that is live."),
        ("digits", "", WHY, "Name who rolls back digits-10, such as -e loop_rollback_by=ben; ben or olga may."),
        ("digits", "ada", WHY, "ada may not roll back digits-10; ben or olga may."),
        (
            "digits",
            "ben",
            "so",
            "Give a reason to roll back digits-10, in at least 10 characters: -e \"loop_rollback_reason='…'\".",
        ),
    ],
)
def test_what_cannot_go_back_is_refused_in_one_sentence(wanted, by, reason, sentence):
    assert releases.rollback(THREE, GATE, wanted, by, reason)["error"] == sentence


def test_nothing_is_live():
    told = releases.rollback([], GATE, "wine", "ben", WHY)
    assert told["error"] == "No release of wine is live, so there is nothing to go back from."


def test_the_only_person_who_may_need_not_be_named():
    gate = {**GATE, "people": {"ben": ["reviewer"], "ada": ["trainer"]}}
    assert releases.rollback(THREE, gate, "digits", "", WHY)["by"] == "ben"


def test_the_score_of_what_is_live_and_of_what_waits():
    tests = {name: {"points": 1, "note": "seen"} for name in releases.rubric().TESTS if name != "data-3"}
    tests["infra-1"] = {"points": 0, "failed": True, "note": "3 answers are different."}
    answer = {"by": "ada", "at": "2026-01-02T03:04:05Z", "text": "nobody pays"}
    seen = [
        release("digits-7", "Live", tests=tests, answers={"data-3": answer}),
        release("digits-8", "Waiting", verdict="", tests=tests),
        release("digits-6", "Replaced", tests=tests),
    ]
    lines = releases.scores(seen)
    heads = [line for line in lines if "ML Test Score" in line]
    assert heads == [
        "digits-8, waits for a decision: ML Test Score 6 of 7, the least of data 6, model 7, infra 6, monitor 7",
        "digits-7, live: ML Test Score 6 of 7, the least of data 6.5, model 7, infra 6, monitor 7",
    ]
    assert sum(line.startswith(("  data-", "  model-", "  infra-", "  monitor-")) for line in lines) == 2 * 28
    assert any(line.startswith("  data-3     0.5  ") and "ada, 2026-01-02: nobody pays" in line for line in lines)
    assert "  next: data-3, somebody answers it on the desk" in lines
    assert lines[-1].startswith("  next: infra-1, the check found that it does not hold")
    assert releases.scores(seen, "wine") == []
