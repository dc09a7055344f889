# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said about a new model beside the old one: counting, comparing, choosing. Plain data in, plain data out.

A row is one held-out case: {"id", "slice", "truth", "new", "old" (absent while nothing is live), "confidence",
"right", "wasRight"}; answers are text.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
LOOK = 20  # cases for a review
SHOWN = 200  # cases kept at most
LEAST_SLICE = 20  # cases from which on a slice's score means something


def share(part: int, whole: int) -> float:
    """A part of a whole, in four digits."""
    return round(part / whole, 4) if whole else 0.0


def slices(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Score of each slice, and that of the live release on the same cases; the worst first."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["slice"], []).append(row)
    told = []
    for name, members in found.items():
        one = {"name": name, "cases": len(members), "score": share(sum(row["right"] for row in members), len(members))}
        compared = [row for row in members if "old" in row]
        if compared:
            one["before"] = share(sum(row["wasRight"] for row in compared), len(compared))
        told.append(one)
    return sorted(told, key=lambda one: (one["score"], one["name"]))


def confusion(rows: Sequence[Row], labels: Sequence[str]) -> dict[str, Any]:
    """How often each right answer (line) was given each answer (column)."""
    place = {label: number for number, label in enumerate(labels)}
    counts = [[0] * len(labels) for _label in labels]
    for row in rows:
        if row["truth"] in place and row["new"] in place:
            counts[place[row["truth"]]][place[row["new"]]] += 1
    return {"labels": list(labels), "counts": counts}


def changed(rows: Sequence[Row], live: str) -> dict[str, Any]:
    """What differs from the live release on the same held-out cases."""
    compared = [row for row in rows if "old" in row]
    different = [row for row in compared if row["differs"]]
    pairs = Counter((row["truth"], row["new"]) for row in different if not row["right"])
    mostly = ""
    if pairs:
        (truth, new), _count = min(pairs.items(), key=lambda item: (-item[1], item[0]))
        mostly = f"{truth} read as {new}"
    return {
        "with": live,
        "cases": len(compared),
        "different": len(different),
        "better": sum(row["right"] and not row["wasRight"] for row in different),
        "worse": sum(row["wasRight"] and not row["right"] for row in different),
        "mostly": mostly,
    }


def worst_slice(rows: Sequence[Row]) -> str:
    """Name of the slice with the lowest score, of those that are large enough to tell (else of all)."""
    all_slices = slices(rows)
    large = [one for one in all_slices if one["cases"] >= LEAST_SLICE]
    return (large or all_slices)[0]["name"]


def choose(rows: Sequence[Row], release: str) -> list[dict[str, Any]]:
    """The cases worth a look, in this order: LOOK for the review, then others that changed, at most SHOWN.

    Of the first ones up to ten where the two models disagree, then those of which the new one is least sure, then
    wrong ones of the worst slice (the surest first: those may be wrongly labelled), then some at random.

    :param release: its name is the seed, so that the same release has the same cases.
    :returns: rows with "why": disagree, unsure, slice or random.
    """
    dice = random.Random(release)
    shuffled = sorted(rows, key=lambda row: row["id"])
    dice.shuffle(shuffled)
    taken: dict[str, dict[str, Any]] = {}

    def take(candidates: Sequence[Row], why: str, until: int) -> None:
        for row in candidates:
            if len(taken) >= until:
                return
            if row["id"] not in taken:
                taken[row["id"]] = {**row, "why": why}

    def sure(row: Row) -> float:
        return 1.0 if row.get("confidence") is None else row["confidence"]

    disagree = [row for row in shuffled if row.get("differs")]
    take(disagree, "disagree", 10)
    take(sorted((row for row in shuffled if row.get("confidence") is not None), key=sure), "unsure", len(taken) + 5)
    if rows:
        worst = worst_slice(rows)
        wrong = [row for row in shuffled if row["slice"] == worst and not row["right"]]
        take(sorted(wrong, key=sure, reverse=True), "slice", len(taken) + 3)
    take(shuffled, "random", LOOK)
    take(disagree, "disagree", SHOWN)
    return list(taken.values())


def psi(expected: Sequence[float], actual: Sequence[float], least: float = 1e-3) -> float:
    """Population stability index of two distributions over the same bins: Σ (a − e) · ln(a / e).

    Below 0.1 little has moved, above 0.25 much (the usual reading).

    :param least: what an empty bin counts as.
    """
    total = 0.0
    for before, after in zip(expected, actual):
        before, after = max(before, least), max(after, least)
        total += (after - before) * math.log(after / before)
    return round(total, 4)


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which a part (0 to 1) of the values lies; 0 when there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(part * len(ordered)) - 1 if part > 0 else 0)] if ordered else 0.0


def in_words(scores: Mapping[str, float], told: Mapping[str, Any] | None, cases: int, apart: str = "") -> str:
    """One sentence about a checked release.

    :param apart: why it could not be compared with the live one.
    """
    accuracy = f"{scores['accuracy']:.1%} of {cases} held-out cases are right"
    if apart:
        return f"{accuracy}; it could not be compared: {apart}"
    if not told:
        return f"{accuracy}; nothing is live to compare with."
    return (
        f"{accuracy}; {told['different']} of {told['cases']} are answered differently from {told['with']}: "
        f"{told['better']} now right, {told['worse']} now wrong."
    )
