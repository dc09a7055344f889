# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may become of a release, and the sentence that a person sees when it may not: decided by a real API server."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from loop_api import GOOD, RELEASES, Person, Refused, decision, proof

pytestmark = pytest.mark.lab

AT = "2026-01-02T03:04:05Z"


def told(call: Callable[..., Any], *arguments: Any, by_policy: bool = True, **options: Any) -> str:
    """The sentence by which a request is refused."""
    with pytest.raises(Refused) as refused:
        call(*arguments, **options)
    assert refused.value.by_policy == by_policy, refused.value
    return str(refused.value)


# A new release -------------------------------------------------------------------------------------------------------


def test_a_release_in_somebody_elses_name_is_refused(people):
    sentence = told(people["ada"].release, "digits", "cleo")
    assert sentence == "You are ada, so the release must be asked for by ada."


def test_a_trainer_and_the_program_hand_ask_and_nobody_else(people):
    assert people["ada"].release("digits", "ada").startswith("digits-")
    assert people["hand"].release("digits", "system:serviceaccount:loop:hand").startswith("digits-")
    sentence = told(people["admin"].release, "digits", "admin")
    assert sentence == "Only a trainer may ask for a release; admin has no role here."
    for name in ("ben", "olga", "vic"):
        sentence = told(people[name].release, "digits", name, by_policy=False)
        assert sentence.endswith(
            f'User "{name}" cannot create resource "releases" in API group "loop.bramble.kube" in the namespace "loop"'
        )


def test_a_release_is_of_a_model_that_the_gate_has(people):
    sentence = told(people["ada"].release, "digitz", "ada")
    known = re.fullmatch(r"There is no model digitz in loop_models; there is (.*)\.", sentence)
    assert known and sorted(known.group(1).split(", ")) == ["care", "digits", "iris", "solo", "wine"]


@pytest.mark.parametrize("name", ["iris-1", "digits", "digits-0", "digits-01", "digits-x", "digits-1-2"])
def test_a_release_is_called_by_its_model_and_a_number(people, name):
    sentence = told(people["ada"].release, "digits", "ada", name)
    assert sentence == (
        f"A release of the model digits is named after it, with a number, such as digits-7; this one is called {name}."
    )


@pytest.mark.parametrize("label", [None, "iris"])
def test_the_label_is_the_models(people, label):
    body = {
        "apiVersion": "loop.bramble.kube/v1alpha1",
        "kind": "Release",
        "metadata": {"name": "digits-900", "labels": {"loop.bramble.kube/model": label} if label else {}},
        "spec": {"model": "digits", "cause": {"loop": "code"}, "askedBy": "ada"},
    }
    sentence = told(people["ada"].ask, "POST", RELEASES, body)
    assert sentence == "digits-900 must have the label loop.bramble.kube/model: digits."


def test_the_label_stays(people, ready):
    name = ready()
    change = {"metadata": {"labels": {"loop.bramble.kube/model": "iris"}}}
    ask = people["cleo"].ask
    sentence = told(ask, "PATCH", f"{RELEASES}/{name}", change, "application/merge-patch+json")
    assert sentence == f"{name} must have the label loop.bramble.kube/model: digits."


@pytest.mark.parametrize(
    "more",
    [
        {"evidence": proof()},
        {"answers": {"infra-1": {"by": "ada", "text": "yes", "at": AT}}},
        {"reviews": {"ada": {"judged": 1}}},
        {"decision": decision("ada")},
        {"rollback": {"by": "ada", "reason": "it is bad", "at": AT}},
    ],
    ids=lambda more: next(iter(more)),
)
def test_a_new_release_is_bare(people, more):
    sentence = told(people["ada"].release, "digits", "ada", **more)
    assert sentence == "A new release must not have evidence, answers, reviews, a decision or a rollback."


# What never changes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{"model": "iris"}, {"cause": {"loop": "data"}}, {"askedBy": "ben"}], ids=lambda one: next(iter(one))
)
def test_whence_a_release_came_never_changes(people, ready, change):
    name = ready()
    # Another model has another label first.
    body = {"metadata": {"labels": {"loop.bramble.kube/model": change.get("model", "digits")}}, "spec": change}
    ask = people["ben"].ask
    sentence = told(ask, "PATCH", f"{RELEASES}/{name}", body, "application/merge-patch+json")
    assert sentence == "A release's model, its cause and who asked for it never change; ask for a new release."


