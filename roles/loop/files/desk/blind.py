# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A review without knowing which answer is whose: order and sides are random, kept as one seed for each reviewer."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

CASES = 20  # how many of a release's cases a reviewer is asked about
# What a judgement says once it is known which side was the new model's.
VERDICTS = ("newBetter", "oldBetter", "same", "right", "wrong", "cannotTell")


def _number(seed: bytes, use: str, case: str) -> bytes:
    return hmac.new(seed, f"{use}:{case}".encode(), hashlib.sha256).digest()


def order(seed: bytes, cases: Iterable[str]) -> list[str]:
    """The cases in this reviewer's order."""
    return sorted(cases, key=lambda case: _number(seed, "order", case))


def new_is_a(seed: bytes, case: str) -> bool:
    """Whether answer A of this case is the new model's."""
    return _number(seed, "side", case)[0] % 2 == 0


def compares(case: Mapping[str, Any]) -> bool:
    """Whether there are two answers to choose from; otherwise the one answer is right or wrong."""
    return "old" in case and str(case["old"]) != str(case["new"])


def answers(seed: bytes, case: Mapping[str, Any]) -> tuple[str, ...]:
    """The answers as the reviewer sees them: A and B, or the one."""
    if not compares(case):
        return (str(case["new"]),)
    pair = (str(case["new"]), str(case["old"]))
    return pair if new_is_a(seed, str(case["id"])) else pair[::-1]


def verdict(seed: bytes, case: Mapping[str, Any], choice: str) -> str:
    """What a choice says about the new model.

    :raises ValueError: for a choice that this case does not offer.
    """
    if choice == "unknown":
        return "cannotTell"
    if compares(case) and choice in ("A", "B", "same"):
        if choice == "same":
            return "same"
        return "newBetter" if (choice == "A") == new_is_a(seed, str(case["id"])) else "oldBetter"
    if not compares(case) and choice in ("right", "wrong"):
        return choice
    raise ValueError(f"{choice!r} is not an answer to this case.")


def choice(seed: bytes, case: Mapping[str, Any], given: str) -> str:
    """The other way round: which button a verdict was."""
    if given in ("newBetter", "oldBetter"):
        return "A" if (given == "newBetter") == new_is_a(seed, str(case["id"])) else "B"
    return "unknown" if given == "cannotTell" else given


def tally(verdicts: Sequence[str]) -> dict[str, int]:
    """How often each verdict was given, with `judged`, their number: as a release's `spec.reviews` has it."""
    return {"judged": len(verdicts), **{name: verdicts.count(name) for name in VERDICTS}}
