# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A release: plain words first, then pictures, tests, conversations and evidence; and the page where it is decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import board as rules
import pictures
import rubric
from cases import Cases, CasesError
from element import Markup, h, join, paragraphs, said
from frame import Visit, form, frame, half, head, label, measure, moment, score_name, sentence, show, state_of, talk
from pages import asker, cause, score_history
from store import Comment, Judgement
from words import canonical

EXAMPLES = 24  # changed cases on a release's page
LARGEST_CONFUSION = 40


@dataclass(frozen=True)
class Known:
    """What the desk itself knows of a release."""

    cases: Cases | CasesError | None = None
    comments: Sequence[Comment] = ()
    judged: int = 0  # cases that this person has judged
    finished: bool = False  # whether they handed their review in
    everybody: Sequence[tuple[str, Judgement]] = ()  # judgements of reviews that were handed in


def release(visit: Visit, one: rules.Object, known: Known, open_examples: bool = False, error: str = "") -> bytes:
    """The page of one release."""
    w, name, model = visit.words, rules.name_of(one), rules.spec(one)["model"]
    found = rules.evidence(one)
    sections = [
        _words(visit, one, known),
        _decision(visit, one, error),
        _changed(visit, one, known, open_examples) if found else None,
        _slices(visit, one),
        _confusion(visit, one),
        _history(visit, one),
        _scores(visit, one) if found else None,
        _reviews(visit, one, known),
        _tests(visit, one) if found else None,
        _conversation(visit, one, known),
        _evidence(visit, one),
    ]
    under = h.p(
        state_of(w, one),
        " ",
        w.rich("release.askedby", by=said(asker(visit, one)), loop=w(f"loop.{cause(one)}")),
        id="state",
        data_live=True,
    )
    return frame(visit, name, head(said(name), under, back=(f"/models/{model}", model)), *sections, refresh=name)


def _section(key: str, visit: Visit, *content: Any, live: bool = True) -> Markup | None:
    if not any(content):
        return None
    return h.section(h.h2(visit.words(f"release.{key}")), *content, id=key, data_live=live or None)


def _words(visit: Visit, one: rules.Object, known: Known) -> Markup:
    """What a person needs to know, and what they can do next."""
    w = visit.words
    first, *rest = [sentence(w, saying) for saying in rules.plain(one, visit.board)]
    reason = (rules.spec(one).get("cause") or {}).get("reason")
    told = (one.get("status") or {}).get("message")
    return h.section(
        h.p(first, cls="lead"),
        h.ul([h.li(text) for text in rest], cls="plainwords") if rest else None,
        h.p(w.rich("release.reason", reason=said(reason))) if reason else None,
        h.p(said(told), cls="faint") if told else None,
        _next(visit, one, known),
        id="words",
        data_live=True,
    )


def _next(visit: Visit, one: rules.Object, known: Known) -> Markup | None:
    w, name = visit.words, rules.name_of(one)
    if not rules.waits(one):
        return None
    actions = []
    if "reviewer" in visit.roles and isinstance(known.cases, Cases) and known.cases.cases:
        key = "next.again" if known.finished else "next.goon" if known.judged else "next.review"
        actions.append(h.a(w(key), href=f"/releases/{name}/review", cls="button" if known.finished else "button main"))
    if "reviewer" in visit.roles:
        actions.append(
            h.a(w("next.decide"), href=f"/releases/{name}/decide", cls="button main" if known.finished else "button")
        )
    return (
        h.p(actions, cls="actions")
        if actions
        else h.p(
            w("next.wait", people=w("list").join(visit.board.reviewers(rules.spec(one)["model"])) or "–"), cls="faint"
        )
    )


