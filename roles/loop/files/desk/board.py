# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the cluster says, as plain data: releases, the gate's rules, who has which role. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import kube
import rubric

Object = Mapping[str, Any]

ROLES = ("trainer", "reviewer", "operator", "viewer")
SERVES = ("Shadow", "Canary", "Live")


def name_of(release: Object) -> str:
    """A release's name."""
    return release["metadata"]["name"]


def spec(release: Object) -> Object:
    """What people and the hand wrote."""
    return release.get("spec") or {}


def evidence(release: Object) -> Object:
    """What speaks for and against it; empty until it was checked."""
    return spec(release).get("evidence") or {}


def number(release: Object) -> int:
    """Its number: 7 of digits-7."""
    return kube.number(name_of(release))


def phase(release: Object) -> str:
    """Where it stands; a decision counts from the moment it was made, even before anybody acted on it."""
    reported = (release.get("status") or {}).get("phase") or "Asked"
    decision = spec(release).get("decision")
    if decision and reported in ("Asked", "Training", "Checking", "Waiting"):
        return "Approved" if decision.get("verdict") == "approved" else "Refused"
    return reported


def waits(release: Object) -> bool:
    """Whether it waits for a person's decision."""
    return bool(evidence(release)) and not spec(release).get("decision") and phase(release) != "Failed"


@dataclass(frozen=True)
class Board:
    """All that is known of the cluster at one moment."""

    releases: Mapping[str, Object] = field(default_factory=dict)
    gate: Object = field(default_factory=dict)

    def roles(self, person: str) -> frozenset[str]:
        """A person's roles, as the gate has them; nobody else may look at anything."""
        people = (self.gate.get("spec") or {}).get("people") or {}
        return frozenset(role for role in people.get(person) or () if role in ROLES)

    def people(self, role: str = "") -> list[str]:
        """Everybody the gate knows, or those with one role."""
        people = (self.gate.get("spec") or {}).get("people") or {}
        return sorted(person for person in people if (role in self.roles(person) if role else self.roles(person)))

    def rules(self, model: str) -> Object:
        """The gate's rules for a model."""
        return ((self.gate.get("spec") or {}).get("models") or {}).get(model) or {}

    def models(self) -> list[str]:
        """Every model that has rules or releases."""
        ruled = (self.gate.get("spec") or {}).get("models") or {}
        return sorted({*ruled, *(spec(release).get("model", "") for release in self.releases.values())} - {""})

    def of(self, model: str) -> list[Object]:
        """A model's releases, newest first."""
        own = [release for release in self.releases.values() if spec(release).get("model") == model]
        return sorted(own, key=number, reverse=True)

    def live(self, model: str) -> Object | None:
        """The release that answers now."""
        return next((release for release in self.of(model) if phase(release) == "Live"), None)

    def waiting(self) -> list[Object]:
        """What waits for a decision, oldest first."""
        return sorted(filter(waits, self.releases.values()), key=lambda one: (spec(one).get("model", ""), number(one)))

    def next_name(self, model: str) -> str:
        """The name of a model's next release."""
        return f"{model}-{max((number(release) for release in self.of(model)), default=0) + 1}"

    def reviewers(self, model: str) -> list[str]:
        """Who may decide about a model."""
        listed = self.rules(model).get("reviewers") or []
        return [person for person in self.people("reviewer") if not listed or person in listed]


@dataclass(frozen=True)
class Saying:
    """A sentence to be said: the key of its words, and what fills its places."""

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)


def missed(scores: Mapping[str, float], thresholds: Mapping[str, Object]) -> list[Saying]:
    """Thresholds that do not hold, each as a sentence."""
    found = []
    for name, rule in sorted(thresholds.items()):
        score = scores.get(name)
        if score is None:
            found.append(Saying("bar.noscore", {"name": name}))
            continue
        if "min" in rule and score < rule["min"]:
            found.append(Saying("bar.below", {"name": name, "score": score, "bound": rule["min"]}))
        if "max" in rule and score > rule["max"]:
            found.append(Saying("bar.above", {"name": name, "score": score, "bound": rule["max"]}))
    return found


def points(release: Object, test: str) -> float:
    """Points of one of the 28 tests."""
    return rubric.points_of(spec(release))[test]


def score(release: Object) -> tuple[float, dict[str, float]]:
    """The ML Test Score: the least of the four sections' sums, and these."""
    return rubric.score(rubric.points_of(spec(release)))