EVIDENCE = "Evidence is written once, by the program hand alone, and never changes."


@pytest.mark.parametrize("name", ["ada", "ben", "admin"])
def test_a_person_writes_no_evidence(people, name):
    release = people["ada"].release("digits", "ada")
    assert told(people[name].change, release, {"evidence": proof()}) == EVIDENCE


@pytest.mark.parametrize("name", ["ben", "hand"])
@pytest.mark.parametrize("change", [{"scores": {"accuracy": 0.99}}, {"dataVersion": "another"}, None])
def test_evidence_does_not_change(people, ready, name, change):
    release = ready()
    assert told(people[name].change, release, {"evidence": change}) == EVIDENCE


def test_a_decision_is_final(people, ready):
    release = ready()
    people["ben"].decide(release, "ben")
    final = f"{release} was approved by ben; a decision is final, so ask for a new release."
    for change in (decision("ben", "refused"), decision("dan"), {"reason": "another reason"}, None):
        for name in ("ben", "dan", "admin"):
            assert told(people[name].change, release, {"decision": change}) == final


def test_a_decided_release_is_not_deleted_by_anybody(people, ready):
    for verdict in ("approved", "refused"):
        release = ready()
        people["ben"].decide(release, "ben", verdict)
        kept = f"{release} was decided, so it stays as the record of that decision."
        assert told(people["admin"].ask, "DELETE", f"{RELEASES}/{release}") == kept
        every = f"{RELEASES}?fieldSelector=metadata.name={release}"
        assert told(people["admin"].ask, "DELETE", every) == kept
        assert people["vic"].get(release)["spec"]["decision"]["verdict"] == verdict
    release = ready()
    people["admin"].ask("DELETE", f"{RELEASES}/{release}")
    assert "not found" in told(people["vic"].get, release, by_policy=False)


# Answers -------------------------------------------------------------------------------------------------------------


def answer(by: str, text: str = "we looked") -> dict[str, str]:
    return {"by": by, "text": text, "at": AT}


def test_only_ones_own_answer_is_written_changed_and_taken_back(people, ready):
    release = ready()
    people["ben"].change(release, {"answers": {"infra-4": answer("ben")}})
    people["ada"].change(release, {"answers": {"infra-5": answer("ada")}})
    people["ben"].change(release, {"answers": {"infra-4": answer("ben", "we looked again")}})
    own = "You are dan, and may answer tests only in your own name."
    for change in (
        {"infra-6": answer("ben")},
        {"infra-4": answer("dan")},
        {"infra-4": {"text": "we never looked"}},
        {"infra-4": None},
        None,
    ):
        assert told(people["dan"].change, release, {"answers": change}) == own
    people["ben"].change(release, {"answers": {"infra-4": None}})
    assert list(people["vic"].get(release)["spec"]["answers"]) == ["infra-5"]


def test_a_viewer_changes_nothing_and_an_administrator_answers_nothing(people, ready):
    release = ready()
    sentence = told(people["vic"].change, release, {"answers": {"infra-4": answer("vic")}}, by_policy=False)
    assert 'User "vic" cannot patch resource "releases"' in sentence
    sentence = told(people["admin"].change, release, {"answers": {"infra-4": answer("admin")}})
    assert sentence == "Only a trainer, reviewer or operator may answer a test; admin has no role here."


def test_there_are_28_tests(people, ready):
    release = ready()
    sentence = told(people["ben"].change, release, {"answers": {"infra-8": answer("ben")}}, by_policy=False)
    assert (
        "the tests are data-1 to data-7, model-1 to model-7, infra-1 to infra-7 and monitor-1 to monitor-7" in sentence
    )


# Reviews -------------------------------------------------------------------------------------------------------------


