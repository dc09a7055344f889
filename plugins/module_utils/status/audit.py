# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""How an audit judges: what was read and is right passes, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ansible_collections.bramble.kube.plugins.module_utils.common.wording import listing
from ansible_collections.bramble.kube.plugins.module_utils.status.model import Scene

#: Verdicts: as the benchmark wants it; not so; not so, for a reason that docs/security.md has; could not be read;
#: nothing that a program can judge.
PASS, FAIL, EXPLAINED, UNKNOWN, NOT_CHECKED = "pass", "fail", "explained", "unknown", "not checked"
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


@dataclass(frozen=True)
class Item:
    """One item of the benchmark, or (B…) one of our own.

    :ivar check: looks at the Pis and the cluster; None for what a program cannot judge.
    :ivar reason: why a deviation that the check calls explained is left so; without a check, why there is none.
    """

    id: str
    title: str
    check: Callable[[Scene, Seen], None] | None
    reason: str = ""


def together(texts: Iterable[str]) -> str:
    """One text for all; places for which the same is said are named together."""
    places: dict[str, list[str]] = {}
    for text in texts:
        place, _colon, what = text.partition(": ")
        if place not in places.setdefault(what, []):
            places[what].append(place)
    said = [f"{listing(names)}: {what}" for what, names in places.items()]
    more = len(said) - MOST_SHOWN
    return "; ".join(said[:MOST_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _result(item: Item, scene: Scene) -> Result:
    if item.check is None:
        return Result(item.id, item.title, NOT_CHECKED, "", item.reason)
    seen = Seen()
    item.check(scene, seen)
    if seen.faults:
        return Result(item.id, item.title, FAIL, together(seen.faults))
    if seen.unread or not seen.read:
        return Result(item.id, item.title, UNKNOWN, together(seen.unread) or "nothing was there to be read")
    if seen.explained:
        return Result(item.id, item.title, EXPLAINED, together(seen.explained), item.reason)
    places = list(dict.fromkeys(seen.read))
    more = len(places) - 3
    return Result(item.id, item.title, PASS, f"read: {', '.join(places[:3])}{f' and {more} more' if more > 0 else ''}")


def audit(scene: Scene, items: Sequence[Item]) -> list[Result]:
    """Judge every item."""
    return [_result(item, scene) for item in items]


def counts(results: Iterable[Result]) -> dict[str, int]:
    """How many results have each verdict."""
    verdicts = [result.verdict for result in results]
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}