def _decision(visit: Visit, one: rules.Object, error: str) -> Markup | None:
    w, name = visit.words, rules.name_of(one)
    decision, back = rules.spec(one).get("decision"), rules.spec(one).get("rollback")
    if not decision:
        return None
    parts = [
        h.p(
            h.strong(w("decision.approved" if decision["verdict"] == "approved" else "decision.refused")),
            " ",
            w.rich("record.by", by=said(decision["by"]), at=moment(w, decision.get("at", ""))),
            h.span(" ", w("record.alone")) if decision.get("alone") else None,
        ),
        h.blockquote(said(decision["reason"])),
    ]
    if back:
        parts += [
            h.p(w.rich("record.rollback", by=said(back["by"]), at=moment(w, back.get("at", "")))),
            h.blockquote(said(back["reason"])),
        ]
    elif rules.may_roll_back(one, visit.board, visit.person):
        replaced = (one.get("status") or {}).get("replaced")
        about = w("rollback.about", to=replaced) if replaced else w("rollback.nothing")
        field = form(
            visit,
            f"/releases/{name}/rollback",
            h.p(about),
            h.p(error, cls="error", role="alert") if error else None,
            h.label(w("rollback.reason"), for_="back-reason"),
            h.textarea(id="back-reason", name="reason", rows="2", required=True, minlength="10", maxlength="2000"),
            h.button(w("rollback.do"), cls="danger"),
            cls="stack",
        )
        parts.append(h.details(h.summary(w("rollback.title")), field, open=bool(error)))
    return h.section(
        parts,
        id="decision",
        data_live=True,
        cls=f"verdict {'good' if decision['verdict'] == 'approved' and not back else 'bad'}",
    )


def _changed(visit: Visit, one: rules.Object, known: Known, open_examples: bool) -> Markup | None:
    """Examples that the new model reads differently; a reviewer sees them after their own review."""
    w, name = visit.words, rules.name_of(one)
    if isinstance(known.cases, CasesError):
        return _section(
            "examples", visit, h.p(w(known.cases.key), cls="error"), h.p(said(known.cases.detail), cls="faint")
        )
    if known.cases is None or not known.cases.changed():
        return None
    if rules.waits(one) and "reviewer" in visit.roles and not known.finished and not open_examples:
        link = h.a(w("examples.open"), href=f"/releases/{name}?examples=open#examples")
        return _section("examples", visit, h.p(w("examples.later"), " ", link))
    cases = known.cases
    shown = [_example(visit, cases, case) for case in cases.changed()[:EXAMPLES]]
    more = len(cases.changed()) - EXAMPLES
    return _section(
        "examples",
        visit,
        h.ul(shown, cls="examples"),
        h.p(w("examples.more", count=more), cls="faint") if more > 0 else None,
    )


def _example(visit: Visit, cases: Cases, case: Mapping[str, Any]) -> Markup:
    w = visit.words
    truth = case.get("truth")
    right = {side: str(case[side]) == str(truth) for side in ("old", "new")} if truth is not None else {}
    kind = "better" if right.get("new") else "worse" if right.get("old") else "neither" if right else "unknown"
    return h.li(
        show(visit, cases, case, small=True),
        h.p(
            h.span(w("examples.before"), cls="unseen"),
            label(visit, cases, case["old"]),
            h.span(" → ", aria_hidden="true"),
            h.span(" ", w("examples.now"), cls="unseen"),
            h.strong(label(visit, cases, case["new"])),
            cls="pair",
        ),
        h.p(w.rich(f"examples.{kind}", truth="" if truth is None else label(visit, cases, truth)), cls=f"what {kind}"),
    )


def _slices(visit: Visit, one: rules.Object) -> Markup | None:
    w = visit.words
    rows = [row for row in rules.evidence(one).get("slices") or [] if row.get("score") is not None]
    if not rows:
        return None
    name = rules.main_score(one, visit.board.rules(rules.spec(one)["model"]))
    title = score_name(w, name)
    picture = pictures.slices(w, rows, title, lambda value: measure(w, name, value))
    legend = "picture.slices.legend" if any(row.get("before") is not None for row in rows) else "picture.slices.first"
    table = h.table(
        h.thead(h.tr([h.th(w(f"table.{key}"), scope="col") for key in ("slice", "cases", "before", "now")])),
        h.tbody(
            [
                h.tr(
                    h.th(said(row["name"]), scope="row"),
                    h.td(w.number(row.get("cases", 0)), cls="n"),
                    h.td(measure(w, name, row["before"]) if row.get("before") is not None else "–", cls="n"),
                    h.td(measure(w, name, row["score"]), cls="n"),
                )
                for row in rows
            ]
        ),
    )
    return _section(
        "slices",
        visit,
        h.figure(picture, h.figcaption(w(legend, name=title))),
        h.details(h.summary(w("picture.table")), table),
        live=False,
    )


