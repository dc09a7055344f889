# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The review: one case after the other, blind, by one key or one tap; at the end what it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import blind
import board as rules
from cases import Cases, Question
from element import Markup, h, said
from frame import Visit, form, frame, head, label, show, talk
from pages_release import TALLY
from store import Comment, Judgement
from words import canonical

KEYS = {"A": "a", "B": "b", "same": "s", "right": "y", "wrong": "n", "unknown": "u"}


@dataclass(frozen=True)
class Review:
    """One person's review of one release."""

    release: rules.Object
    cases: Cases
    seed: bytes
    order: Sequence[str]
    given: Mapping[str, Judgement]

    @property
    def name(self) -> str:
        """The release's name."""
        return rules.name_of(self.release)

    def next_place(self, after: int = 0) -> int | None:
        """The place (from 1) of the next case without a judgement, going round; ``None`` when there is none."""
        places = [place for place, case in enumerate(self.order, 1) if case not in self.given]
        return next((place for place in places if place > after), places[0] if places else None)


def begin(release: rules.Object, cases: Cases, seed: bytes, given: Mapping[str, Judgement]) -> Review:
    """A review in this person's order; judgements on cases that are not asked about are left out."""
    order = blind.order(seed, [str(case["id"]) for case in cases.cases[: blind.CASES]])
    return Review(release, cases, seed, order, {case: given[case] for case in order if case in given})


def case(visit: Visit, review: Review, place: int, comments: Sequence[Comment], error: str = "") -> bytes:
    """One case."""
    w = visit.words
    item = review.order[place - 1]
    one = review.cases.by_id()[item]
    seen = blind.answers(review.seed, one)
    given = review.given.get(item)
    chosen = blind.choice(review.seed, one, given.verdict) if given else ""
    title = w.own(review.cases.template.get("title")) or w("case.which" if len(seen) == 2 else "case.one")
    address = f"/releases/{review.name}/review/{place}"
    fields = form(
        visit,
        address,
        # Enter in a field sends a form's first button: this one, which judges nothing anew.
        h.button(w("case.keep"), name="choice", value=chosen, cls="unseen", tabindex="-1", aria_hidden="true"),
        h.p(error, cls="error", role="alert") if error else None,
        [_question(visit, question, given) for question in review.cases.questions],
        _choices(visit, review, seen, chosen),
        h.details(
            h.summary(w("case.more")),
            _label(visit, review, one, given),
            h.button(w("case.keep"), name="choice", value=chosen, cls="quiet") if chosen else None,
            open=bool(given and given.label),
        ),
        id="judge",
        data_keys=visit.keys or None,
    )
    done = len(review.given)
    own = [comment for comment in comments if comment.item == item]
    conversation = h.details(
        h.summary(w("case.talk", count=len(own))),
        talk(visit, own, review.name, item, address, w("talk.case.new")),
        open=bool(own) or None,
        id="case-talk",
    )
    count = len(review.order)
    before = (
        h.a("← ", w("case.before"), href=f"/releases/{review.name}/review/{place - 1}", rel="prev")
        if place > 1
        else h.span()
    )
    after = (
        h.a(w("case.after"), " →", href=f"/releases/{review.name}/review/{place + 1}", rel="next")
        if place < count
        else h.a(w("case.end"), " →", href=f"/releases/{review.name}/review/end")
    )
    return frame(
        visit,
        w("case.title", number=place, count=count, name=review.name),
        head(
            w("case.of", number=place, count=count),
            h.progress(
                w("case.done", done=done, count=count),
                value=done,
                max=count,
                aria_label=w("case.done", done=done, count=count),
            ),
            back=(f"/releases/{review.name}", review.name),
        ),
        h.section(h.h2(said(title)), h.div(show(visit, review.cases, one), cls="exhibit"), cls="look"),
        fields,
        conversation,
        h.nav(before, after, cls="pager", aria_label=w("case.pages")),
        h.p(w("case.keys") if len(seen) == 2 else w("case.keys.one"), cls="faint keys") if visit.keys else None,
    )


def _choices(visit: Visit, review: Review, seen: Sequence[str], chosen: str) -> Markup:
    w = visit.words

    def button(choice: str, *content: Any, cls: str = "") -> Markup:
        picked = " chosen" if choice == chosen else ""
        return h.button(
            content,
            name="choice",
            value=choice,
            cls=f"choice {cls}{picked}",
            data_key=KEYS[choice],
            aria_keyshortcuts=KEYS[choice] if visit.keys else None,
            aria_pressed="true" if picked else "false",
        )

    def key(choice: str) -> Markup | None:
        return h.kbd(KEYS[choice].upper(), aria_hidden="true") if visit.keys else None

    if len(seen) == 2:
        sides = [
            button(
                side,
                h.span(w(f"case.answer{side}"), cls="side"),
                h.span(label(visit, review.cases, answer), cls="answer"),
                h.span(w("case.better"), " ", key(side), cls="does"),
                cls="side",
            )
            for side, answer in zip("AB", seen)
        ]
        return h.div(
            h.div(sides, cls="sides"),
            h.div(
                button("same", w("case.same"), " ", key("same")),
                button("unknown", w("case.unknown"), " ", key("unknown")),
                cls="rest",
            ),
            cls="choices",
            role="group",
            aria_label=w("case.which"),
        )
    return h.div(
        h.p(
            h.span(w("case.answer"), cls="side"),
            h.span(label(visit, review.cases, seen[0]), cls="answer"),
            cls="single",
        ),
        h.div(
            [button(choice, w(f"case.{choice}"), " ", key(choice)) for choice in ("right", "wrong", "unknown")],
            cls="rest three",
        ),
        cls="choices",
        role="group",
        aria_label=w("case.one"),
    )