def test_another_persons_review_is_not_ones_own(people, ready):
    release = ready()
    people["ben"].change(release, {"reviews": {"ben": {"judged": 20, "newBetter": 8}}})
    own = "You are dan, and may write only your own review."
    for change in ({"cleo": {"judged": 1}}, {"ben": {"newBetter": 9}}, {"ben": None}, None):
        assert told(people["dan"].change, release, {"reviews": change}) == own
    people["dan"].change(release, {"reviews": {"dan": {"judged": 20}}})
    people["ben"].change(release, {"reviews": {"ben": None}})
    assert list(people["vic"].get(release)["spec"]["reviews"]) == ["dan"]


def test_reviewers_review_and_only_what_has_evidence(people, ready):
    release = ready()
    sentence = told(people["ada"].change, release, {"reviews": {"ada": {"judged": 1}}})
    assert sentence == "Only a reviewer may review; ada is trainer."
    bare = people["ada"].release("digits", "ada")
    sentence = told(people["ben"].change, bare, {"reviews": {"ben": {"judged": 1}}})
    assert sentence == f"{bare} has no evidence yet, so there is nothing to review."


def test_reviews_and_answers_stay_as_they_were_when_it_was_decided(people, ready):
    release = ready()
    people["ben"].change(release, {"reviews": {"ben": {"judged": 20}}, "answers": {"infra-4": answer("ben")}})
    people["dan"].decide(release, "dan")
    for change in ({"ben": {"judged": 19}}, {"ben": None}, {"dan": {"judged": 1}}):
        sentence = told(people["ben"].change, release, {"reviews": change})
        assert sentence == f"{release} was decided; its reviews stay as they were."
    sentence = told(people["ben"].change, release, {"answers": {"infra-4": answer("ben", "no")}})
    assert sentence == f"{release} was decided; its answers stay as they were."


# The decision --------------------------------------------------------------------------------------------------------


def test_a_reviewer_approves_with_a_reason(people, ready):
    release = ready()
    decided = people["ben"].decide(release, "ben")
    assert decided["spec"]["decision"] == decision("ben")


def test_a_trainer_does_not_approve(people, ready):
    release = ready()
    assert told(people["ada"].decide, release, "ada") == "Only a reviewer may decide; ada is trainer."


def test_nobody_signs_with_another_name(people, ready):
    release = ready()
    sentence = told(people["dan"].decide, release, "ben")
    assert sentence == "You are dan, so the decision must be signed by dan."
    assert told(people["ada"].decide, release, "ben") == "You are ada, so the decision must be signed by ada."


def test_a_trainer_who_reviews_too_does_not_decide_about_their_own(people, ready):
    release = ready(by="cleo")
    somebody_else = f"cleo asked for {release}, so somebody else must decide."
    for more in ({}, {"alone": True}):
        for verdict in ("approved", "refused"):
            assert told(people["cleo"].decide, release, "cleo", verdict, **more) == somebody_else
    sentence = told(people["ben"].decide, release, "ben", alone=True)
    assert sentence == "Another person asked for " + release + ", so the decision must not say alone: true."
    people["ben"].decide(release, "ben")


def test_who_may_decide_alone_says_so(people, ready):
    release = ready("solo", by="cleo")
    sentence = told(people["cleo"].decide, release, "cleo")
    assert sentence == f"cleo asked for {release}, so the decision must say alone: true."
    decided = people["cleo"].decide(release, "cleo", alone=True)
    assert decided["spec"]["decision"]["alone"] is True


def test_the_administrator_is_no_reviewer(people, ready):
    release = ready()
    assert told(people["admin"].decide, release, "admin") == "Only a reviewer may decide; admin has no role here."


def test_a_reviewer_who_is_not_on_the_models_list_does_not_decide(people, ready):
    release = ready("iris")
    sentence = told(people["dan"].decide, release, "dan", "refused")
    assert sentence == "Only ben or cleo may decide about iris, not dan."
    people["cleo"].decide(release, "cleo")


def test_nothing_is_decided_without_evidence(people):
    release = people["ada"].release("digits", "ada")
    for verdict in ("approved", "refused"):
        sentence = told(people["ben"].decide, release, "ben", verdict)
        assert sentence == f"{release} has no evidence yet, so nothing can be decided."


@pytest.mark.parametrize("reason", ["ok", "          ", "   well   ", "123456789"])
def test_a_decision_has_a_reason(people, ready, reason):
    release = ready()
    sentence = told(people["ben"].decide, release, "ben", reason=reason)
    assert sentence == "A decision needs a reason of at least 10 characters."


