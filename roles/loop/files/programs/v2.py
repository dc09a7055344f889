# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inference protocol as router and servers need it: which model is meant, whether answers agree.

V2: https://github.com/kserve/open-inference-protocol; V1 is its predecessor with "predictions".
"""

from __future__ import annotations

import json
import re
from typing import Any

MODEL = re.compile(r"/v[12]/models/([^/:]+)")
MARK = "x-loop-served-by"  # header of each answer of serve.py
CLOSE = 0.01  # numbers this near, relatively, are the same answer


def mark(release: str, digest: str) -> str:
    """What the header MARK says: whose answer it is. Whoever else may answer at a server's address does not say it."""
    return f"{release} {digest}"


def model_of(path: str) -> str:
    """The model that a path is about; empty when it is about none."""
    found = MODEL.match(path)
    return found.group(1) if found else ""


def rows_of(body: bytes) -> list[Any] | None:
    """The answers in a response, one for each question; None when it is no valid response."""
    try:
        answer = json.loads(body)
        if "predictions" in answer:
            return list(answer["predictions"])
        rows: list[Any] = []
        for output in answer["outputs"]:
            data, shape = output.get("data"), output["shape"]
            count = shape[0] if shape else 1
            if data is None or not count or len(data) % count:
                return None
            width = len(data) // count
            parts = [data[place * width : (place + 1) * width] for place in range(count)]
            rows = [one + other for one, other in zip(rows, parts)] if rows else parts
        return rows or None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def same(one: Any, other: Any) -> bool:
    """Whether two answers to one question agree."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) or isinstance(other, float):
        try:
            return abs(one - other) <= CLOSE * max(abs(one), abs(other), 1e-9)
        except TypeError:
            return False
    return one == other


def compare(one: bytes, other: bytes) -> tuple[int, int] | None:
    """How many answers two responses have, and how many of these differ; None when they cannot be compared."""
    first, second = rows_of(one), rows_of(other)
    if first is None or second is None or len(first) != len(second):
        return None
    return len(first), sum(not same(left, right) for left, right in zip(first, second))