def _label(visit: Visit, review: Review, one: Mapping[str, Any], given: Judgement | None) -> Markup:
    """The field for what the case really is; what it was recorded as is not shown, so that nobody is led."""
    w = visit.words
    kept = given.label if given else None
    if review.cases.labels:
        named = review.cases.template.get("labels") or {}
        options = [
            h.option(w.own(named.get(name)) or name, value=name, selected=name == kept) for name in review.cases.labels
        ]
        field = h.select(h.option("–", value=""), options, id="label", name="label")
    else:
        field = h.input(id="label", name="label", value=kept or "", maxlength="200")
    return h.div(h.label(w("case.label"), for_="label"), field, cls="field")


def _question(visit: Visit, question: Question, given: Judgement | None) -> Markup:
    w, name = visit.words, f"q-{question.id}"
    kept = given.answers.get(question.id, "") if given else ""
    ask = said(w.own(question.ask))
    if question.kind == "choice":
        picks = []
        for choice in question.choices:
            value = canonical(choice)
            pick = h.input(type="radio", name=name, value=value, checked=value == kept)
            picks.append(h.label(pick, " ", said(w.own(choice))))
        return h.fieldset(h.legend(ask), picks)
    kind = "number" if question.kind == "number" else "text"
    field = h.input(
        id=name, name=name, type=kind, step="any" if kind == "number" else None, value=kept, maxlength="500"
    )
    return h.div(h.label(ask, for_=name), field, cls="field")


def end(visit: Visit, review: Review, note: str, finished: bool, error: str = "", quoted: str = "") -> bytes:
    """What the review comes to, no longer blind, and the button that hands it in."""
    w = visit.words
    tally = blind.tally([judged.verdict for judged in review.given.values()])
    found = corrections(review, visit.person)
    rows = [h.li(w(f"tally.{key}", count=tally[key])) for key in TALLY if tally.get(key)]
    left = len(review.order) - len(review.given)
    cases = review.cases.by_id()
    changed = [
        h.li(
            show(visit, review.cases, cases[one["case"]], small=True),
            h.p(
                w.rich(
                    "end.correction",
                    truth=label(visit, review.cases, cases[one["case"]].get("truth", "–")),
                    label=h.strong(label(visit, review.cases, one["label"])),
                )
            ),
        )
        for one in found
    ]
    told = (
        h.div(h.p(w(error)), h.blockquote(said(quoted), lang="en") if quoted else None, cls="error", role="alert")
        if error
        else None
    )
    go_on = review.next_place()
    hand_in = form(
        visit,
        f"/releases/{review.name}/review/end",
        h.label(w("end.note"), for_="note"),
        h.textarea(note, id="note", name="note", rows="3", maxlength="2000"),
        h.button(w("end.again" if finished else "end.send"), cls="main"),
        cls="stack",
    )
    return frame(
        visit,
        w("end.title", name=review.name),
        head(w("end.title", name=review.name), back=(f"/releases/{review.name}", review.name)),
        told,
        h.section(
            h.p(w("end.judged", done=len(review.given), count=len(review.order)), cls="lead"),
            h.ul(rows, cls="plainwords"),
            h.p(w("end.left", count=left), " ", h.a(w("next.goon"), href=f"/releases/{review.name}/review/{go_on}"))
            if go_on
            else None,
        ),
        h.section(
            h.h2(w("end.corrections", count=len(found))),
            h.p(w("end.corrections.about"), cls="faint"),
            h.ul(changed, cls="examples"),
        )
        if found
        else None,
        hand_in if review.given else None,
    )


def corrections(review: Review, person: str) -> list[dict[str, str]]:
    """Labels that this person gave and that are not what was recorded: as lines for the next training."""
    cases = review.cases.by_id()
    return [
        {"case": item, "label": judged.label, "by": person, "at": judged.at}
        for item, judged in review.given.items()
        if judged.label and judged.label != str(cases[item].get("truth", ""))
    ]


def taken_back(review: Review, person: str, before: Sequence[str]) -> list[dict[str, str]]:
    """Lines that undo corrections which this person handed in before and no longer makes: the label as recorded.

    :param before: cases corrected then.
    """
    cases = review.cases.by_id()
    still = {line["case"] for line in corrections(review, person)}
    return [
        {"case": item, "label": str(cases[item]["truth"]), "by": person, "at": review.given[item].at}
        for item in before
        if item not in still and item in review.given and "truth" in cases[item]
    ]
