# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pages around the releases: login, the list of models, one model, the record, settings, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import board as rules
import pictures
from element import Markup, h, said
from frame import LANGUAGES, Visit, form, frame, head, measure, moment, score_name, sentence, state, state_of
from store import Comment


def login(visit: Visit, name: str = "", error: str = "", seconds: int = 0, goal: str = "/") -> bytes:
    """The door; `goal` is where somebody wanted to go."""
    w = visit.words
    told = (
        h.p(w(error, count=seconds) if seconds else w(error), id="wrong", cls="error", role="alert") if error else None
    )
    fields = form(
        visit,
        "/login",
        told,
        h.input(type="hidden", name="next", value=goal),
        h.label(w("login.name"), for_="name"),
        h.input(
            id="name",
            name="name",
            value=name,
            autocomplete="username",
            autocapitalize="none",
            spellcheck="false",
            required=True,
            autofocus=not name,
        ),
        h.label(w("login.password"), for_="password"),
        h.input(
            id="password",
            name="password",
            type="password",
            autocomplete="current-password",
            required=True,
            autofocus=bool(name),
            aria_describedby="wrong" if error else None,
        ),
        h.button(w("login.enter"), cls="main wide"),
        cls="stack",
    )
    return frame(visit, w("login.title"), h.section(h.h1(w("login.title")), h.p(w("login.about")), fields, cls="door"))


def message(visit: Visit, key: str, detail: str = "", back: str = "/") -> bytes:
    """A page that says what did not work."""
    w = visit.words
    quoted = h.blockquote(said(detail), lang="en") if detail else None
    return frame(
        visit, w(f"{key}.title"), head(w(f"{key}.title")), h.p(w(f"{key}.text")), quoted, h.p(h.a(w("back"), href=back))
    )


def models(visit: Visit) -> bytes:
    """What answers now, and what waits for somebody."""
    w, board = visit.words, visit.board
    waiting = board.waiting()
    cards = [_waiting(visit, release) for release in waiting]
    wait = h.section(
        h.h2(w("models.waiting", count=len(waiting)) if waiting else w("models.nothing")),
        h.ul(cards, cls="cards") if cards else h.p(w("models.nothing.text"), cls="faint"),
        id="waiting",
        data_live=True,
    )
    rows = [_model(visit, model) for model in board.models()]
    listed = h.section(
        h.h2(w("models.all")),
        h.ul(rows, cls="models") if rows else h.p(w("models.none")),
        id="models",
        data_live=True,
    )
    return frame(visit, w("models.title"), head(w("models.title")), _mentions(visit), wait, listed, refresh="*")


def _mentions(visit: Visit) -> Markup:
    w = visit.words
    rows = [
        h.li(
            h.a(
                w.rich("models.mention", by=said(one.author), release=said(one.release)),
                href=f"/releases/{one.release}#comment-{one.id}",
            ),
            " ",
            h.span(said(one.text[:90] + ("…" if len(one.text) > 90 else "")), cls="faint"),
        )
        for one in visit.unseen
    ]
    return h.section(
        [h.h2(w("models.mentions", count=len(rows))), h.ul(rows, cls="plain")] if rows else None,
        id="mentions",
        data_live=True,
    )


def _waiting(visit: Visit, release: rules.Object) -> Markup:
    w, name = visit.words, rules.name_of(release)
    first = rules.plain(release, visit.board)[:2]
    return h.li(
        h.h3(h.a(said(name), href=f"/releases/{name}")),
        h.p(w("gap").join(sentence(w, one) for one in first)),
        h.p(w.rich("release.askedby", by=said(asker(visit, release)), loop=w(f"loop.{cause(release)}")), cls="faint"),
        cls="card",
    )


def cause(release: rules.Object) -> str:
    """Which loop a release came by."""
    return "data" if (rules.spec(release).get("cause") or {}).get("loop") == "data" else "code"


def asker(visit: Visit, release: rules.Object) -> str:
    """Who asked for a release; the cluster's own hand in words."""
    name = str(rules.spec(release).get("askedBy") or "–")
    return visit.words("hand") if name.startswith("system:serviceaccount:") else name


