# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all pages share: head, navigation, forms with their token, small pieces, and how a case is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import board as rules
import pictures
from board import Board, Saying
from cases import Cases
from element import Markup, h, join, paragraphs, said
from store import Comment
from words import Words

LANGUAGES = {"en": "English", "ja": "日本語"}
# What a page may say above its content after a form was sent.
NOTICES = ("commented", "answered", "asked", "saved", "decided", "rolledback", "reviewed")


@dataclass(frozen=True)
class Visit:
    """Who looks at a page, in which language, and what they may see on each."""

    words: Words
    board: Board
    title: str  # the desk's own name
    files: Mapping[str, str]  # file of the page → its address, which changes with the content
    person: str = ""
    token: str = ""  # what a form must carry
    door: str = ""  # without a login: a new cookie that the login's form belongs to
    keys: bool = True
    unseen: Sequence[Comment] = ()
    notice: str = ""
    since: str = ""  # since when the API server does not answer
    path: str = "/"

    @property
    def roles(self) -> frozenset[str]:
        """The person's roles."""
        return self.board.roles(self.person)


def frame(visit: Visit, title: str, *content: Any, refresh: str = "") -> bytes:
    """A whole page.

    :param refresh: name of the release or model whose changes this page shows; "*" for all.
    """
    w = visit.words
    head = h.head(
        h.meta(charset="utf-8"),
        h.meta(name="viewport", content="width=device-width, initial-scale=1"),
        h.title(f"{title} · {visit.title}" if title != visit.title else title),
        h.link(rel="icon", href=visit.files["desk.svg"], type="image/svg+xml"),
        h.link(rel="stylesheet", href=visit.files["desk.css"]),
        h.script(src=visit.files["desk.js"], defer=True),
    )
    notice = h.p(w(f"notice.{visit.notice}"), cls="notice", role="status") if visit.notice in NOTICES else None
    away = (
        h.p(w.rich("frame.away", since=moment(w, visit.since)), cls="notice away", role="status")
        if visit.since
        else None
    )
    body = h.body(
        h.a(w("frame.skip"), href="#main", cls="skip"),
        _header(visit),
        h.main(away, notice, *content, id="main", tabindex="-1", data_refresh=refresh or None),
        _footer(visit),
        h.p(id="announce", cls="unseen", aria_live="polite"),
    )
    page = h.html(head, body, lang=w.language)
    return f"<!doctype html>{page}".encode()


def _header(visit: Visit) -> Markup:
    w = visit.words
    name = h.a(h.span(cls="mark", aria_hidden="true"), visit.title, href="/", cls="brand")
    if not visit.person:
        return h.header(h.div(name, cls="bar"), cls="top")

    def link(text: str, address: str) -> Markup:
        return h.li(h.a(text, href=address, aria_current="page" if visit.path == address else None))

    links = h.ul(link(w("nav.models"), "/"), link(w("nav.record"), "/record"), link(visit.person, "/me"))
    leave = form(visit, "/logout", h.button(w("nav.logout"), cls="quiet"))
    return h.header(h.div(name, h.nav(links, aria_label=w("nav.label")), leave, cls="bar"), cls="top")


def _footer(visit: Visit) -> Markup:
    w = visit.words
    if visit.person:
        buttons = [
            h.button(
                text, name="language", value=tag, lang=tag, cls="link", aria_pressed=str(w.language == tag).lower()
            )
            for tag, text in LANGUAGES.items()
        ]
        back = h.input(type="hidden", name="back", value=visit.path)
        choice = form(visit, "/me/language", back, h.span(w("frame.language"), cls="unseen"), buttons, cls="languages")
    else:
        links = [
            h.a(text, href=f"/login?lang={tag}", lang=tag, aria_current="true" if w.language == tag else None)
            for tag, text in LANGUAGES.items()
        ]
        choice = h.nav(links, aria_label=w("frame.language"), cls="languages")
    return h.footer(h.div(choice, cls="bar"), cls="bottom")


def form(visit: Visit, action: str, *content: Any, **attributes: Any) -> Markup:
    """A form that only a page of this session can send."""
    token = h.input(type="hidden", name="token", value=visit.token)
    return h.form(token, *content, method="post", action=action, **attributes)


def head(title: Any, *under: Any, back: tuple[str, str] | None = None) -> Markup:
    """A page's heading, with the way back above it."""
    way = h.p(h.a("← ", back[1], href=back[0]), cls="way") if back else None
    return h.div(way, h.h1(title), *under, cls="head")


def moment(words: Words, when: str) -> Markup:
    """A moment; the reader's browser shows it in their own time."""
    return h.time(words.moment(when), datetime=when)


def state(words: Words, phase: str) -> Markup:
    """A release's phase as a small sign."""
    return h.span(words(f"phase.{phase}"), cls=f"state {phase.lower()}")


def state_of(words: Words, release: Mapping[str, Any]) -> Markup:
    """Where a release stands."""
    return state(words, "Waiting" if rules.waits(release) else rules.phase(release))


def sentence(words: Words, saying: Saying) -> str:
    """A saying in words: scores by their names as people know them, shares as per cent."""
    values = dict(saying.values)
    name = str(values.get("name", ""))
    for key in ("score", "bound", "before"):
        if key in values:
            values[key] = measure(words, name, values[key]) if name else words.percent(values[key])
    if name:
        values["name"] = score_name(words, name)
    if "with" in values:
        values["with"] = words("plain.islive" if values.pop("still") else "plain.waslive", name=values["with"])
    if "mostly" in values:
        values["mostly"] = mostly(words, str(values["mostly"]))
    if "test" in values:
        values["test"] = words(f"test.{values['test']}") if words.has(f"test.{values['test']}") else values["test"]
    return words(saying.key, **values)


