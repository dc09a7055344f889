# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each address of the desk shows and does. Whatever a person changes is changed in their own name."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import blind
import board as rules
import pages
import pages_release
import pages_review
import rubric
from cases import Cases, correct
from frame import Visit
from kube import Away, KubeError, now
from live import Change
from starlette.responses import JSONResponse, RedirectResponse, Response
from state import Desk, trimmed
from store import Judgement

LOG = logging.getLogger("desk")
COOKIE, DOOR, TONGUE = "desk", "desk-door", "desk-language"  # a session; a visit to the login page; its language


@dataclass(frozen=True)
class Asked:
    """One request, read to its end."""

    visit: Visit
    place: Mapping[str, Any]  # what the address names
    query: Mapping[str, str]
    form: Mapping[str, str]
    cookies: Mapping[str, str]
    address: str = ""
    secure: bool = False

    @property
    def person(self) -> str:
        """Who asks; "" without a login."""
        return self.visit.person


class Problem(Exception):
    """A page that says what did not work."""

    def __init__(self, status: int, key: str, detail: str = "") -> None:
        super().__init__(key)
        self.status, self.key, self.detail = status, key, detail


def spoken(error: KubeError) -> str:
    """The sentence for people in an API server's refusal: what follows Kubernetes' own prefix."""
    text = str(error)
    _before, prefix, after = text.partition("denied request: ")
    return (after if prefix else text).strip()


def inside(address: str) -> str:
    """An address of the desk itself to go back to; the first page for every other."""
    good = re.fullmatch(r"/(?![/\\])[\w\-./?=&#%]*", address)
    return address if good else "/"


def html(content: bytes, status: int = 200) -> Response:
    """A page."""
    return Response(content, status, media_type="text/html")


def go(address: str, notice: str = "") -> Response:
    """To another page, after a form was sent."""
    path, hash_, part = address.partition("#")
    if notice:
        path += ("&" if "?" in path else "?") + f"said={notice}"
    return RedirectResponse(f"{path}{hash_}{part}", 303)


# Pages ---------------------------------------------------------------------------------------------------------------


def login_page(desk: Desk, asked: Asked) -> Response:
    """GET /login"""
    if asked.query.get("lang") in desk.words:
        response = go("/login")
        response.set_cookie(TONGUE, asked.query["lang"], max_age=31536000, samesite="lax", httponly=True)
        return response
    return _door(asked)


def _door(asked: Asked, error: str = "", wait: int = 0, status: int = 200) -> Response:
    """The login page, with the cookie that its form belongs to."""
    name = asked.form.get("name", "").strip()
    goal = inside(asked.form.get("next") or asked.query.get("next") or "/")
    response = html(pages.login(asked.visit, name, error, wait, goal), status)
    if asked.visit.door:
        response.set_cookie(DOOR, asked.visit.door, httponly=True, samesite="strict", secure=asked.secure)
    return response


def login(desk: Desk, asked: Asked) -> Response:
    """POST /login"""
    name, password = asked.form.get("name", "").strip(), asked.form.get("password", "")
    wait = desk.patience.wait(name, asked.address)
    if wait:
        return _door(asked, "login.slow", wait, 429)
    if not desk.fresh:
        return _door(asked, "login.starting", status=503)
    if not desk.logins.check(name, password) or not desk.board().roles(name):
        desk.patience.failed(name, asked.address)
        LOG.warning("wrong password for %r from %s", name[:40], asked.address)
        return _door(asked, "login.wrong", status=403)
    desk.patience.passed(name, asked.address)
    response = go(inside(asked.form.get("next") or "/"))
    token = desk.store.start_session(name, desk.logins.mark(name))
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=asked.secure, path="/")
    return response


def logout(desk: Desk, asked: Asked) -> Response:
    """POST /logout"""
    desk.store.end_session(asked.cookies.get(COOKIE, ""))
    response = go("/login")
    response.delete_cookie(COOKIE, path="/")
    return response


def models(desk: Desk, asked: Asked) -> Response:
    """GET /"""
    return html(pages.models(asked.visit))


