# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The desk in front of a real API server with the role's own rules: who may see and do what, and what is written."""

from __future__ import annotations

import http.client
import json
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import desk_samples
import pytest
from apiserver import ApiServer
from desk_rig import Desk, Visitor, answers_of, hashed, password, twenty_at_once
from loop_api import PEOPLE, RELEASES, Person, wait_for_gate

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def desk(api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk that runs, with a login for everybody and for one whom the gate does not know."""
    token = api.kubectl("create", "token", "desk", "-n", "loop").strip()
    names = [person["name"] for person in PEOPLE]
    running = Desk(api, token, tmp_path_factory.mktemp("desk"), [*names, "eve"])
    try:
        yield running.start()
    finally:
        running.stop(signal.SIGKILL)


@pytest.fixture
def seen(desk: Desk, ready: Callable[..., str]) -> Callable[..., str]:
    """`seen("digits")` → a checked release with forty cases, which the desk knows of."""

    def make(model: str = "digits", cases: dict[str, Any] | None = None, **more: Any) -> str:
        content = desk_samples.digits() if cases is None else cases
        scores = more.pop("scores", None)
        named = desk_samples.save(desk.data, f"{model}-{time.monotonic_ns()}", content)
        changed = {
            "with": f"{model}-0",
            "cases": 360,
            "different": 14,
            "better": 11,
            "worse": 3,
            "mostly": "8 read as 3",
        }
        name = ready(model, scores=scores, cases=named, **{"changed": changed, **more})
        wait_for(lambda: name in Visitor(desk).login("vic").get("/").body)
        return name

    return make


def wait_for(fact: Callable[[], Any], seconds: float = 10) -> Any:
    """What a fact becomes, once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
    return found


def people_of(desk: Desk, *names: str) -> list[Visitor]:
    return [Visitor(desk).login(name) for name in names]


def decide(who: Visitor, name: str, verdict: str = "approved", reason: str = "I looked at all of them.") -> Any:
    who.get(f"/releases/{name}/decide")
    return who.post(f"/releases/{name}/decide", {"verdict": verdict, "reason": reason})


# Who sees anything ---------------------------------------------------------------------------------------------------


def test_nobody_without_a_login_sees_anything(desk: Desk, seen) -> None:
    name = seen()
    places = [
        "/",
        "/models/digits",
        "/record",
        "/record.json",
        "/record/digits.json",
        "/me",
        "/events",
        "/nowhere",
        "/releases/nothing-1",
    ]
    places += [
        f"/releases/{name}{rest}" for rest in ("", "/decide", "/record.json", "/review", "/review/1", "/review/end")
    ]
    for place in places:
        for cookie in ("", "desk=guess", "desk=" + "A" * 43):
            answer = desk.ask("GET", place, headers={"Cookie": cookie} if cookie else {})
            assert answer.status in (303, 401), place
            assert "digits" not in answer.body, place
    forms = ["/logout", "/me", f"/releases/{name}/decide", f"/releases/{name}/talk", f"/releases/{name}/review/1"]
    for place in [
        *forms,
        f"/releases/{name}/rollback",
        f"/releases/{name}/answer",
        "/models/digits/ask",
        "/me/language",
    ]:
        answer = desk.ask("POST", place, "token=x", {"Content-Type": "application/x-www-form-urlencoded"})
        assert answer.status in (303, 401), place


def test_every_answer_has_its_headers(desk: Desk) -> None:
    files = re.findall(r'(?:href|src)="(/files/[^"]+)"', Visitor(desk).get("/login").body)
    assert len(files) == 3
    for place in ["/", "/login", "/events", "/healthz", "/files/x/desk.css", *files]:
        headers = desk.ask("GET", place).headers
        assert "default-src 'none'" in headers["content-security-policy"], place
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == ("public, max-age=31536000, immutable" if place in files else "no-store"), (
            place
        )


def test_wrong_passwords_and_strangers(desk: Desk) -> None:
    assert Visitor(desk).login("dan", "wrong").page.status == 403
    assert Visitor(desk).login("eve").page.status == 403, "eve has a password, but no role in the gate"
    assert Visitor(desk).login("nobody").page.status == 403
    assert Visitor(desk).login("../dan").page.status == 403
    for _try in range(4):
        last = Visitor(desk).login("olga", "wrong").page
    assert last.status in (403, 429)
    slowed = Visitor(desk).login("olga", "wrong").page
    assert slowed.status == 429 and "try again in" in slowed.body
    assert Visitor(desk).login("vic").page.status == 200, "others are not slowed"


def test_the_cookie(desk: Desk) -> None:
    visitor = Visitor(desk)
    page = visitor.get("/login")
    token = re.search(r'name="token" value="([^"]+)"', page.body)[1]
    body = f"token={token}&name=vic&password={password('vic').replace(' ', '+')}"
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": f"desk-door={visitor.cookies['desk-door']}",
    }
    plain = desk.ask("POST", "/login", body, headers).headers
    cookie = plain["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "secure" not in cookie
    https = desk.ask("POST", "/login", body, {**headers, "X-Forwarded-Proto": "https"}).headers
    assert "; secure" in https["set-cookie"].lower()
    assert (plain["cross-origin-opener-policy"], https["cross-origin-opener-policy"]) == (None, "same-origin")


def test_logging_out_ends_the_session(desk: Desk) -> None:
    visitor = Visitor(desk).login("vic")
    kept = dict(visitor.cookies)
    assert "Models" in visitor.get("/").body
    visitor.post("/logout")
    assert "desk" not in visitor.cookies, "the browser forgets it"
    assert "Hello" not in Visitor(desk, kept).get("/me").body, "and so does the desk, for whoever has kept it"


def test_another_password_ends_the_sessions(desk: Desk) -> None:
    visitor = Visitor(desk).login("dan")
    assert "Hello" in visitor.get("/me").body
    (desk.logins / "dan").write_text(hashed("something new"))
    assert "Hello" not in visitor.get("/me").body
    (desk.logins / "dan").write_text(hashed(password("dan")))


def test_who_leaves_the_list_is_out_at_once(desk: Desk, api: ApiServer) -> None:
    visitor = Visitor(desk).login("vic")
    change = '{"spec": {"people": {"vic": null}}}'
    api.kubectl("patch", "gate", "gate", "-n", "loop", "--type=merge", "-p", change)
    wait_for(lambda: "Hello" not in visitor.get("/me").body)
    api.kubectl(
        "patch", "gate", "gate", "-n", "loop", "--type=merge", "-p", '{"spec": {"people": {"vic": ["viewer"]}}}'
    )
    wait_for(lambda: "Hello" in Visitor(desk).login("vic").get("/me").body)


# Forms from elsewhere ------------------------------------------------------------------------------------------------


def test_forms_from_elsewhere_change_nothing(desk: Desk, seen, people: dict[str, Person]) -> None:
    name = seen()
    ben, dan = people_of(desk, "ben", "dan")
    dan.get(f"/releases/{name}")
    others = re.search(r'name="token" value="([^"]+)"', dan.page.body)[1]
    form = {"verdict": "refused", "reason": "from another page"}
    address = f"/releases/{name}/decide"
    ben.get(address)
    assert ben.post(address, form, token="").status == 403
    assert ben.post(address, form, token=others).status == 403
    ben.get(address)
    assert ben.post(address, form, Origin="https://elsewhere.example").status == 403
    ben.get(address)
    assert ben.post(address, form, Origin="null").status == 403
    ben.get(address)
    assert ben.post(address, form, Sec_Fetch_Site="cross-site").status == 403
    ben.get(address)
    assert ben.post(address, form, Content_Type="text/plain").status in (403, 415)
    assert "decision" not in people["admin"].get(name)["spec"]
    ben.get(address)
    assert ben.post(address, form, Origin=f"http://127.0.0.1:{desk.port}").status == 200
    assert people["admin"].get(name)["spec"]["decision"]["by"] == "ben"


def test_nobody_is_sent_elsewhere(desk: Desk) -> None:
    visitor = Visitor(desk)
    for goal in ("//elsewhere.example", "https://elsewhere.example", "/\\elsewhere.example", "/x\nSet-Cookie: a=b"):
        visitor.get("/login")
        fields = {"name": "vic", "password": password("vic"), "next": goal}
        sent = visitor.post("/login", fields, follow=False)
        assert (sent.status, sent.headers["location"]) == (303, "/"), goal
        visitor.cookies.pop("desk")


def test_a_long_form_is_refused(desk: Desk, seen) -> None:
    name = seen()
    (ben,) = people_of(desk, "ben")
    ben.get(f"/releases/{name}")
    assert ben.post(f"/releases/{name}/talk", {"text": "x" * 6000}).status == 413
    ben.get(f"/releases/{name}")
    assert ben.post(f"/releases/{name}/talk", {"text": "x" * 200_000}).status == 413


# Deciding ------------------------------------------------------------------------------------------------------------


def test_a_reviewer_approves(desk: Desk, seen, people: dict[str, Person]) -> None:
    name = seen()
    (ben,) = people_of(desk, "ben")
    page = decide(ben, name, reason="Twenty cases, all of them fine.")
    assert page.status == 200 and "Your decision is recorded" in page.body and "Approved" in page.body
    decision = people["admin"].get(name)["spec"]["decision"]
    assert (decision["verdict"], decision["by"], decision["reason"]) == (
        "approved",
        "ben",
        "Twenty cases, all of them fine.",
    )
    assert decision["alone"] is False


@pytest.mark.parametrize(
    ("who", "model", "by", "said"),
    [
        ("vic", "digits", "ada", "Only reviewers decide"),
        ("olga", "digits", "ada", "Only reviewers decide"),
        ("ada", "digits", "ada", "Only reviewers decide"),
        ("cleo", "digits", "cleo", "somebody else has to decide"),
        ("dan", "iris", "ada", "For this model these people decide: ben, cleo"),
    ],
)
def test_who_may_not_decide_is_told_and_is_refused(desk, seen, people, who, model, by, said) -> None:
    name = seen(model, by=by)
    (visitor,) = people_of(desk, who)
    page = visitor.get(f"/releases/{name}/decide")
    assert said in page.body and 'name="verdict"' not in page.body
    answer = visitor.post(f"/releases/{name}/decide", {"verdict": "approved", "reason": "around the page"})
    assert answer.status == 422 and "The cluster did not accept this decision" in answer.body
    assert "denied request" not in answer.body
    assert "decision" not in people["admin"].get(name)["spec"]


def test_a_missed_threshold_is_told_before_and_refused_after(desk: Desk, seen, people: dict[str, Person]) -> None:
    name = seen(scores={"accuracy": 0.8, "latencyMs95": 120})
    (ben,) = people_of(desk, "ben")
    page = ben.get(f"/releases/{name}/decide")
    assert "Right answers is 80%, but at least 93% is needed." in page.body
    assert re.search(r'value="approved"[^>]* disabled', page.body)
    answer = ben.post(f"/releases/{name}/decide", {"verdict": "approved", "reason": "it is good enough for me"})
    assert answer.status == 422 and "0.93" in re.search(r"<blockquote.*?</blockquote>", answer.body)[0]
    assert "it is good enough for me" in answer.body, "what was written is not lost"
    assert decide(ben, name, "refused", "Too many are wrong.").status == 200
    assert people["admin"].get(name)["spec"]["decision"]["verdict"] == "refused"


def test_a_required_test_is_answered_and_then_it_can_be_approved(desk: Desk, seen, people: dict[str, Person]) -> None:
    name = seen("wine", tests={"model-3": {"points": 0}})
    (ben,) = people_of(desk, "ben")
    assert "A required test has no answer yet" in ben.get(f"/releases/{name}/decide").body
    ben.post(f"/releases/{name}/answer", {"test": "model-3", "text": "Tuned by hand over forty runs."})
    assert "Tuned by hand over forty runs." in ben.page.body
    answer = people["admin"].get(name)["spec"]["answers"]["model-3"]
    assert answer["by"] == "ben"
    assert decide(ben, name).status == 200


def test_enough_reviews_are_needed(desk: Desk, seen) -> None:
    name = seen("care")
    (ben,) = people_of(desk, "ben")
    assert "It needs 2 reviews first; so far it has 0." in ben.get(f"/releases/{name}/decide").body
    assert ben.post(f"/releases/{name}/decide", {"verdict": "approved", "reason": "without any review"}).status == 422


def test_deciding_alone_is_said(desk: Desk, seen, people: dict[str, Person]) -> None:
    name = seen("solo", by="cleo")
    (cleo,) = people_of(desk, "cleo")
    assert "You asked for this release yourself" in cleo.get(f"/releases/{name}/decide").body
    assert "Decided alone" in decide(cleo, name).body
    assert people["admin"].get(name)["spec"]["decision"]["alone"] is True


def test_two_at_the_same_moment_one_wins_and_the_other_is_told(desk: Desk, seen, people: dict[str, Person]) -> None:
    for _round in range(4):
        name = seen()
        ben, cleo = people_of(desk, "ben", "cleo")
        for who in (ben, cleo):
            who.get(f"/releases/{name}/decide")
        gate = threading.Barrier(2)

        def press(who: Visitor, verdict: str, reason: str, gate=gate, name=name) -> Any:
            gate.wait()
            return who.post(f"/releases/{name}/decide", {"verdict": verdict, "reason": reason})

        with ThreadPoolExecutor(2) as pool:
            asked = [
                pool.submit(press, ben, "approved", "ben thinks it is good"),
                pool.submit(press, cleo, "refused", "cleo thinks it is bad"),
            ]
            answers = {"ben": asked[0].result(), "cleo": asked[1].result()}
        winner = people["admin"].get(name)["spec"]["decision"]["by"]
        loser = "cleo" if winner == "ben" else "ben"
        assert answers[winner].status == 200
        assert answers[loser].status == 409
        assert "Somebody else decided at the same moment" in answers[loser].body
        assert f"{winner} thinks it is" in answers[loser].body


def test_a_decision_is_final(desk: Desk, seen) -> None:
    name = seen()
    ben, cleo = people_of(desk, "ben", "cleo")
    decide(ben, name, "refused", "The eights are wrong.")
    page = cleo.get(f"/releases/{name}/decide")
    assert "It is decided already, by ben" in page.body and "The eights are wrong." in page.body
    assert cleo.post(f"/releases/{name}/decide", {"verdict": "approved", "reason": "I think otherwise"}).status == 409


def test_rolling_back(desk: Desk, seen, people: dict[str, Person]) -> None:
    name = seen()
    ben, olga, vic = people_of(desk, "ben", "olga", "vic")
    decide(ben, name)
    people["switch"].phase(name, "Live")
    wait_for(lambda: "Take it back" in olga.get(f"/releases/{name}").body)
    assert "Take it back" not in vic.get(f"/releases/{name}").body
    assert vic.post(f"/releases/{name}/rollback", {"reason": "I may not do this"}).status == 422
    olga.get(f"/releases/{name}")
    page = olga.post(f"/releases/{name}/rollback", {"reason": "Users see wrong answers."})
    assert page.status == 200 and "Users see wrong answers." in page.body
    assert people["admin"].get(name)["spec"]["rollback"]["by"] == "olga"


def test_a_trainer_asks_for_a_release(desk: Desk, people: dict[str, Person]) -> None:
    ada, ben = people_of(desk, "ada", "ben")
    assert "Ask for a new release" not in ben.get("/models/digits").body
    ada.get("/models/care")
    page = ada.post("/models/care/ask", {"loop": "data", "reason": "forty corrections"})
    assert page.status == 200 and "forty corrections" in page.body
    name = re.search(r"<h1><bdi[^>]*>([^<]+)", page.body)[1]
    release = people["admin"].get(name)
    assert release["spec"]["askedBy"] == "ada" and release["spec"]["cause"] == {
        "loop": "data",
        "reason": "forty corrections",
    }
    ben.get("/models/digits")
    assert ben.post("/models/digits/ask", {"loop": "data", "reason": "I am no trainer"}).status == 422


def test_why_the_last_one_was_refused_is_told_to_who_trains_the_next(desk: Desk, seen) -> None:
    ben, ada = people_of(desk, "ben", "ada")
    name = seen()
    decide(ben, name, "refused", "It reads eights as threes.")
    page = ada.get("/models/digits").body
    told = page[page.index('id="refused"') : page.index("Ask for a new release")]
    assert f'href="/releases/{name}"' in told and "It reads eights as threes." in told and "ben" in told
    decide(ben, seen(), "approved", "The eights are right now.")
    assert 'id="refused"' not in ada.get("/models/digits").body


# What a release shows ------------------------------------------------------------------------------------------------


def test_what_a_release_shows(desk: Desk, seen, people: dict[str, Person]) -> None:
    before = seen("wine", **desk_samples.evidence("wine-0", 0.94, None))
    history = [
        {"phase": "Live", "at": "2026-01-02T03:04:05Z", "message": "Answers all calls; wine-0 stays up for a while."}
    ]
    name = seen("wine", **desk_samples.evidence("wine-1", 0.95, None, before))
    decide(people_of(desk, "ben")[0], before)
    status = {"status": {"phase": "Live", "history": history, "replaced": "wine-0"}}
    people["switch"].ask("PATCH", f"{RELEASES}/{before}/status", status, "application/merge-patch+json")
    (vic,) = people_of(desk, "vic")
    wait_for(lambda: "wine-0 stays up" in vic.get(f"/releases/{before}").body)
    body = vic.get(f"/releases/{name}").body
    parts = dict(re.findall(r'<section[^>]* id="(\w+)"[^>]*>(.*?)(?=<section[^>]* id=|</main>)', body, re.DOTALL))
    order = ["words", "examples", "slices", "confusion", "history", "scores", "tests", "talk", "evidence"]
    assert [part for part in parts if part in order] == order, "plain words first, then pictures"
    assert "14 are read differently" in parts["words"] and "8 as 3" in parts["words"]
    assert parts["examples"].count("<li") == 14 and parts["examples"].count('alt="Picture of case') == 14
    for part in ("slices", "history"):
        assert re.search(r'<svg[^>]* role="img"', parts[part]), part
    assert parts["confusion"].count("<td") == 100
    assert "Right answers" in parts["scores"] and "95%" in parts["scores"]
    assert parts["tests"].count('id="test-') == 28
    assert "What the next half point takes" in parts["tests"] and 'href="#test-' in parts["tests"]
    assert parts["evidence"].count("sha256:") == 4, "of model, code, data and cases"
    record = json.loads(vic.get(f"/releases/{before}/record.json").body)
    assert (record["status"]["replaced"], record["status"]["history"]) == ("wine-0", history)


# Reviewing -----------------------------------------------------------------------------------------------------------


def judge_all(who: Visitor, name: str, truth: Callable[[str], str]) -> dict[str, int]:
    """Judge every case as somebody who knows what is right; returns how often which button was pressed."""
    pressed: dict[str, int] = {}
    who.get(f"/releases/{name}/review")
    for _case in range(40):
        if "/review/end" in who.page.body and "Your review of" in who.page.body:
            return pressed
        place = int(re.search(r"Case (\d+) of", who.page.body)[1])
        shown = answers_of(who.page.body)
        right = truth(re.search(r'alt="Picture of case ([^"]+)"', who.page.body)[1])
        choice = "unknown"
        if len(shown) == 2:
            choice = "A" if shown[0] == right else "B" if shown[1] == right else "same"
        elif len(shown) == 1:
            choice = "right" if shown[0] == right else "wrong"
        pressed[choice] = pressed.get(choice, 0) + 1
        who.post(f"/releases/{name}/review/{place}", {"choice": choice, "label": right})
    raise AssertionError("the review has no end")


def test_a_review_from_the_first_case_to_the_next_training(desk: Desk, seen, people: dict[str, Person]) -> None:
    cases = desk_samples.digits()
    cases["cases"][3] = {**cases["cases"][3], "truth": "9"}  # recorded wrongly: it shows a 3, and ben will see it
    name = seen(cases=cases)
    real = {case["id"]: case["truth"] for case in desk_samples.digits()["cases"]}
    (ben,) = people_of(desk, "ben")
    pressed = judge_all(ben, name, real.__getitem__)
    assert pressed["A"] + pressed["B"] == 14 and pressed["A"] and pressed["B"], "sides are random"
    assert "1 label corrected" in ben.page.body and "recorded as" in ben.page.body
    page = ben.post(f"/releases/{name}/review/end", {"note": "The eights trouble me."})
    assert "Your review was submitted" in page.body and "The eights trouble me." in page.body
    review = people["admin"].get(name)["spec"]["reviews"]["ben"]
    assert review == {
        "judged": 20,
        "newBetter": 11,
        "oldBetter": 3,
        "same": 0,
        "right": 6,
        "wrong": 0,
        "cannotTell": 0,
        "corrected": 1,
        "note": "The eights trouble me.",
    }
    lines = [json.loads(line) for line in (desk.data / "corrections/digits.jsonl").read_text().splitlines()]
    assert [(line["case"], line["label"], line["by"]) for line in lines if line["case"] == "t4"] == [("t4", "3", "ben")]
    ben.get(f"/releases/{name}/review/end")
    ben.post(f"/releases/{name}/review/end", {"note": "Once more."})
    again = (desk.data / "corrections/digits.jsonl").read_text().splitlines()
    assert len(again) == len(lines), "handing in twice adds nothing"
    place = next(
        place for place in range(1, 21) if "Picture of case t4" in ben.get(f"/releases/{name}/review/{place}").body
    )
    ben.post(f"/releases/{name}/review/{place}", {"choice": "unknown", "label": ""})
    ben.get(f"/releases/{name}/review/end")
    ben.post(f"/releases/{name}/review/end", {"note": ""})
    last = json.loads((desk.data / "corrections/digits.jsonl").read_text().splitlines()[-1])
    assert (last["case"], last["label"]) == ("t4", "9"), "a correction that was taken back is undone"
    assert people["admin"].get(name)["spec"]["reviews"]["ben"]["corrected"] == 0


def test_nothing_on_a_case_tells_whose_answer_is_whose(desk: Desk, seen) -> None:
    name = seen()
    pages = {}
    for person in ("ben", "cleo", "dan"):
        (who,) = people_of(desk, person)
        for place in range(1, 21):
            body = who.get(f"/releases/{name}/review/{place}").body
            main = body[body.index("<main") : body.index("</main")].replace("data-live", "")
            for word in ("newBetter", "oldBetter", "confidence", "disagree", "truth", "recorded", "live"):
                assert word not in main, (word, place)
            pages[person, re.search(r'alt="Picture of case ([^"]+)"', body)[1]] = answers_of(body)
    two = {item for (_person, item), shown in pages.items() if len(shown) == 2}
    assert len(two) == 14
    assert any(pages["ben", item] != pages["cleo", item] for item in two)
    assert any(pages["ben", item] != pages["dan", item] for item in two)


def test_going_back_changes_one_judgement(desk: Desk, seen) -> None:
    name = seen()
    (ben,) = people_of(desk, "ben")
    real = {case["id"]: case["truth"] for case in desk_samples.digits()["cases"]}
    judge_all(ben, name, real.__getitem__)
    page = ben.get(f"/releases/{name}/review/5")
    assert 'aria-pressed="true"' in page.body and "20 of 20 judged" in page.body
    page = ben.post(f"/releases/{name}/review/5", {"choice": "unknown"})
    assert "Case 6 of 20" in page.body
    assert "could not tell: 1" in ben.get(f"/releases/{name}/review/end").body


def test_choices_that_are_none(desk: Desk, seen) -> None:
    name = seen()
    (ben,) = people_of(desk, "ben")
    for fields in ({}, {"choice": ""}, {"choice": "newBetter"}, {"choice": "X"}):
        ben.get(f"/releases/{name}/review/1")
        page = ben.post(f"/releases/{name}/review/1", fields)
        assert page.status == 422 and "Please choose" in page.body
    ben.get(f"/releases/{name}/review/1")
    assert ben.post(f"/releases/{name}/review/1", {"choice": "unknown", "label": "eleven"}).status == 422
    assert "0 of 20 judged" in ben.get(f"/releases/{name}/review/1").body


def test_only_reviewers_review(desk: Desk, seen) -> None:
    name = seen()
    for person in ("vic", "ada", "olga"):
        (who,) = people_of(desk, person)
        assert who.get(f"/releases/{name}/review/1").status == 403
        who.get("/me")
        assert who.post(f"/releases/{name}/review/1", {"choice": "A"}).status == 403


def test_examples_wait_until_the_review_is_done(desk: Desk, seen) -> None:
    name = seen()
    ben, vic = people_of(desk, "ben", "vic")
    assert "You see these after your own review" in ben.get(f"/releases/{name}").body
    assert "now wrong" in vic.get(f"/releases/{name}").body
    assert "now wrong: it is" in ben.get(f"/releases/{name}?examples=open").body


def test_cases_that_are_not_those_of_the_evidence_are_not_shown(desk: Desk, seen, people: dict[str, Person]) -> None:
    name = seen(cases={**desk_samples.digits(), "labels": [*"0123456789", "tampered"]})
    file = desk.data / people["admin"].get(name)["spec"]["evidence"]["cases"]["file"]
    file.write_text(file.read_text().replace('"new": "3"', '"new": "8"'))
    (ben,) = people_of(desk, "ben")
    assert "is not the one that the evidence names" in ben.get(f"/releases/{name}").body
    assert ben.get(f"/releases/{name}/review/1").status == 404


def test_the_owners_own_form_and_questions(desk: Desk, seen) -> None:
    name = seen("iris", cases=desk_samples.machines())
    (ben,) = people_of(desk, "ben")
    page = ben.get(f"/releases/{name}/review/1")
    for text in (
        "Does this machine need care?",
        "Temperature of a day",
        "years",
        "How urgent is it?",
        "Hours you would take",
    ):
        assert text in page.body, text
    choice = "A" if len(answers_of(page.body)) == 2 else "right"
    ben.post(f"/releases/{name}/review/1", {"choice": choice, "q-urgent": "today", "q-hours": "2"})
    ben.get(f"/releases/{name}/review/end")
    page = ben.post(f"/releases/{name}/review/end", {"note": ""})
    assert "How urgent is it?" in page.body and "today" in page.body
    assert "今日" in Visitor(desk, dict(ben.cookies), "ja").get(f"/releases/{name}").body
    assert (
        "この機械は手入れが必要ですか" in Visitor(desk, dict(ben.cookies), "ja").get(f"/releases/{name}/review/1").body
    )


# Talking, hostile text, languages ------------------------------------------------------------------------------------


def test_a_conversation_calls_people(desk: Desk, seen) -> None:
    name = seen()
    ben, cleo = people_of(desk, "ben", "cleo")
    ben.get(f"/releases/{name}")
    ben.post(f"/releases/{name}/talk", {"item": "t3", "text": "@cleo is this a two?", "back": f"/releases/{name}"})
    assert "Somebody mentioned you" in cleo.get("/").body
    assert "is this a two?" in cleo.get(f"/releases/{name}").body
    assert "is this a two?" not in cleo.get("/").body
    ben.get(f"/releases/{name}")
    assert ben.post(f"/releases/{name}/talk", {"item": "no such case", "text": "hello"}).status == 422


def test_hostile_text_is_shown_as_text(desk: Desk, seen, people: dict[str, Person]) -> None:
    cases = desk_samples.machines()
    cases["labels"][1] = cases["template"]["title"] = cases["template"]["fields"][3]["label"] = HOSTILE
    for case in cases["cases"]:
        case["show"]["note"]["text"] = case["show"]["readings"]["rows"][0][0] = HOSTILE
        case["new"] = HOSTILE if case["new"] == "worn" else case["new"]
        case["truth"] = HOSTILE
    name = seen(
        "iris",
        cases=cases,
        trainedBy=HOSTILE,
        dataVersion=HOSTILE,
        tests={"data-1": {"points": 1, "note": HOSTILE}},
        slices=[{"name": HOSTILE, "cases": 3, "score": 0.5, "before": 0.9}, {"name": "b", "cases": 3, "score": 1}],
        confusion={"labels": [HOSTILE, "b"], "counts": [[1, 2], [3, 4]]},
        changed={"with": "x", "cases": 6, "different": 3, "mostly": f"{HOSTILE} read as {HOSTILE}"},
    )
    ben, cleo = people_of(desk, "ben", "cleo")
    ben.get(f"/releases/{name}")
    ben.post(f"/releases/{name}/talk", {"item": "", "text": HOSTILE, "back": HOSTILE})
    ben.get(f"/releases/{name}")
    ben.post(f"/releases/{name}/talk", {"item": "m1", "text": f"@cleo {HOSTILE}"})
    ben.get(f"/releases/{name}")
    ben.post(f"/releases/{name}/answer", {"test": "data-2", "text": HOSTILE})
    ben.get(f"/releases/{name}/review/1")
    ben.post(f"/releases/{name}/review/1", {"choice": "unknown", "q-urgent": HOSTILE})
    ben.get(f"/releases/{name}/review/end")
    ben.post(f"/releases/{name}/review/end", {"note": HOSTILE})
    decide(ben, name, "refused", HOSTILE)
    pages = ["/", "/record", "/models/iris", *(f"/releases/{name}{rest}" for rest in ("", "?examples=open", "/decide"))]
    shown = 0
    for page in [*pages, f"/{HOSTILE.replace(' ', '%20')}", "/login?lang=<script>", "/me?said=<script>"]:
        body = cleo.get(page.replace("<", "%3C").replace(">", "%3E").replace('"', "%22")).body
        assert "<script>alert" not in body and "<img src=x" not in body, page
        shown += body.count("&lt;script&gt;alert(1)")
    assert shown > 10
    assert f"/releases/{name}/record.json" in cleo.get(f"/releases/{name}").body
    record = cleo.get(f"/releases/{name}/record.json")
    assert (
        record.headers["content-type"] == "application/json"
        and json.loads(record.body)["decision"]["reason"] == HOSTILE
    )


def test_both_languages(desk: Desk) -> None:
    assert "Log in" in Visitor(desk).get("/login").body
    japanese = Visitor(desk, language="ja-JP,ja;q=0.9,en;q=0.8")
    assert '<html lang="ja">' in japanese.get("/login").body
    japanese.login("vic")
    assert "決定" in japanese.get("/").body
    japanese.post("/me/language", {"language": "en", "back": "/record"})
    assert '<html lang="en">' in japanese.page.body and "Record" in japanese.page.body
    japanese.get("/me")
    japanese.post("/me", {"language": "", "keys": "1"})
    assert '<html lang="ja">' in japanese.get("/me").body


def test_the_record(desk: Desk, seen) -> None:
    name = seen()
    (ben,) = people_of(desk, "ben")
    decide(ben, name, "refused", "Kept for the record.")
    assert "Kept for the record." in ben.get("/record").body
    (entry,) = [entry for entry in json.loads(ben.get("/record.json").body) if entry["release"] == name]
    assert entry["decision"]["by"] == "ben" and entry["evidence"]["digests"]["model"].startswith("sha256:")
    assert entry in json.loads(ben.get("/record/digits.json").body)
    assert all(one["model"] == "wine" for one in json.loads(ben.get("/record/wine.json").body))
    assert ben.get("/record/digitz.json").status == 404
    assert 'href="/record/digits.json"' in ben.get("/models/digits").body


# At once, and in spite of faults -------------------------------------------------------------------------------------


class Lines(threading.Thread):
    """An open page: what the desk sends, with the moment it came."""

    def __init__(self, visitor: Visitor) -> None:
        super().__init__(daemon=True)
        self.seen: list[tuple[float, dict[str, str]]] = []
        self.ended = threading.Event()
        cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
        self._connection = http.client.HTTPConnection("127.0.0.1", visitor.desk.port, timeout=60)
        self._connection.request("GET", "/events", headers={"Cookie": cookie})
        self.answer = self._connection.getresponse()
        self.answer.readline()
        self.start()

    def run(self) -> None:
        for line in self.answer:
            if line.startswith(b"data: "):
                self.seen.append((time.monotonic(), json.loads(line[6:])))
        self.ended.set()


def test_a_colleague_sees_it_at_once(desk: Desk, seen) -> None:
    name = seen()
    ben, cleo = people_of(desk, "ben", "cleo")
    page = Lines(cleo)
    begin = time.monotonic()
    decide(ben, name)
    moment, told = wait_for(
        lambda: next((one for one in page.seen if one[1]["release"] == name and one[1]["text"]), None)
    )
    assert told["text"] == f"ben has approved {name}."
    print(f"a colleague saw it after {moment - begin:.2f} s")
    cleo.get("/me")
    cleo.post("/logout")
    ben.get(f"/releases/{name}")
    ben.post(f"/releases/{name}/talk", {"text": "after the logout"})
    assert page.ended.wait(5), "a page whose session has ended hears nothing more"
    assert not any("said something" in told["text"] for _moment, told in page.seen)


def test_a_killed_desk_has_lost_nothing(desk: Desk, seen) -> None:
    name = seen()
    (ben,) = people_of(desk, "ben")
    ben.get(f"/releases/{name}/review/1")
    first = answers_of(ben.page.body)
    ben.post(f"/releases/{name}/review/1", {"choice": "unknown", "label": "7"})
    ben.get(f"/releases/{name}")
    ben.post(f"/releases/{name}/talk", {"text": "written before the fall"})
    desk.stop(signal.SIGKILL)
    desk.start()
    page = ben.get(f"/releases/{name}/review/1")
    assert answers_of(page.body) == first and "1 of 20 judged" in page.body and 'value="7" selected' in page.body
    assert "written before the fall" in ben.get(f"/releases/{name}").body


def test_it_ends_in_order_while_pages_are_open(desk: Desk) -> None:
    (vic,) = people_of(desk, "vic")
    pages = [Lines(vic) for _page in range(3)]
    assert desk.stop() < 8
    assert all(page.ended.wait(1) for page in pages)
    assert "Traceback" not in desk.log()
    desk.start()


def test_while_the_api_server_is_away(desk: Desk, seen, api: ApiServer) -> None:
    name = seen()
    (ben,) = people_of(desk, "ben")
    ben.get(f"/releases/{name}/decide")
    api.kill_api()
    try:
        wait_for(lambda: "The cluster has not answered since" in ben.get(f"/releases/{name}/decide").body, 30)
        answer = ben.post(f"/releases/{name}/decide", {"verdict": "refused", "reason": "into the void"})
        assert answer.status == 503 and "The cluster does not answer" in answer.body
    finally:
        api.start_api()
    wait_for_gate(api)
    wait_for(lambda: "The cluster has not answered since" not in ben.get(f"/releases/{name}/decide").body, 30)
    assert decide(ben, name).status == 200


def test_twenty_reviewers_at_once(desk: Desk, seen, people: dict[str, Person]) -> None:
    name = seen()
    visitors = [Visitor(desk).login(person) for person in ("ben", "cleo", "dan")] * 7
    visitors = [Visitor(desk, dict(one.cookies)) for one in visitors[:20]]
    pages = [Lines(one) for one in visitors]
    half, most = (seconds * 1000 for seconds in twenty_at_once(visitors, name))
    print(f"20 at once: half of the answers within {half:.0f} ms, 95 % within {most:.0f} ms, {desk.memory():.0f} MiB")
    for who in visitors[:3]:
        who.hand_in(name)
    assert {one["judged"] for one in people["admin"].get(name)["spec"]["reviews"].values()} == {20}
    assert not any(page.ended.is_set() for page in pages)


def test_first_page_and_memory(desk: Desk) -> None:
    desk.stop()
    desk.start()
    vic = Visitor(desk).login("vic")
    seconds = vic.seconds("/")
    print(f"first page {seconds * 1000:.0f} ms, at rest {desk.memory():.0f} MiB")
    assert seconds < 0.3


def test_what_is_shipped_fits_into_a_config_map() -> None:
    folder = Path(__file__).resolve().parents[3] / "roles/loop/files/desk"
    assert sum(file.stat().st_size for file in folder.iterdir() if file.is_file()) < 900_000