def test_a_missed_threshold_is_not_approved_but_may_be_refused(people, ready):
    release = ready(scores={"accuracy": 0.8, "latencyMs95": 120})
    sentence = told(people["ben"].decide, release, "ben")
    assert sentence == "It cannot be approved: accuracy is 0.8, but must be at least 0.93."
    people["ben"].decide(release, "ben", "refused")


def test_every_missed_threshold_and_every_missing_score_is_named(people, ready):
    release = ready(scores={"latencyMs95": 200.5})
    sentence = told(people["ben"].decide, release, "ben")
    said = sentence.removeprefix("It cannot be approved: ").removesuffix(".").split("; ")
    assert sorted(said) == [
        "accuracy was not measured, but must be at least 0.93",
        "latencyMs95 is 200.5, but must be at most 200",
    ]


def test_a_threshold_itself_is_reached(people, ready):
    release = ready(scores={"accuracy": 0.93, "latencyMs95": 200})
    people["ben"].decide(release, "ben")


def test_a_required_test_passes_or_is_answered(people, ready):
    missing = "It cannot be approved: the required test model-3 has neither passed nor been answered."
    for evidence in ({}, {"tests": {"model-2": {"points": 1}}}, {"tests": {"model-3": {"points": 0}}}):
        release = ready("wine", **evidence)
        assert told(people["ben"].decide, release, "ben") == missing
    people["ada"].change(release, {"answers": {"model-3": answer("ada")}})
    people["ben"].decide(release, "ben")
    for points in (0.5, 1):
        people["ben"].decide(ready("wine", tests={"model-3": {"points": points}}), "ben")


def test_no_answer_makes_up_for_a_required_test_that_failed(people, ready):
    release = ready("wine", tests={"model-3": {"points": 0, "failed": True}})
    failed = "It cannot be approved: the required test model-3 has failed in the check."
    assert told(people["ben"].decide, release, "ben") == failed
    people["ada"].change(release, {"answers": {"model-3": answer("ada")}})
    assert told(people["ben"].decide, release, "ben") == failed
    people["ben"].decide(release, "ben", "refused")


def test_enough_reviews_by_others_come_before_an_approval(people, ready):
    release = ready("care", by="cleo")
    people["cleo"].change(release, {"reviews": {"cleo": {"judged": 20}}})
    people["dan"].change(release, {"reviews": {"dan": {"judged": 20}}})
    sentence = told(people["ben"].decide, release, "ben")
    assert sentence == (
        "The model care needs 2 reviews by people other than the one who asked, before it can be approved; it has 1."
    )
    # The last review and the decision may come together.
    people["ben"].change(release, {"reviews": {"ben": {"judged": 20}}, "decision": decision("ben")})
    other = ready("care")
    people["ben"].decide(other, "ben", "refused")


def test_of_two_decisions_at_the_same_moment_one_wins_and_the_other_is_told(people, ready):
    for _round in range(10):
        release = ready()
        version = people["ben"].get(release)["metadata"]["resourceVersion"]
        answers: dict[str, str] = {}
        start = threading.Barrier(2)

        def decide(name: str, verdict: str, release=release, version=version, start=start, answers=answers) -> None:
            start.wait()
            try:
                people[name].change(release, {"decision": decision(name, verdict)}, version)
                answers[name] = ""
            except Refused as refused:
                answers[name] = str(refused)

        both = [threading.Thread(target=decide, args=one) for one in (("ben", "approved"), ("dan", "refused"))]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        (winner,) = [name for name, said in answers.items() if not said]
        (loser,) = set(answers) - {winner}
        decided = people["vic"].get(release)["spec"]["decision"]
        assert (decided["by"], decided["verdict"]) == (winner, {"ben": "approved", "dan": "refused"}[winner])
        assert "the object has been modified" in answers[loser] or answers[loser] == (
            f"{release} was {decided['verdict']} by {winner}; a decision is final, so ask for a new release."
        )


def test_without_a_version_the_second_decision_is_told_too(people, ready):
    release = ready()
    people["ben"].decide(release, "ben")
    assert "a decision is final" in told(people["dan"].decide, release, "dan", "refused")


