# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""How an audit judges: what was read and is right passes, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ansible_collections.bramble.kube.plugins.module_utils.common.check import Check, Found, Outcome, Said
from ansible_collections.bramble.kube.plugins.module_utils.common.wording import listing
from ansible_collections.bramble.kube.plugins.module_utils.status.model import Scene

#: Verdicts: as the benchmark wants it; not so; not so, for a reason that docs/security.md has; could not be read;
#: nothing that a program can judge.
PASS, FAIL, EXPLAINED, UNKNOWN, NOT_CHECKED = "pass", "fail", "explained", "unknown", "not checked"
_WORST_FIRST = (FAIL, UNKNOWN, EXPLAINED, PASS)
VERDICTS = (PASS, FAIL, EXPLAINED, UNKNOWN, NOT_CHECKED)
#: So many faults are named, the others are counted.
MOST_SHOWN = 30


@dataclass(frozen=True)
class Result:
    """What was found for one item.

    :ivar found: what is not as the benchmark wants it, what could not be read and why, or what was read.
    :ivar reason: why a deviation is as it is, or why nothing was checked; empty for other verdicts.
    """

    id: str
    title: str
    verdict: str
    found: str
    reason: str = ""

    def public(self) -> dict[str, str]:
        """As data."""
        return {"id": self.id, "title": self.title, "verdict": self.verdict, "found": self.found, "reason": self.reason}


@dataclass
class Seen:
    """What a check has seen, filled by it.

    :ivar read: places that were read, such as names of Pis.
    :ivar unread: places that should have been, each as "place: why not".
    :ivar faults: what is wrong, as "place: what".
    :ivar explained: what is not as the benchmark wants it, but just as the item's reason says.
    """

    read: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    explained: list[str] = field(default_factory=list)

    def judge(self, place: str, right: bool, what: str, explained: bool = False) -> None:
        """Note that a place was read, and what is wrong there unless it is right."""
        self.read.append(place)
        if not right:
            (self.explained if explained else self.faults).append(f"{place}: {what}")


def item(id_: str, title: str, look: Callable[[Scene, Seen], None] | None, reason: str = "") -> Check:
    """One item of the benchmark, or (B…) one of our own.

    :param look: looks at the Pis and the cluster; None for what a program cannot judge.
    :param reason: why a deviation that it calls explained is left so; without it, why there is none.
    """

    def examine(scene: Scene) -> Iterator[Found]:
        if look is None:
            yield Found(NOT_CHECKED)
            return
        seen = Seen()
        look(scene, seen)
        for verdict, texts in zip(_WORST_FIRST, (seen.faults, seen.unread, seen.explained, seen.read)):
            for text in texts:
                place, _colon, what = text.partition(": ")
                yield Found(verdict, place, {"what": what})

    if look is None:
        outcomes = {NOT_CHECKED: Outcome(NOT_CHECKED, "", reason)}
    else:
        outcomes = {name: Outcome(name, "{what}", reason if name == EXPLAINED else "") for name in _WORST_FIRST}
    return Check(id_, title, outcomes, examine)


def reason(item: Check) -> str:
    """Why a deviation is left so, or why nothing is checked; for the manual."""
    return (item.outcomes.get(EXPLAINED) or item.outcomes[NOT_CHECKED]).remedy


def together(found: Iterable[Said]) -> str:
    """One text for all; places for which the same is said are named together."""
    places: dict[str, list[str]] = {}
    for said in found:
        if said.subject not in places.setdefault(said.sentence, []):
            places[said.sentence].append(said.subject)
    texts = [f"{listing(names)}: {what}" for what, names in places.items()]
    more = len(texts) - MOST_SHOWN
    return "; ".join(texts[:MOST_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _judged(item: Check, scene: Scene) -> Result:
    found = list(item.said(scene))
    if not found:
        return Result(item.name, item.looks_for, UNKNOWN, "there was nothing to read")
    verdict = next((level for level in _WORST_FIRST if level in {said.level for said in found}), NOT_CHECKED)
    ones = [said for said in found if said.level == verdict]
    if verdict != PASS:
        return Result(
            item.name, item.looks_for, verdict, "" if verdict == NOT_CHECKED else together(ones), ones[0].remedy
        )
    places = list(dict.fromkeys(said.subject for said in ones))
    more = f" and {len(places) - 3} more" if len(places) > 3 else ""
    return Result(item.name, item.looks_for, PASS, f"read: {', '.join(places[:3])}{more}")


def audit(scene: Scene, items: Sequence[Check]) -> list[Result]:
    """Judge every item."""
    return [_judged(item, scene) for item in items]


def counts(results: Iterable[Result]) -> dict[str, int]:
    """How many results have each verdict."""
    verdicts = [result.verdict for result in results]
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}