def mostly(words: Words, text: str) -> str:
    """What changed most, from the form "A read as B"."""
    before, middle, after = text.partition(" read as ")
    return words("plain.readas", a=before, b=after) if middle else text


def score_name(words: Words, name: str) -> str:
    """A score's name as people know it, or as its owner wrote it."""
    return words(f"score.{name}") if words.has(f"score.{name}") else name


SHARES = frozenset({"accuracy", "agreement", "precision", "recall", "f1"})


def measure(words: Words, name: str, value: float) -> str:
    """A score with its unit."""
    if name in SHARES:
        return words.percent(value)
    unit = {"Ms50": "ms", "Ms95": "ms", "MiB": "MiB"}.get(name[-4:] if name[-4:] in ("Ms50", "Ms95") else name[-3:], "")
    return f"{words.number(round(value, 3))} {unit}".strip()


def half(value: float) -> str:
    """Points as people write them: 3½."""
    whole = int(value)
    return f"{whole}½" if value != whole and whole else "½" if value != whole else str(whole)


def talk(visit: Visit, comments: Iterable[Comment], release: str, item: str, back: str, title: str) -> Markup:
    """One conversation and the field to go on with it."""
    w = visit.words
    field = f"say-{item or 'release'}".replace(" ", "-")
    spoken = [
        h.li(
            h.p(h.strong(said(one.author)), " ", moment(w, one.at), cls="by"),
            paragraphs(one.text),
            id=f"comment-{one.id}",
        )
        for one in comments
    ]
    return join(
        h.div(
            h.ol(spoken, cls="talk") if spoken else h.p(w("talk.empty"), cls="faint"),
            id=field.replace("say-", "said-", 1),
            data_live=True,
        ),
        form(
            visit,
            f"/releases/{release}/talk",
            h.input(type="hidden", name="item", value=item),
            h.input(type="hidden", name="back", value=back),
            h.label(title, for_=field),
            h.textarea(
                id=field, name="text", rows="3", required=True, maxlength="5000", aria_describedby=f"{field}-help"
            ),
            h.p(
                w("talk.mention", people=", ".join(f"@{one}" for one in visit.board.people() if one != visit.person)),
                id=f"{field}-help",
                cls="faint",
            ),
            h.button(w("talk.send")),
            cls="say",
        ),
    )


# How a case is shown ------------------------------------------------------------------------------------------------


def label(visit: Visit, cases: Cases, value: Any) -> Markup:
    """A label in the owner's words."""
    named = (cases.template.get("labels") or {}).get(str(value))
    return said(visit.words.own(named) if named is not None else value)


def show(visit: Visit, cases: Cases, case: Mapping[str, Any], small: bool = False) -> Markup:
    """A case, as its kind or its owner's template has it; a part that cannot be drawn says so."""
    fields = cases.template.get("fields")
    if not fields:
        return _part(visit, cases.kind, case["show"], str(case["id"]), small)
    parts = []
    for place, field in enumerate(fields[:1] if small else fields):
        content = case["show"].get(field["from"])
        title = visit.words.own(field.get("label"))
        shown = (
            _value(visit, content, field)
            if field["as"] == "value"
            else _part(visit, field["as"], content, title or str(case["id"]), small)
        )
        parts.append(
            h.div(h.dt(said(title)) if title and not small else None, h.dd(shown), cls=f"part part{place}")
            if not small
            else shown
        )
    if small:
        return join(parts)
    return h.dl(parts, cls="parts two" if cases.template.get("columns") == 2 else "parts")


def _value(visit: Visit, content: Any, field: Mapping[str, Any]) -> Markup:
    shown = (
        visit.words.number(content) if isinstance(content, (int, float)) and not isinstance(content, bool) else content
    )
    return join(said("–" if content is None else shown), " ", said(visit.words.own(field.get("unit"))))


def _part(visit: Visit, kind: str, content: Any, name: str, small: bool) -> Markup:
    w = visit.words
    try:
        if kind == "image":
            return pictures.image(content, w("case.image", id=name), small)
        if kind == "series":
            return pictures.series(w, content, small)
        if kind == "text":
            text = content["text"] if isinstance(content, Mapping) else str(content)
            text = text[:120] + "…" if small and len(text) > 120 else text
            return h.div(paragraphs(text), cls="prose small" if small else "prose")
        return _table(visit, content, small)
    except (KeyError, TypeError, ValueError):
        return h.p(w("case.undrawable", id=name), cls="faint")


def _table(visit: Visit, content: Mapping[str, Any], small: bool) -> Markup:
    columns, rows = content["columns"], content["rows"]
    w = visit.words

    def text(value: Any) -> Any:
        return w.number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else said(value)

    if len(rows) == 1:  # one row reads better from top to bottom
        pairs = list(zip(columns, rows[0]))[: 4 if small else None]
        return h.table([h.tr(h.th(said(name), scope="row"), h.td(text(value))) for name, value in pairs], cls="case")
    body = [h.tr([h.td(text(value)) for value in row]) for row in rows[: 3 if small else 200]]
    header = h.thead(h.tr([h.th(said(name), scope="col") for name in columns]))
    return h.div(
        h.table(header, h.tbody(body), cls="case"),
        cls="scroll",
        tabindex="0",
        role="region",
        aria_label=w("case.table"),
    )