def _confusion(visit: Visit, one: rules.Object) -> Markup | None:
    """What is taken for what, as a table whose cells are darker the more cases they hold."""
    w = visit.words
    given = rules.evidence(one).get("confusion") or {}
    labels, counts = given.get("labels") or [], given.get("counts") or []
    if not labels or len(labels) > LARGEST_CONFUSION or [len(row) for row in counts] != [len(labels)] * len(labels):
        return None
    most = max((counts[a][b] for a in range(len(labels)) for b in range(len(labels)) if a != b), default=0)

    def cell(a: int, b: int) -> Markup:
        count = counts[a][b]
        if a == b:
            return h.td(count, cls="right")
        return h.td(
            count or h.span("·", aria_hidden="true"), cls=f"wrong h{min(4, -(-4 * count // most))}" if count else "none"
        )

    header = h.tr(h.th(w("confusion.corner"), scope="col"), [h.th(said(name), scope="col") for name in labels])
    rows = [
        h.tr(h.th(said(name), scope="row"), [cell(a, b) for b in range(len(labels))]) for a, name in enumerate(labels)
    ]
    table = h.table(h.thead(header), h.tbody(rows), cls="confusion")
    box = h.div(table, cls="scroll", tabindex="0", role="region", aria_label=w("release.confusion"))
    return _section("confusion", visit, h.p(w("confusion.about"), cls="faint"), box, live=False)


def _history(visit: Visit, one: rules.Object) -> Markup | None:
    drawn = score_history(visit, visit.board.of(rules.spec(one)["model"]), str(rules.number(one)))
    return _section("history", visit, drawn)


def _scores(visit: Visit, one: rules.Object) -> Markup:
    """Every score, what an approval needs, and whether it holds."""
    w = visit.words
    scores = rules.evidence(one).get("scores") or {}
    thresholds = visit.board.rules(rules.spec(one)["model"]).get("thresholds") or {}
    rows = []
    for name in sorted({*scores, *thresholds}, key=lambda name: (name not in thresholds, name)):
        rule = thresholds.get(name)
        needs = [
            w(f"scores.{kind}", bound=measure(w, name, rule[kind])) for kind in ("min", "max") if rule and kind in rule
        ]
        holds = not rules.missed(scores, {name: rule}) if rule else None
        mark = h.span("✓ ", w("scores.holds"), cls="good") if holds else h.span("✗ ", w("scores.missed"), cls="bad")
        rows.append(
            h.tr(
                h.th(said(score_name(w, name)), scope="row"),
                h.td(measure(w, name, scores[name]) if name in scores else "–", cls="n"),
                h.td(w("list").join(needs) or "–"),
                h.td(mark if rule else "–"),
            )
        )
    header = h.thead(h.tr([h.th(w(f"table.{key}"), scope="col") for key in ("measure", "value", "needs", "holds")]))
    table = h.div(
        h.table(header, h.tbody(rows)), cls="scroll", tabindex="0", role="region", aria_label=w("release.scores")
    )
    return _section("scores", visit, table, live=False)


def _reviews(visit: Visit, one: rules.Object, known: Known) -> Markup | None:
    given = rules.spec(one).get("reviews") or {}
    rows = []
    for person, review in sorted(given.items()):
        rows.append(
            h.li(
                h.p(_tally(visit, person, review)),
                h.blockquote(said(review["note"])) if review.get("note") else None,
            )
        )
    return _section("reviews", visit, h.ul(rows, cls="plain") if rows else None, _own_questions(visit, known))


TALLY = ("newBetter", "oldBetter", "same", "right", "wrong", "cannotTell", "corrected")


def _tally(visit: Visit, person: str, review: Mapping[str, Any]) -> Markup:
    """What one reviewer's judgements come to, in a line."""
    w = visit.words
    parts = [w("tally.judged", count=review.get("judged", 0))]
    parts += [w(f"tally.{key}", count=review[key]) for key in TALLY if review.get(key)]
    return join(h.strong(said(person)), ": ", " · ".join(parts))


def _own_questions(visit: Visit, known: Known) -> Markup | None:
    """What reviewers answered to the owner's questions."""
    if not isinstance(known.cases, Cases) or not known.cases.questions:
        return None
    w = visit.words
    found = []
    for question in known.cases.questions:
        counted = Counter(
            judged.answers[question.id] for _person, judged in known.everybody if judged.answers.get(question.id)
        )
        if counted:
            named = {canonical(choice): w.own(choice) for choice in question.choices}
            told = [h.li(said(named.get(text, text)[:200]), f" · {count}") for text, count in counted.most_common(20)]
            found.append(join(h.h3(said(w.own(question.ask))), h.ul(told, cls="plain")))
    return join(found) if found else None


WAYS = {"answer": "tests.answer", "fix": "tests.fix", "automate": "tests.automate"}


