# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pictures: a case's pixels as PNG, scores and slices as SVG. Every picture says in words what it shows."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from element import PICTURE, Markup, h
from words import Words

LARGEST = 1024  # pixels of a side


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, pixels: Sequence[float]) -> bytes:
    """A PNG of grey pixels, or of red, green and blue ones, each 0 to 1, row by row.

    :raises ValueError: when size and number of pixels do not agree.
    """
    channels = len(pixels) // max(1, width * height)
    if not 0 < width <= LARGEST or not 0 < height <= LARGEST or channels not in (1, 3):
        raise ValueError(f"{len(pixels)} pixels make no picture of {width} × {height}.")
    if len(pixels) != width * height * channels:
        raise ValueError(f"{len(pixels)} pixels make no picture of {width} × {height}.")
    row = width * channels
    shades = bytes(max(0, min(255, round(float(pixel) * 255))) for pixel in pixels)
    raw = b"".join(b"\0" + shades[start : start + row] for start in range(0, len(shades), row))
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    content = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(raw, 6)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


def image(show: Mapping[str, Any], text: str, small: bool = False) -> Markup:
    """A case's picture; `text` is what it is for those who do not see it."""
    width, height = int(show["width"]), int(show["height"])
    source = PICTURE + base64.b64encode(png(width, height, show["pixels"])).decode()
    kind = "pixels" if max(width, height) <= 128 else "photo"
    return h.img(src=source, alt=text, width=width, height=height, cls=f"{kind} small" if small else kind)


def _nice(low: float, high: float) -> tuple[float, float, float]:
    """A scale that holds both: (from, to, step)."""
    if high <= low:
        low, high = low - abs(low) * 0.05 - 1e-9, high + abs(high) * 0.05 + 1e-9
    rough = (high - low) / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    return math.floor(low / step) * step, math.ceil(high / step) * step, step


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def history(
    words: Words,
    points: Sequence[tuple[str, float, str]],
    bound: float | None,
    name: str,
    text: Callable[[float], str],
    here: str = "",
) -> Markup:
    """The score of each release, oldest first.

    :param points: (release's number, score, state: live, refused, other).
    :param text: a score as people write it.
    :param bound: what an approval needs.
    :param here: number of the release that the page is about.
    """
    width, height, left, right, top, bottom = 640, 230, 52, 16, 16, 34
    values = [value for _number, value, _state in points] + ([bound] if bound is not None else [])
    low, high, step = _nice(min(values), max(values))

    def x(place: int) -> float:
        return left + (width - left - right) * (place + 0.5) / len(points)

    def y(value: float) -> float:
        return top + (height - top - bottom) * (high - value) / (high - low)

    parts = []
    count = round((high - low) / step)
    for place in range(count + 1):
        value = low + place * step
        parts.append(h.line(x1=left, x2=width - right, y1=_n(y(value)), y2=_n(y(value)), cls="grid"))
        parts.append(h.text(text(round(value, 6)), x=left - 8, y=_n(y(value) + 4), text_anchor="end", cls="tick"))
    if bound is not None:
        parts.append(h.line(x1=left, x2=width - right, y1=_n(y(bound)), y2=_n(y(bound)), cls="bound"))
    path = " ".join(f"{_n(x(place))},{_n(y(value))}" for place, (_number, value, _state) in enumerate(points))
    parts.append(h.polyline(points=path, cls="trend"))
    every = max(1, math.ceil(len(points) / 12))
    for place, (number, value, state) in enumerate(points):
        shape = "dot here" if number == here else "dot"
        title = h.title(f"{number}: {text(value)}")
        parts.append(
            h.circle(title, cx=_n(x(place)), cy=_n(y(value)), r=7 if number == here else 5, cls=f"{shape} {state}")
        )
        if (len(points) - 1 - place) % every == 0 or number == here:
            parts.append(h.text(number, x=_n(x(place)), y=height - 10, text_anchor="middle", cls="tick"))
    told = words("picture.history", name=name, first=points[0][1], last=points[-1][1], count=len(points))
    return h.svg(parts, viewBox=f"0 0 {width} {height}", role="img", aria_label=told, cls="chart")


def slices(words: Words, rows: Sequence[Mapping[str, Any]], name: str, text: Callable[[float], str]) -> Markup:
    """Each slice's score before and now."""
    longest = max(len(str(row["name"])[:16]) for row in rows)
    width, line, left, right, top = 640, 30, max(50, 20 + 11 * longest), 72, 26
    height = top + line * len(rows) + 8
    values = [float(row[key]) for row in rows for key in ("score", "before") if row.get(key) is not None]
    low, high, step = _nice(min(values), max(values))

    def x(value: float) -> float:
        return left + (width - left - right) * (value - low) / (high - low)

    parts = []
    for place in range(round((high - low) / step) + 1):
        value = low + place * step
        parts.append(h.line(x1=_n(x(value)), x2=_n(x(value)), y1=top, y2=height - 8, cls="grid"))
        parts.append(h.text(text(round(value, 6)), x=_n(x(value)), y=top - 10, text_anchor="middle", cls="tick"))
    for place, row in enumerate(rows):
        y = top + line * (place + 0.5)
        score, before = float(row["score"]), row.get("before")
        parts.append(h.text(str(row["name"])[:16], x=left - 12, y=_n(y + 4), text_anchor="end", cls="label"))
        if before is not None:
            change = "same" if abs(score - before) < 0.0005 else "better" if score > before else "worse"
            ends = sorted((x(float(before)), x(score)))
            parts.append(h.line(x1=_n(ends[0]), x2=_n(ends[1]), y1=_n(y), y2=_n(y), cls=f"move {change}"))
            parts.append(h.circle(cx=_n(x(float(before))), cy=_n(y), r=5, cls="before"))
        parts.append(h.circle(cx=_n(x(score)), cy=_n(y), r=6, cls="now"))
        parts.append(h.text(text(score), x=width - right + 12, y=_n(y + 4), cls="tick"))
    told = words("picture.slices", name=name, count=len(rows))
    return h.svg(parts, viewBox=f"0 0 {width} {height}", role="img", aria_label=told, cls="chart")


def series(words: Words, show: Mapping[str, Any], small: bool = False) -> Markup:
    """A line over time."""
    points = [float(value) for value in show.get("points") or ()][:5000]
    if len(points) < 2:
        return h.p(", ".join(words.number(value) for value in points) or "–")
    width, height, left, top, bottom = (320, 120, 8, 8, 8) if small else (640, 220, 56, 14, 36)
    low, high, step = _nice(min(points), max(points))

    def y(value: float) -> float:
        return top + (height - top - bottom) * (high - value) / (high - low)

    parts = []
    if not small:
        for place in range(round((high - low) / step) + 1):
            value = low + place * step
            parts.append(h.line(x1=left, x2=width - 8, y1=_n(y(value)), y2=_n(y(value)), cls="grid"))
            parts.append(
                h.text(words.number(round(value, 6)), x=left - 8, y=_n(y(value) + 4), text_anchor="end", cls="tick")
            )
        parts.append(h.text(str(show.get("unit") or "")[:20], x=left, y=height - 6, cls="tick"))
    scale = (width - left - 8) / (len(points) - 1)
    path = " ".join(f"{_n(left + scale * place)},{_n(y(value))}" for place, value in enumerate(points))
    parts.append(h.polyline(points=path, cls="trend"))
    told = words(
        "picture.series", count=len(points), low=min(points), high=max(points), unit=str(show.get("unit") or "")
    )
    return h.svg(
        parts, viewBox=f"0 0 {width} {height}", role="img", aria_label=told, cls="chart small" if small else "chart"
    )
