# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the router remembers: routes, whose turn it is, and how each release does. No network here."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from judge import percentile
from kube import now

WARM = 10  # first pairs of answers that are not timed: a server just started is slow
KEPT = 200  # latencies kept of each release, the latest: a slow tail shows in many only
SLOW = 2  # so many times the usual latency is a reason to look closely for a while
COMPARED_LIVE = 3  # of so many calls to a new live release one is compared, after the first ones, with the replaced one
RECENT = 40  # of those, what the usual latency is taken from: so a change shows soon

#: mode → what the candidate does
MODES = {
    "stable": "there is none",
    "shadow": "it is asked as well, and its answers are compared",
    "canary": "it answers a share, and its answers are compared",
    "live": "it answers everything; the stable one helps out",
}


def parse(text: str) -> dict[str, Any] | None:
    """A route from the ConfigMap's text; None when it is none, so that the one before stays in force."""
    try:
        route = json.loads(text)
        if route["mode"] not in MODES:
            return None
        for place in ("stable", "candidate"):
            if route.get(place) is not None and not (route[place]["release"] and route[place]["url"]):
                return None
        if route["mode"] != "stable" and not (route.get("stable") and route.get("candidate")):
            return None
        float(route.get("share") or 0)
        return route
    except (ValueError, TypeError, KeyError):
        return None


class Release:
    """How one release does while a route is in force.

    :ivar calls: questions that it was asked, for users or to compare.
    :ivar answered: those of which a user got its answer.
    :ivar errors: those that failed.
    :ivar unreached: those that never came to it, while the other release answered.
    """

    def __init__(self) -> None:
        self.latencies: deque[float] = deque(maxlen=KEPT)
        self.last_error = ""
        self.calls = self.answered = self.errors = self.unreached = self.compared = self.different = 0
        self._away: float | None = None

    def missed(self, problem: str) -> None:
        """It could not be reached, and the other one could."""
        self.unreached += 1
        self.last_error = problem
        self._away = self._away or time.monotonic()

    def met(self) -> None:
        """It was reached, or the other one is away as well."""
        self._away = None

    def told(self) -> dict[str, Any]:
        """As /stats has it."""
        latest = list(self.latencies)
        return {
            "calls": self.calls,
            "answered": self.answered,
            "errors": self.errors,
            "unreached": self.unreached,
            "awaySeconds": round(time.monotonic() - self._away, 1) if self._away else 0.0,
            "lastError": self.last_error,
            "compared": self.compared,
            "different": self.different,
            "timed": len(latest),
            "latencyMs50": round(percentile(latest[-RECENT:], 0.5), 1),
            "latencyMs95": round(percentile(latest, 0.95), 1),
        }


class Traffic:
    """One model: the route in force, and the figures since then.

    :ivar failed: calls that did not get an answer from anybody.
    :ivar rescued: calls that the candidate failed and the stable one answered.
    :ivar dropped: comparisons that were left out because too many waited.
    """

    def __init__(self, route: Mapping[str, Any]) -> None:
        self.route: Mapping[str, Any] = {}
        self.releases: dict[str, Release] = {}
        self.calls = self.failed = self.rescued = self.dropped = 0
        self._turn, self._closely = 0.0, 0
        self.follow(route)

    @property
    def mode(self) -> str:
        """stable, shadow, canary or live."""
        return self.route["mode"]

    def follow(self, route: Mapping[str, Any]) -> None:
        """Take up a route; figures start from the beginning when it is another one."""
        if dict(route) == dict(self.route):
            return
        self.route, self.since, self._turn, self._closely = route, now(), 0.0, 0
        names = [route[place]["release"] for place in ("stable", "candidate") if route.get(place)]
        self._cold = 0 if set(names) <= set(self.releases) else WARM
        self.releases = {name: Release() for name in names}

    def timed(self, stable: float, candidate: float) -> None:
        """Keep the milliseconds that each of the two took for the same question, one right after the other.

        So they are as many of each, from the same moments: whatever else a Pi does slows them both.
        """
        if self._cold:
            self._cold -= 1
            return
        self.of("stable").latencies.append(stable)
        self.of("candidate").latencies.append(candidate)

    def few_timed(self) -> bool:
        """Whether there are not yet as many pairs as the usual latency is taken from."""
        return len(self.of("candidate").latencies) < RECENT

    def to_compare(self, took: float) -> bool:
        """Whether an answer of the candidate is compared: in a canary each one; of a live one the first ones and some.

        One that took long makes the next ones be compared as well, so that a live one that gets slow is noticed soon.

        :param took: its milliseconds.
        """
        usual = percentile(list(self.of("stable").latencies)[-RECENT:], 0.5)
        if usual and took > SLOW * usual:
            self._closely = RECENT
        else:
            self._closely = max(0, self._closely - 1)
        return self.mode == "canary" or self.few_timed() or self._closely > 0 or self.calls % COMPARED_LIVE == 0

    def candidates_turn(self) -> bool:
        """Whether the candidate answers the next call: evenly, each tenth for a share of 0.1."""
        if self.mode == "live":
            return True
        if self.mode != "canary":
            return False
        self._turn += float(self.route.get("share") or 0)
        if self._turn >= 1 - 1e-9:
            self._turn -= 1
            return True
        return False

    def of(self, place: str) -> Release:
        """Figures of the stable one or the candidate."""
        return self.releases[self.route[place]["release"]]

    def told(self) -> dict[str, Any]:
        """As /stats has it."""
        return {
            "mode": self.mode,
            "stable": (self.route.get("stable") or {}).get("release"),
            "candidate": (self.route.get("candidate") or {}).get("release"),
            "since": self.since,
            "calls": self.calls,
            "failed": self.failed,
            "rescued": self.rescued,
            "dropped": self.dropped,
            "releases": {name: release.told() for name, release in self.releases.items()},
        }


class Clock:
    """The time that a call has left."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds, at least a hundredth."""
        return max(0.01, self._end - time.monotonic())

    def over(self) -> bool:
        """Whether there are none left."""
        return time.monotonic() >= self._end