def _tests(visit: Visit, one: rules.Object) -> Markup:
    """The 28 tests, and what the next half point takes."""
    w = visit.words
    least, sums = rules.score(one)
    required = visit.board.rules(rules.spec(one)["model"]).get("requiredTests") or []
    going = rubric.next_half(rules.spec(one))
    steps = [
        h.li(
            h.a(w(f"test.{test}"), href=f"#test-{test}"),
            " ",
            w(WAYS[way]),
        )
        for test, way in going.items()
    ]
    groups = []
    for section in rubric.SECTIONS:
        tests = [test for test in rubric.TESTS if test.startswith(section)]
        rows = [_test(visit, one, test, test in required) for test in tests]
        groups.append(
            h.details(
                h.summary(w(f"section.{section}"), " ", h.span(w("tests.of", points=half(sums[section])), cls="faint")),
                h.ul(rows, cls="tests"),
            )
        )
    return _section(
        "tests",
        visit,
        h.p(w.rich("tests.score", score=h.strong(half(least))), cls="lead"),
        h.p(w("tests.about"), cls="faint"),
        [h.h3(w("tests.next", count=len(steps))), h.ul(steps, cls="plain")] if steps else None,
        groups,
        live=False,
    )


def _test(visit: Visit, one: rules.Object, test: str, required: bool) -> Markup:
    w, name = visit.words, rules.name_of(one)
    points = rules.points(one, test)
    note = ((rules.evidence(one).get("tests") or {}).get(test) or {}).get("note")
    answer = (rules.spec(one).get("answers") or {}).get(test)
    field = None
    answerable = points == 0 and test not in rubric.failed(rules.spec(one))
    if answerable and not rules.spec(one).get("decision") and {"reviewer", "trainer", "operator"} & visit.roles:
        field = h.details(
            h.summary(w("tests.do"), h.span(": ", w(f"test.{test}"), cls="unseen")),
            form(
                visit,
                f"/releases/{name}/answer",
                h.input(type="hidden", name="test", value=test),
                h.label(w("tests.how"), for_=f"answer-{test}"),
                h.textarea(id=f"answer-{test}", name="text", rows="2", required=True, minlength="10", maxlength="2000"),
                h.button(w("tests.save")),
                cls="stack",
            ),
        )
    return h.li(
        h.p(
            h.span(half(points), cls=f"points p{int(points * 2)}"),
            " ",
            w(f"test.{test}"),
            h.span(" ", w("tests.required"), cls="state waiting") if required else None,
        ),
        h.p(said(note), cls="faint") if note else None,
        h.p(
            w.rich("tests.by", by=said(answer["by"]), at=moment(w, answer.get("at", ""))),
            " ",
            said(answer["text"]),
            cls="faint",
        )
        if answer
        else None,
        field,
        id=f"test-{test}",
    )


def _conversation(visit: Visit, one: rules.Object, known: Known) -> Markup:
    w, name = visit.words, rules.name_of(one)
    own = [comment for comment in known.comments if not comment.item]
    threads: dict[str, list[Comment]] = {}
    for comment in known.comments:
        if comment.item:
            threads.setdefault(comment.item, []).append(comment)
    cases = known.cases.by_id() if isinstance(known.cases, Cases) else {}
    parts = []
    for item, comments in threads.items():
        picture = (
            show(visit, known.cases, cases[item], small=True)
            if item in cases and isinstance(known.cases, Cases)
            else None
        )
        parts.append(
            h.section(
                h.h3(w.rich("talk.case", id=said(item))),
                picture,
                talk(visit, comments, name, item, f"/releases/{name}", w("talk.answer")),
                cls="thread",
            )
        )
    return _section("talk", visit, talk(visit, own, name, "", f"/releases/{name}", w("talk.new")), parts)


def _evidence(visit: Visit, one: rules.Object) -> Markup | None:
    w, name = visit.words, rules.name_of(one)
    found = rules.evidence(one)
    digests = found.get("digests") or {}
    rows = [(w(f"evidence.{key}"), h.code(digests[key])) for key in ("model", "code", "data") if key in digests]
    texts = ("dataVersion", "image", "trainedBy")
    rows += [(w(f"evidence.{key}"), said(found[key])) for key in texts if found.get(key)]
    if found.get("cases"):
        rows.append((w("evidence.cases"), h.code(found["cases"].get("digest", ""))))
    passed = [
        h.li(moment(w, step.get("at", "")), " ", w(f"phase.{step['phase']}"), " ", said(step.get("message") or ""))
        for step in (one.get("status") or {}).get("history") or []
        if w.has(f"phase.{step.get('phase')}")
    ]
    return _section(
        "evidence",
        visit,
        h.dl([h.div(h.dt(title), h.dd(value)) for title, value in rows], cls="facts") if rows else None,
        [h.h3(w("evidence.history")), h.ol(passed, cls="plain")] if passed else None,
        h.p(h.a(w("record.json"), href=f"/releases/{name}/record.json")),
    )