def model(desk: Desk, asked: Asked) -> Response:
    """GET /models/MODEL"""
    name = asked.place["model"]
    if name not in asked.visit.board.models():
        raise Problem(404, "notfound")
    return html(pages.model(asked.visit, name))


def ask(desk: Desk, asked: Asked) -> Response:
    """POST /models/MODEL/ask: a new release, in the person's own name."""
    name, loop, reason = asked.place["model"], asked.form.get("loop", ""), asked.form.get("reason", "").strip()
    if not asked.visit.board.rules(name):
        raise Problem(404, "notfound")
    if loop not in ("code", "data") or not reason:
        return html(pages.model(asked.visit, name, asked.visit.words("ask.missing"), reason), 422)
    wanted = {
        "apiVersion": "loop.bramble.kube/v1alpha1",
        "kind": "Release",
        "metadata": {"name": asked.visit.board.next_name(name), "labels": {"loop.bramble.kube/model": name}},
        "spec": {"model": name, "cause": {"loop": loop, "reason": reason}, "askedBy": asked.person},
    }
    try:
        desk.wrote(desk.kube.acting(asked.person).create(wanted))
    except Away:
        raise
    except KubeError as error:
        return html(pages.model(asked.visit, name, spoken(error), reason), 422)
    return go(f"/releases/{wanted['metadata']['name']}", "asked")


def _release(asked: Asked) -> rules.Object:
    found = asked.visit.board.releases.get(asked.place["name"])
    if found is None:
        raise Problem(404, "notfound")
    return found


def release(desk: Desk, asked: Asked) -> Response:
    """GET /releases/NAME"""
    one = _release(asked)
    desk.store.saw(asked.person, rules.name_of(one))
    return html(
        pages_release.release(asked.visit, one, desk.known(asked.person, one), asked.query.get("examples") == "open")
    )


def decide_page(desk: Desk, asked: Asked) -> Response:
    """GET /releases/NAME/decide"""
    one = _release(asked)
    return html(pages_release.decide(asked.visit, one, desk.known(asked.person, one)))


def decide(desk: Desk, asked: Asked) -> Response:
    """POST /releases/NAME/decide: the decision, in the person's own name; the API server says whether it counts."""
    one = _release(asked)
    name = rules.name_of(one)
    verdict, reason = asked.form.get("verdict", ""), asked.form.get("reason", "").strip()
    known = desk.known(asked.person, one)
    if verdict not in ("approved", "refused") or len(reason) < 10:
        return html(pages_release.decide(asked.visit, one, known, verdict, reason, "decide.missing"), 422)
    alone = rules.spec(one).get("askedBy") == asked.person
    decision = {"verdict": verdict, "by": asked.person, "reason": reason, "at": now(), "alone": alone}
    try:
        desk.patch(asked.person, name, {"decision": decision})
    except Away:
        raise
    except KubeError as error:
        current = trimmed(desk.kube.get("Release", name))
        desk.wrote(current)
        seen = replace(asked.visit, board=desk.board())
        if (rules.spec(current).get("decision") or {}).get("by") not in (None, asked.person):
            return html(pages_release.decide(seen, current, known, verdict, reason, "decide.lost"), 409)
        return html(pages_release.decide(seen, current, known, verdict, reason, "decide.refused", spoken(error)), 422)
    LOG.info("%s: %s by %s", name, verdict, asked.person)
    return go(f"/releases/{name}", "decided")


def roll_back(desk: Desk, asked: Asked) -> Response:
    """POST /releases/NAME/rollback"""
    one = _release(asked)
    reason = asked.form.get("reason", "").strip()
    if len(reason) < 10:
        raise Problem(422, "incomplete")
    try:
        desk.patch(asked.person, rules.name_of(one), {"rollback": {"by": asked.person, "reason": reason, "at": now()}})
    except Away:
        raise
    except KubeError as error:
        known = desk.known(asked.person, one)
        return html(pages_release.release(asked.visit, one, known, error=spoken(error)), 422)
    LOG.info("%s: taken back by %s", rules.name_of(one), asked.person)
    return go(f"/releases/{rules.name_of(one)}", "rolledback")