def bars(release: Object, board: Board, person: str) -> tuple[list[Saying], list[Saying]]:
    """What stands against a decision, as the API server would say it: (against any, against an approval)."""
    model = spec(release).get("model", "")
    rules = board.rules(model)
    own = spec(release).get("askedBy") == person
    any_: list[Saying] = []
    decision = spec(release).get("decision")
    if decision:
        any_.append(Saying("bar.decided", {"by": decision.get("by", "")}))
    if not evidence(release):
        any_.append(Saying("bar.noevidence"))
    if "reviewer" not in board.roles(person):
        any_.append(Saying("bar.role"))
    elif person not in board.reviewers(model):
        any_.append(Saying("bar.list", {"people": ", ".join(board.reviewers(model)) or "–"}))
    if own and not rules.get("alone"):
        any_.append(Saying("bar.own"))
    if any_:
        return any_, []
    approve = missed(evidence(release).get("scores") or {}, rules.get("thresholds") or {})
    approve += [
        Saying("bar.failed" if test in rubric.failed(spec(release)) else "bar.test", {"test": test})
        for test in rules.get("requiredTests") or []
        if points(release, test) <= 0
    ]
    counted = [
        name
        for name in spec(release).get("reviews") or {}
        if rules.get("alone") or name != spec(release).get("askedBy")
    ]
    wanted = int(rules.get("reviews") or 0)
    if len(counted) < wanted:
        approve.append(Saying("bar.reviews", {"count": wanted, "have": len(counted)}))
    return [], approve


def may_roll_back(release: Object, board: Board, person: str) -> bool:
    """Whether this person may take it back now."""
    decision = spec(release).get("decision") or {}
    roles = board.roles(person)
    return (
        decision.get("verdict") == "approved"
        and not spec(release).get("rollback")
        and phase(release) in ("Approved", *SERVES)
        and bool({"reviewer", "operator"} & roles)
    )


def history(releases: Sequence[Object], name: str) -> list[tuple[Object, float]]:
    """(release, score) of all that have this score, oldest first."""
    scored = [(one, (evidence(one).get("scores") or {}).get(name)) for one in releases]
    return sorted(((one, float(value)) for one, value in scored if value is not None), key=lambda pair: number(pair[0]))


def main_score(release: Object, rules: Object) -> str:
    """The score that speaks for the model: the first that has a least value, or accuracy, or any."""
    scores = evidence(release).get("scores") or {}
    lower = [name for name, rule in (rules.get("thresholds") or {}).items() if "min" in rule and name in scores]
    return next(iter([*lower, *(name for name in ("accuracy",) if name in scores), *sorted(scores)]), "")


def plain(release: Object, board: Board) -> list[Saying]:
    """A release in sentences for somebody who never saw a model: what changes for those who ask it."""
    model = spec(release).get("model", "")
    found = evidence(release)
    if not found:
        return [Saying(f"plain.{phase(release) if phase(release) in ('Training', 'Checking', 'Failed') else 'Asked'}")]
    said: list[Saying] = []
    changed = found.get("changed")
    if changed:
        values = {
            "cases": changed.get("cases", 0),
            "count": changed.get("different", 0),
            "with": changed.get("with", ""),
            "still": waits(release),
            "better": changed.get("better", 0),
            "worse": changed.get("worse", 0),
        }
        said.append(Saying("plain.changed" if values["count"] else "plain.unchanged", values))
        if values["count"] and changed.get("mostly"):
            said.append(Saying("plain.mostly", {"mostly": changed["mostly"]}))
    elif rubric.apart(spec(release)):
        said.append(Saying("plain.apart"))
    else:
        said.append(Saying("plain.first" if waits(release) else "plain.wasfirst"))
    rules = board.rules(model)
    main = main_score(release, rules)
    scores = found.get("scores") or {}
    if main:
        said.append(Saying("plain.score", {"name": main, "score": scores[main]}))
    said += _weakest(found.get("slices") or [])
    said += missed(scores, rules.get("thresholds") or {}) or [Saying("plain.thresholds")]
    return said


def _weakest(slices: Iterable[Object]) -> list[Saying]:
    """The slice that is read worst, and the one that fell most against the live release."""
    scored = [one for one in slices if one.get("score") is not None and one.get("cases")]
    if len(scored) < 2:
        return []
    least = min(scored, key=lambda one: one["score"])
    said = [Saying("plain.weakest", {"slice": least["name"], "score": least["score"], "count": least["cases"]})]
    fell = [one for one in scored if one.get("before") is not None and one["score"] < one["before"] - 0.005]
    if fell:
        most = max(fell, key=lambda one: one["before"] - one["score"])
        said.append(Saying("plain.fell", {"slice": most["name"], "before": most["before"], "score": most["score"]}))
    return said