# The decision --------------------------------------------------------------------------------------------------------


def decide(
    visit: Visit,
    one: rules.Object,
    known: Known,
    verdict: str = "",
    reason: str = "",
    error: str = "",
    quoted: str = "",
) -> bytes:
    """The page where a release is decided.

    :param error: key of what went wrong with the last try; `quoted` is what the API server said to it.
    """
    w, name = visit.words, rules.name_of(one)
    any_, approve = rules.bars(one, visit.board, visit.person)
    first, *_rest = [sentence(w, saying) for saying in rules.plain(one, visit.board)]
    told = None
    if error:
        told = h.div(
            h.p(w(error)), h.blockquote(said(quoted), lang="en") if quoted else None, cls="error", role="alert"
        )
    summary = h.section(h.p(first, cls="lead"), _review_hint(visit, one, known), id="words", data_live=True)
    if any_:
        decision = rules.spec(one).get("decision")
        if decision:
            told = told or h.p(w("bar.decided", by=decision["by"]), cls="error", role="alert")
        body: Any = [
            told,
            _decision(visit, one, "")
            if decision
            else h.ul([h.li(sentence(w, obstacle)) for obstacle in any_], cls="bars"),
            h.blockquote(paragraphs(reason)) if decision and reason else None,
            h.p(h.a(w("decide.back", name=name), href=f"/releases/{name}")),
        ]
    else:
        body = [told, _decide_form(visit, one, approve, verdict, reason)]
    return frame(
        visit,
        w("decide.title", name=name),
        head(w("decide.title", name=name), back=(f"/releases/{name}", name)),
        summary,
        *body,
        refresh=name,
    )


def _review_hint(visit: Visit, one: rules.Object, known: Known) -> Markup | None:
    w, name = visit.words, rules.name_of(one)
    if not rules.waits(one):
        return None
    given = rules.spec(one).get("reviews") or {}
    rows = [h.li(_tally(visit, person, review)) for person, review in sorted(given.items())]
    mine = None
    if not known.finished and isinstance(known.cases, Cases) and known.cases.cases:
        mine = h.p(
            w("decide.unreviewed"),
            " ",
            h.a(w("next.goon" if known.judged else "next.review"), href=f"/releases/{name}/review"),
        )
    return join(h.ul(rows, cls="plain") if rows else None, mine)


def _decide_form(visit: Visit, one: rules.Object, approve: Sequence[rules.Saying], verdict: str, reason: str) -> Markup:
    w, name = visit.words, rules.name_of(one)
    alone = rules.spec(one).get("askedBy") == visit.person
    why = (
        h.div(
            h.p(w("decide.notyet")), h.ul([h.li(sentence(w, obstacle)) for obstacle in approve]), id="why", cls="bars"
        )
        if approve
        else None
    )
    return form(
        visit,
        f"/releases/{name}/decide",
        why,
        h.p(w("decide.alone"), cls="notice") if alone else None,
        h.fieldset(
            h.legend(w("decide.verdict")),
            h.label(
                h.input(
                    type="radio",
                    name="verdict",
                    value="approved",
                    required=True,
                    disabled=bool(approve),
                    checked=verdict == "approved" and not approve,
                    aria_describedby="why" if approve else None,
                ),
                h.span(h.strong(w("decide.approve")), h.br(), w("decide.approve.about"), cls="choice"),
                cls="pick off" if approve else "pick",
            ),
            h.label(
                h.input(type="radio", name="verdict", value="refused", required=True, checked=verdict == "refused"),
                h.span(h.strong(w("decide.refuse")), h.br(), w("decide.refuse.about"), cls="choice"),
                cls="pick",
            ),
        ),
        h.label(w("decide.reason"), for_="reason"),
        h.textarea(
            reason,
            id="reason",
            name="reason",
            rows="4",
            required=True,
            minlength="10",
            maxlength="2000",
            aria_describedby="reason-help",
        ),
        h.p(w("decide.reason.about"), id="reason-help", cls="faint"),
        h.p(w("decide.final")),
        h.button(w("decide.do"), cls="main"),
        cls="stack",
    )