def _model(visit: Visit, model: str) -> Markup:
    w, board = visit.words, visit.board
    live = board.live(model)
    newest = next(iter(board.of(model)), None)
    name = rules.main_score(live, board.rules(model)) if live else ""
    now: Any = w("models.notlive")
    if live:
        now = w.rich("models.live", release=h.a(said(rules.name_of(live)), href=f"/releases/{rules.name_of(live)}"))
    score = rules.evidence(live)["scores"][name] if live and name else None
    return h.li(
        h.h3(h.a(said(model), href=f"/models/{model}")),
        h.p(now, cls="now"),
        h.p(h.strong(measure(w, name, score)), " ", score_name(w, name), cls="figure") if score is not None else None,
        h.p(
            state_of(w, newest),
            " ",
            h.a(said(rules.name_of(newest)), href=f"/releases/{rules.name_of(newest)}"),
            cls="faint",
        )
        if newest and newest is not live
        else None,
    )


def model(visit: Visit, name: str, error: str = "", reason: str = "") -> bytes:
    """One model: what answers, how its score went, all its releases, and how to ask for another."""
    w, board = visit.words, visit.board
    releases = board.of(name)
    live = board.live(name)
    if live:
        link = h.a(said(rules.name_of(live)), href=f"/releases/{rules.name_of(live)}")
        now: Any = h.p(w.rich("models.live", release=link), cls="lead")
    else:
        now = h.p(w("models.notlive"), cls="lead")
    rows = [_release_row(visit, release) for release in releases]
    table = h.div(
        h.table(
            _columns(visit, "release", "state", "score", "why", "decided"),
            h.tbody(rows),
        ),
        cls="scroll",
        tabindex="0",
        role="region",
        aria_label=w("model.releases"),
    )
    return frame(
        visit,
        name,
        head(said(name), back=("/", w("nav.models"))),
        h.section(now, _refused(visit, releases), score_history(visit, releases, ""), id="now", data_live=True),
        h.section(h.h2(w("model.releases")), table if rows else h.p(w("model.none")), id="releases", data_live=True),
        h.p(h.a(w("record.of"), href=f"/record/{name}.json")),
        _ask(visit, name, error, reason) if "trainer" in visit.roles and board.rules(name) else None,
        refresh="*",
    )


def _refused(visit: Visit, releases: Sequence[rules.Object]) -> Markup | None:
    """Why the last one was refused, for whoever trains the next; nothing once another was approved."""
    last = next((one for one in releases if rules.spec(one).get("decision")), None)
    if last is None or rules.spec(last)["decision"]["verdict"] != "refused":
        return None
    decision, name = rules.spec(last)["decision"], rules.name_of(last)
    link = h.a(said(name), href=f"/releases/{name}")
    told = visit.words.rich("model.refused", release=link, by=said(decision["by"]))
    return h.div(h.p(told), h.blockquote(said(decision["reason"])), id="refused")


def _columns(visit: Visit, *keys: str) -> Markup:
    """The head of a table."""
    return h.thead(h.tr([h.th(visit.words(f"table.{key}"), scope="col") for key in keys]))


def score_history(visit: Visit, releases: Sequence[rules.Object], here: str) -> Markup | None:
    """How the main score went over a model's releases; nothing before there are two."""
    w = visit.words
    newest = next((one for one in releases if rules.evidence(one)), None)
    if newest is None:
        return None
    own = visit.board.rules(rules.spec(newest)["model"])
    name = rules.main_score(newest, own)
    points = rules.history(releases, name)
    if len(points) < 2:
        return None
    bound = ((own.get("thresholds") or {}).get(name) or {}).get("min")
    states = {"Live": "live", "Refused": "refused", "Failed": "refused", "RolledBack": "refused"}
    drawn = [(str(rules.number(one)), value, states.get(rules.phase(one), "other")) for one, value in points]
    title = score_name(w, name)
    legend = h.figcaption(
        w("picture.history.legend", name=title),
        " ",
        w("picture.bound", bound=measure(w, name, bound)) if bound is not None else "",
    )
    return h.figure(pictures.history(w, drawn, bound, title, lambda value: measure(w, name, value), here), legend)