# The way back --------------------------------------------------------------------------------------------------------


def back(by: str) -> dict[str, Any]:
    return {"rollback": {"by": by, "reason": "it answers nonsense", "at": AT}}


def test_a_rollback_is_ones_own_and_once(people, ready):
    release = ready()
    never = f"{release} was never approved, so there is nothing to roll back."
    assert told(people["olga"].change, release, back("olga")) == never
    assert told(people["ben"].change, release, {"decision": decision("ben"), **back("ben")}) == never
    people["ben"].decide(release, "ben")
    sentence = told(people["olga"].change, release, back("ben"))
    assert sentence == "You are olga, so the rollback must be signed by olga."
    sentence = told(people["ada"].change, release, back("ada"))
    assert sentence == "Only a reviewer or an operator may roll back; ada is trainer."
    people["olga"].change(release, back("olga"))
    again = f"{release} was already rolled back, by olga."
    for name in ("ben", "olga"):
        assert told(people[name].change, release, {"rollback": None}) == again
        assert told(people[name].change, release, {"rollback": {"reason": "no"}}) == again


def test_what_was_refused_is_not_rolled_back(people, ready):
    release = ready()
    people["ben"].decide(release, "ben", "refused")
    sentence = told(people["olga"].change, release, back("olga"))
    assert sentence == f"{release} was never approved, so there is nothing to roll back."


# The status ----------------------------------------------------------------------------------------------------------


def test_nothing_serves_without_approval(people, ready):
    release, refused = ready(), ready()
    people["ben"].decide(refused, "ben", "refused")
    for name in (release, refused):
        for phase in ("Approved", "Shadow", "Canary", "Live"):
            sentence = told(people["switch"].phase, name, phase)
            assert sentence == (f"{name} is not approved, or not by the program switch, so it cannot become {phase}.")
    people["hand"].phase(release, "Waiting")
    people["ben"].decide(release, "ben")
    sentence = told(people["hand"].phase, release, "Live")
    assert sentence == f"{release} is not approved, or not by the program switch, so it cannot become Live."
    for phase in ("Shadow", "Canary", "Live", "Replaced"):
        assert people["switch"].phase(release, phase)["status"]["phase"] == phase


def test_people_write_no_status(people, ready):
    release = ready()
    sentence = told(people["admin"].phase, release, "Failed")
    assert sentence == "The status of a release is written by the programs hand and switch alone."
    sentence = told(people["ben"].phase, release, "Failed", by_policy=False)
    assert 'User "ben" cannot patch resource "releases/status"' in sentence
    # Sent with the release itself, a status is left out.
    people["ben"].ask("PATCH", f"{RELEASES}/{release}", {"status": {"phase": "Live"}}, "application/merge-patch+json")
    assert "status" not in people["vic"].get(release)


def test_a_status_takes_no_decision_along(people, ready):
    release = ready()
    body = {"status": {"phase": "Waiting"}, "spec": {"decision": decision("ben")}}
    people["switch"].ask("PATCH", f"{RELEASES}/{release}/status", body, "application/merge-patch+json")
    assert "decision" not in people["vic"].get(release)["spec"]


# Text that means harm ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "{{ 7 * 7 }}", "a\nb\u202e\u2066", "x" * 2000, "' + 'true"]
)
def test_hostile_text_is_kept_as_text_and_comes_into_no_sentence(people, ready, text):
    release = ready(changed={"with": "digits-1", "cases": 1, "different": 1, "mostly": text[:500]})
    people["ben"].change(release, {"reviews": {"ben": {"judged": 1, "note": text}}})
    people["ben"].decide(release, "ben", reason=f"{text} fine, fine") if len(text) < 1900 else None
    found = people["vic"].get(release)["spec"]
    assert found["reviews"]["ben"]["note"] == text and found["evidence"]["changed"]["mostly"] == text[:500]
    if "decision" in found:
        assert text not in told(people["dan"].decide, release, "dan")