def answer(desk: Desk, asked: Asked) -> Response:
    """POST /releases/NAME/answer: a person's answer to one of the 28 tests."""
    name, test, text = rules.name_of(_release(asked)), asked.form.get("test", ""), asked.form.get("text", "").strip()
    if test not in rubric.TESTS or len(text) < 10:
        raise Problem(422, "incomplete")
    desk.patch(asked.person, name, {"answers": {test: {"by": asked.person, "text": text, "at": now()}}})
    return go(f"/releases/{name}#test-{test}", "answered")


def talk(desk: Desk, asked: Asked) -> Response:
    """POST /releases/NAME/talk: a contribution to a conversation."""
    one = _release(asked)
    name, item, text = rules.name_of(one), asked.form.get("item", ""), asked.form.get("text", "").strip()
    known = desk.known(asked.person, one).cases
    if not text or (item and not (isinstance(known, Cases) and item in known.by_id())):
        raise Problem(422, "incomplete")
    desk.store.comment(name, item, asked.person, text, set(asked.visit.board.people()))
    saying = rules.Saying("live.comment", {"by": asked.person, "release": name})
    desk.hub.publish(Change(name, rules.spec(one)["model"], saying, asked.person))
    return go(inside(asked.form.get("back") or f"/releases/{name}"), "commented")


# Review --------------------------------------------------------------------------------------------------------------


def _review(desk: Desk, asked: Asked) -> pages_review.Review:
    one = _release(asked)
    known = desk.known(asked.person, one)
    if not isinstance(known.cases, Cases) or not known.cases.cases or not rules.waits(one):
        raise Problem(404, "nocases")
    if "reviewer" not in asked.visit.roles:
        raise Problem(403, "refused", asked.visit.words("bar.role"))
    name = rules.name_of(one)
    seed = desk.store.seed(name, asked.person)
    return pages_review.begin(one, known.cases, seed, desk.store.judgements(name, asked.person))


def review(desk: Desk, asked: Asked) -> Response:
    """GET /releases/NAME/review: to the next case, or to the end."""
    found = _review(desk, asked)
    place = found.next_place()
    return go(f"/releases/{found.name}/review/{place or 'end'}")


def case_page(desk: Desk, asked: Asked) -> Response:
    """GET /releases/NAME/review/PLACE"""
    found = _review(desk, asked)
    if not 1 <= asked.place["place"] <= len(found.order):
        raise Problem(404, "notfound")
    return html(pages_review.case(asked.visit, found, asked.place["place"], desk.store.comments(found.name)))


def judge(desk: Desk, asked: Asked) -> Response:
    """POST /releases/NAME/review/PLACE: what the person says about this case."""
    found, place = _review(desk, asked), asked.place["place"]
    if not 1 <= place <= len(found.order):
        raise Problem(404, "notfound")
    item = found.order[place - 1]
    one = found.cases.by_id()[item]
    try:
        verdict = blind.verdict(found.seed, one, asked.form.get("choice", ""))
    except ValueError:
        comments = desk.store.comments(found.name)
        return html(pages_review.case(asked.visit, found, place, comments, asked.visit.words("case.choose")), 422)
    label = asked.form.get("label", "").strip()[:200] or None
    if label and found.cases.labels and label not in found.cases.labels:
        raise Problem(422, "incomplete")
    told = {question.id: asked.form.get(f"q-{question.id}", "").strip()[:500] for question in found.cases.questions}
    given = Judgement(item, verdict, label, {key: text for key, text in told.items() if text}, now())
    desk.store.judge(found.name, asked.person, given)
    rest = pages_review.begin(found.release, found.cases, found.seed, desk.store.judgements(found.name, asked.person))
    following = place + 1 if item in found.given else rest.next_place(place)  # one who goes back goes on from there
    return go(f"/releases/{found.name}/review/{following if following and following <= len(found.order) else 'end'}")


def end_page(desk: Desk, asked: Asked) -> Response:
    """GET /releases/NAME/review/end"""
    found = _review(desk, asked)
    kept = desk.store.finished(found.name, asked.person)
    return html(pages_review.end(asked.visit, found, kept[1] if kept else "", kept is not None))