def _release_row(visit: Visit, release: rules.Object) -> Markup:
    w, name = visit.words, rules.name_of(release)
    main = rules.main_score(release, visit.board.rules(rules.spec(release)["model"]))
    decision = rules.spec(release).get("decision") or {}
    score = measure(w, main, rules.evidence(release)["scores"][main]) if main else "–"
    reason = (rules.spec(release).get("cause") or {}).get("reason", "")
    return h.tr(
        h.th(h.a(said(name), href=f"/releases/{name}"), scope="row"),
        h.td(state_of(w, release)),
        h.td(score, cls="n"),
        h.td(said(reason)),
        h.td([said(decision["by"]), ", ", moment(w, decision.get("at", ""))] if decision else "–"),
    )


def _ask(visit: Visit, name: str, error: str, reason: str) -> Markup:
    w = visit.words
    choices = [
        h.label(h.input(type="radio", name="loop", value=loop, checked=loop == "data"), " ", w(f"ask.{loop}"))
        for loop in ("data", "code")
    ]
    return h.section(
        h.h2(w("ask.title")),
        h.p(w("ask.about")),
        h.p(error, cls="error", role="alert") if error else None,
        form(
            visit,
            f"/models/{name}/ask",
            h.fieldset(h.legend(w("ask.loop")), choices),
            h.label(w("ask.reason"), for_="reason"),
            h.textarea(reason, id="reason", name="reason", rows="2", required=True, maxlength="500"),
            h.button(w("ask.send")),
            cls="stack",
        ),
    )


def record(visit: Visit) -> bytes:
    """Who decided what on which evidence, newest first."""
    w, board = visit.words, visit.board
    decided = [one for one in board.releases.values() if rules.spec(one).get("decision")]
    decided.sort(key=lambda one: (rules.spec(one)["decision"].get("at", ""), rules.name_of(one)), reverse=True)
    rows = []
    for one in decided:
        decision, name = rules.spec(one)["decision"], rules.name_of(one)
        digests = rules.evidence(one).get("digests") or {}
        back = rules.spec(one).get("rollback")
        rows.append(
            h.li(
                h.h2(
                    h.a(said(name), href=f"/releases/{name}"),
                    " ",
                    state(w, "Approved" if decision["verdict"] == "approved" else "Refused"),
                ),
                h.p(
                    w.rich("record.by", by=said(decision["by"]), at=moment(w, decision.get("at", ""))),
                    h.span(" ", w("record.alone")) if decision.get("alone") else None,
                ),
                h.blockquote(said(decision["reason"])),
                h.p(
                    w.rich("record.rollback", by=said(back["by"]), at=moment(w, back.get("at", ""))),
                    " ",
                    said(back["reason"]),
                )
                if back
                else None,
                h.p(w("record.digest"), " ", h.code(digests.get("model", "–")), cls="faint"),
                cls="card",
            )
        )
    return frame(
        visit,
        w("record.title"),
        head(w("record.title"), h.p(w("record.about")), h.p(h.a(w("record.json"), href="/record.json"))),
        h.ul(rows, cls="cards one", id="record", data_live=True)
        if rows
        else h.p(w("record.none"), id="record", data_live=True),
        refresh="*",
    )


def settings(visit: Visit, language: str) -> bytes:
    """A person's own settings."""
    w = visit.words
    names = {"": w("me.browser"), **LANGUAGES}
    options = [h.option(text, value=tag, selected=tag == language) for tag, text in names.items()]
    roles = [w(f"role.{role}") for role in rules.ROLES if role in visit.roles]
    return frame(
        visit,
        w("me.title"),
        head(w.rich("me.hello", name=said(visit.person)), h.p(w("me.roles", roles=w("list").join(roles)))),
        form(
            visit,
            "/me",
            h.label(w("me.language"), for_="language"),
            h.select(options, id="language", name="language"),
            h.label(
                h.input(type="checkbox", name="keys", value="1", checked=visit.keys), " ", w("me.keys"), cls="check"
            ),
            h.p(w("me.keys.about"), cls="faint"),
            h.button(w("me.save"), cls="main"),
            cls="stack narrow",
        ),
    )


def told(comments: Sequence[Comment]) -> list[Mapping[str, Any]]:
    """Conversations as JSON."""
    return [{"case": one.item or None, "by": one.author, "at": one.at, "text": one.text} for one in comments]
