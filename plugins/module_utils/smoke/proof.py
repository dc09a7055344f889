# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What a proof is, and how the proofs of one run are told: as a table for people, as plain data for programs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from ..common.errors import BrambleError
from ..common.redact import foreign


class NotProven(BrambleError):
    """A component did not do what it is there for; the message says what was seen instead."""


@dataclass(frozen=True)
class Result:
    """One proof.

    :ivar proof: its name, such as ``tfjob``.
    :ivar what: what was done, in a few words.
    :ivar ok: whether it came out as it should.
    :ivar seen: what came out, or why it failed.
    :ivar seconds: how long it took.
    """

    proof: str
    what: str
    ok: bool
    seen: str
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def attempt(proof: str, what: str, do: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> Result:
    """Carry one proof out; `do` returns what it has seen or raises :class:`NotProven`."""
    begun = clock()
    try:
        ok, seen = True, foreign(do())
    except NotProven as error:
        ok, seen = False, str(error)
    return Result(proof, what, ok, seen, round(clock() - begun, 1))


def table(results: list[Result]) -> list[str]:
    """Lines of a table, one for each proof below a heading."""
    rows = [("proof", "result", "seconds", "what was done, and seen")]
    rows += [(r.proof, "ok" if r.ok else "FAILED", f"{r.seconds:.0f}", f"{r.what}: {r.seen}") for r in results]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}" for row in rows]