def hand_in(desk: Desk, asked: Asked) -> Response:
    """POST /releases/NAME/review/end: the review in the person's own name, their corrections for the next training."""
    found = _review(desk, asked)
    note = asked.form.get("note", "").strip()
    if not found.given:
        raise Problem(422, "incomplete")
    lines = pages_review.corrections(found, asked.person)
    tally: dict[str, Any] = blind.tally([judged.verdict for judged in found.given.values()])
    tally |= {"corrected": len(lines), "note": note or None}
    model = rules.spec(found.release)["model"]
    try:
        desk.patch(asked.person, found.name, {"reviews": {asked.person: tally}})
    except Away:
        raise
    except KubeError as error:
        return html(pages_review.end(asked.visit, found, note, False, "end.refused", spoken(error)), 422)
    taken_back = pages_review.taken_back(found, asked.person, desk.store.corrected(found.name, asked.person))
    correct(desk.data, model, [*lines, *taken_back])
    desk.store.finish(found.name, asked.person, note, [line["case"] for line in lines])
    return go(f"/releases/{found.name}", "reviewed")


# Record, settings ----------------------------------------------------------------------------------------------------


def record(desk: Desk, asked: Asked) -> Response:
    """GET /record"""
    return html(pages.record(asked.visit))


def _record_of(desk: Desk, one: rules.Object) -> dict[str, Any]:
    name = rules.name_of(one)
    judged = [
        {
            "by": person,
            "case": given.item,
            "verdict": given.verdict,
            "label": given.label,
            "answers": given.answers,
            "at": given.at,
        }
        for person, given in desk.store.finished_judgements(name)
    ]
    return {
        "release": name,
        **rules.spec(one),
        "status": one.get("status") or {},
        "judgements": judged,
        "conversations": pages.told(desk.store.comments(name)),
    }


def record_json(desk: Desk, asked: Asked) -> Response:
    """GET /record.json, GET /record/MODEL.json"""
    model = asked.place.get("model", "")
    if model and model not in asked.visit.board.models():
        raise Problem(404, "notfound")
    known = asked.visit.board.of(model) if model else asked.visit.board.releases.values()
    decided = [one for one in known if rules.spec(one).get("decision")]
    decided.sort(key=lambda one: (rules.spec(one)["decision"].get("at", ""), rules.name_of(one)))
    return JSONResponse([_record_of(desk, one) for one in decided])


def release_json(desk: Desk, asked: Asked) -> Response:
    """GET /releases/NAME/record.json"""
    return JSONResponse(_record_of(desk, _release(asked)))


def me(desk: Desk, asked: Asked) -> Response:
    """GET /me"""
    return html(pages.settings(asked.visit, desk.store.settings(asked.person)[0]))


def set_me(desk: Desk, asked: Asked) -> Response:
    """POST /me"""
    language = asked.form.get("language", "")
    desk.store.set_settings(asked.person, language if language in desk.words else "", asked.form.get("keys") == "1")
    return go("/me", "saved")


def set_language(desk: Desk, asked: Asked) -> Response:
    """POST /me/language"""
    language = asked.form.get("language", "")
    desk.store.set_settings(asked.person, language if language in desk.words else "", asked.visit.keys)
    return go(inside(asked.form.get("back") or "/"))


Page = Callable[[Desk, Asked], Response]
PAGES: tuple[tuple[str, Page | None, Page | None], ...] = (  # address, what GET shows, what POST does
    ("/", models, None),
    ("/login", login_page, login),
    ("/logout", None, logout),
    ("/models/{model}", model, None),
    ("/models/{model}/ask", None, ask),
    ("/releases/{name}", release, None),
    ("/releases/{name}/record.json", release_json, None),
    ("/releases/{name}/decide", decide_page, decide),
    ("/releases/{name}/rollback", None, roll_back),
    ("/releases/{name}/answer", None, answer),
    ("/releases/{name}/talk", None, talk),
    ("/releases/{name}/review", review, None),
    ("/releases/{name}/review/end", end_page, hand_in),
    ("/releases/{name}/review/{place:int}", case_page, judge),
    ("/record", record, None),
    ("/record.json", record_json, None),
    ("/record/{model}.json", record_json, None),
    ("/me", me, set_me),
    ("/me/language", None, set_language),
)
