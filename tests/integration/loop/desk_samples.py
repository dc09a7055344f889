# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases as the loop makes them, small and always the same: handwriting to look at, and other kinds of cases."""

from __future__ import annotations

import hashlib
import json
import math
import random
from pathlib import Path
from typing import Any

GLYPHS = {
    "0": "01110 10001 10011 10101 11001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00110 01000 10000 11111",
    "3": "01110 10001 00001 00110 00001 10001 01110",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "00110 01000 10000 11110 10001 10001 01110",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110",
    "9": "01110 10001 10001 01111 00001 00010 01100",
}
LABELS = list(GLYPHS)


def picture(digit: str, chance: random.Random) -> dict[str, Any]:
    """A digit of 16 × 16 pixels, as if by hand: slanted, of uneven ink."""
    rows = GLYPHS[digit].split()
    slant, thick = chance.uniform(-0.25, 0.25), chance.uniform(0.75, 1.1)
    pixels = []
    for y in range(16):
        for x in range(16):
            ink = 0.0
            for row, line in enumerate(rows):
                for column, bit in enumerate(line):
                    if bit == "1":
                        far = math.hypot(x - 3.2 - column * 2.3 - slant * (6 - row), y - 1.4 - row * 2.15)
                        ink = max(ink, 1 - max(0.0, far - thick * 0.55) / 1.25)
            pixels.append(round(min(1.0, max(0.0, ink + chance.uniform(-0.05, 0.05))), 2))
    return {"width": 16, "height": 16, "pixels": pixels}


def digits(first: bool = False) -> dict[str, Any]:
    """Forty cases; where something is live, fourteen are read differently: eleven now right, three now wrong."""
    chance = random.Random(7)
    cases = []
    for place in range(40):
        truth = "8" if place in (1, 4, 7) else LABELS[place % 10]
        wrong = {"8": "3", "4": "9", "5": "6"}.get(truth, str((int(truth) + 3) % 10))
        old, new = truth, truth
        if place < 14:
            old, new = (truth, "3") if place in (1, 4, 7) else (wrong, truth)
        case = {
            "id": f"t{place + 1}",
            "show": picture(truth, chance),
            "truth": truth,
            "new": new,
            "confidence": round(chance.uniform(0.4, 0.99), 3),
            "slice": truth,
            "why": "disagree" if place < 14 else "unsure",
        }
        cases.append(case if first else {**case, "old": old})
    return {"kind": "image", "labels": LABELS, "cases": cases}


def machines() -> dict[str, Any]:
    """A machine's readings, with its owner's own description of how they are looked at and what is asked."""
    chance = random.Random(3)
    cases = []
    for place in range(6):
        points = [
            round(40 + 8 * math.sin(step / 5) + chance.uniform(-2, 2) + (step > 70) * place * 4, 2)
            for step in range(96)
        ]
        show = {
            "temperature": {"points": points, "unit": "°C"},
            "age": 3 + place,
            "note": {"text": "Checked by the night shift.\n\nBearing replaced in spring."},
            "readings": {
                "columns": ["sensor", "least", "most"],
                "rows": [["left", min(points), max(points)], ["right", 31.5, 52.25]],
            },
        }
        cases.append(
            {
                "id": f"m{place}",
                "show": show,
                "truth": "well",
                "old": "well",
                "new": "worn" if place > 2 else "well",
                "slice": "left",
            }
        )
    template = {
        "title": {"en": "Does this machine need care?", "ja": "この機械は手入れが必要ですか"},
        "columns": 2,
        "fields": [
            {"from": "temperature", "as": "series", "label": {"en": "Temperature of a day", "ja": "一日の温度"}},
            {"from": "readings", "as": "table", "label": {"en": "Sensors", "ja": "センサー"}},
            {
                "from": "age",
                "as": "value",
                "label": {"en": "Age", "ja": "使用年数"},
                "unit": {"en": "years", "ja": "年"},
            },
            {"from": "note", "as": "text", "label": {"en": "Note", "ja": "メモ"}},
        ],
        "labels": {"well": {"en": "well", "ja": "正常"}, "worn": {"en": "worn", "ja": "摩耗"}},
        "questions": [
            {
                "id": "urgent",
                "ask": {"en": "How urgent is it?", "ja": "どのくらい急ぎますか"},
                "kind": "choice",
                "choices": [{"en": "today", "ja": "今日"}, {"en": "this week", "ja": "今週"}, "not at all"],
            },
            {"id": "hours", "ask": {"en": "Hours you would take", "ja": "見込みの作業時間"}, "kind": "number"},
        ],
    }
    return {"kind": "custom", "labels": ["well", "worn"], "cases": cases, "template": template}


def save(data: Path, name: str, cases: dict[str, Any]) -> dict[str, str]:
    """Write a release's cases; returns how its evidence names them."""
    content = json.dumps(cases).encode()
    file = data / "releases" / name / "cases.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return {"file": f"releases/{name}/cases.json", "digest": f"sha256:{hashlib.sha256(content).hexdigest()}"}


def evidence(name: str, accuracy: float, cases: dict[str, str] | None, before: str = "", **more: Any) -> dict[str, Any]:
    """Evidence as the check writes it.

    :param before: the release that is live, if any.
    """

    def digest(text: str) -> str:
        return f"sha256:{hashlib.sha256(f'{name} {text}'.encode()).hexdigest()}"

    chance = random.Random(name)
    slices, counts = [], [[0] * 10 for _label in LABELS]
    for place, label in enumerate(LABELS):
        right = 36 - (4 if label == "8" else chance.randint(0, 2))
        counts[place][place] = right
        counts[place][3 if label == "8" else (place + 3) % 10] += 36 - right
        entry = {"name": label, "cases": 36, "score": round(right / 36, 3)}
        slices.append(
            {**entry, "before": round(min(36, 35 - chance.randint(0, 3) + (label == "8")) / 36, 3)} if before else entry
        )
    tests = {
        f"{section}-{number}": {"points": 1}
        for section in ("data", "model", "infra", "monitor")
        for number in (1, 2, 3, 4)
    }
    tests |= {
        "infra-5": {"points": 0.5},
        "monitor-5": {"points": 1, "note": "No value of 3,600 is missing or infinite."},
    }
    found: dict[str, Any] = {
        "digests": {part: digest(part) for part in ("model", "code", "data")},
        "dataVersion": f"1,437 digits and {int(accuracy * 10)} corrections",
        "trainedBy": f"Job {name}-train, image docker.io/kserve/sklearnserver:v0.21.0",
        "scores": {"accuracy": accuracy, "latencyMs50": 4.1, "latencyMs95": 11.8, "memoryMiB": 214, "drift": 0.031},
        "slices": slices,
        "confusion": {"labels": LABELS, "counts": counts},
        "tests": tests,
    }
    if before:
        found["scores"]["agreement"] = 0.961
        found["changed"] = {
            "with": before,
            "cases": 360,
            "different": 14,
            "better": 11,
            "worse": 3,
            "mostly": "8 read as 3",
        }
    if cases:
        found["cases"] = cases
    return {**found, **more}