def test_what_is_too_long_or_of_another_form_is_refused_with_its_place(people, ready):
    release = ready()
    hand = people["ada"].release("digits", "ada")
    for name, who, change, place in (
        (release, "ben", {"reviews": {"ben": {"judged": 1, "note": "x" * 2001}}}, "spec.reviews.ben.note"),
        (release, "ben", {"reviews": {"ben": {"judged": -1}}}, "spec.reviews.ben.judged"),
        (release, "ben", {"decision": decision("ben", "maybe")}, "spec.decision.verdict"),
        (release, "ben", {"decision": decision("ben", at="yesterday")}, "spec.decision.at"),
        (hand, "hand", {"evidence": proof({"a b": 1})}, "spec.evidence.scores"),
        (hand, "hand", {"evidence": proof(tests={"model-1": {"points": 0.7}})}, "spec.evidence.tests[model-1].points"),
        (hand, "hand", {"evidence": {**proof(), "digests": {"model": "x"}}}, "spec.evidence.digests"),
    ):
        sentence = told(people[who].change, name, change, by_policy=False)
        assert place in sentence


# Who is what ---------------------------------------------------------------------------------------------------------


def test_a_group_in_a_certificate_is_worth_nothing(api, people, ready):
    release = ready()
    api.make_user("mallory", "/O=loop:reviewer/O=reviewer/CN=mallory")
    sentence = told(Person(api, "mallory").decide, release, "mallory", by_policy=False)
    assert 'User "mallory" cannot patch resource "releases"' in sentence


def test_switch_and_hand_cannot_decide(people, ready):
    release = ready()
    for program in ("switch", "router", "desk"):
        account = f"system:serviceaccount:loop:{program}"
        sentence = told(people[program].decide, release, account, by_policy=False)
        assert f'User "{account}" cannot patch resource "releases"' in sentence
    sentence = told(people["hand"].decide, release, "system:serviceaccount:loop:hand")
    assert sentence == "Only a reviewer may decide; system:serviceaccount:loop:hand has no role here."
    sentence = told(people["hand"].decide, release, "ben")
    assert sentence.startswith("You are system:serviceaccount:loop:hand, so")


def test_the_desk_acts_as_the_people_of_the_list_and_nobody_else(api, ready):
    token = api.kubectl("create", "token", "desk", "-n", "loop").strip()
    release = ready()
    for name in ("admin", "kubernetes-admin", "mallory", "system:serviceaccount:loop:hand", "system:admin"):
        sentence = told(Person(api, token=token, acts_as=name).get, release, by_policy=False)
        assert 'desk" cannot impersonate' in sentence
    for group in ("system:masters", "loop:reviewer"):
        person = Person(api, token=token, acts_as="ben", group=group)
        assert 'desk" cannot impersonate' in told(person.get, release, by_policy=False)
    sentence = told(Person(api, token=token, acts_as="ada").decide, release, "ben")
    assert sentence == "You are ada, so the decision must be signed by ada."
    Person(api, token=token, acts_as="ben").decide(release, "ben")


def test_nobody_of_the_list_changes_the_gate(people):
    gate = "/apis/loop.bramble.kube/v1alpha1/namespaces/loop/gates/gate"
    for name in ("ada", "ben", "cleo", "olga", "vic", "hand", "switch", "router", "desk"):
        change = {"spec": {"people": {name: ["reviewer"]}}}
        kind = "application/merge-patch+json"
        sentence = told(people[name].ask, "PATCH", gate, change, kind, by_policy=False)
        assert 'cannot patch resource "gates"' in sentence


def test_the_evidence_of_a_good_release_is_as_it_was_written(people, ready):
    full = proof(
        slices=[{"name": "8", "cases": 36, "score": 0.91, "before": 0.94}],
        confusion={"labels": ["0", "1"], "counts": [[3, 1], [0, 4]]},
        changed={"with": "digits-6", "cases": 360, "different": 14, "better": 11, "worse": 3, "mostly": "8 read as 3"},
        tests={"data-1": {"points": 1, "note": "checked"}},
        cases={"file": "releases/digits-7/cases.json", "digest": "sha256:" + "1" * 64},
        dataVersion="digits of 2026-01-02",
        trainedBy="Job digits-7-train",
    )
    release = people["ada"].release("digits", "ada")
    people["hand"].change(release, {"evidence": full})
    assert people["vic"].get(release)["spec"]["evidence"] == full
    assert full["scores"] == GOOD
