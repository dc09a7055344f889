# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The pictures of the report: SVG inside the page, so that the page needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.wording import counted
from ansible_collections.bramble.kube.plugins.module_utils.status.summary import CertificateRow, PiRow

_BOARD_WIDTH, _BOARD_HEIGHT, _GAP = 220, 144, 24
_SQUARE, _IN_A_LINE = 16, 24


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}"{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}>{escape(text)}</text>'


def _picture(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def share_bar(share: float | None, label: str) -> str:
    """A bar that is filled to a share between 0 and 1."""
    if share is None:
        return escape(label)
    level = "bad" if share > 0.95 else "warn" if share > 0.85 else "good"
    parts = (
        '<rect class="empty" width="120" height="10" rx="3"/>',
        f'<rect class="{level}" width="{max(2.0, 120 * min(share, 1)):.1f}" height="10" rx="3"/>',
    )
    return f"{_picture(120, 10, f'{share:.0%}', parts)}<br>{escape(label)}"


def _board(x: float, y: float, row: PiRow) -> Iterable[str]:
    level = "good" if row.well else "bad"
    yield f'<g transform="translate({x:g} {y:g})">'
    yield f'<rect class="board {level}-edge" width="{_BOARD_WIDTH}" height="{_BOARD_HEIGHT}" rx="10"/>'
    # The pins along a Pi's edge
    yield "".join(f'<rect class="pin" x="{60 + 7 * n}" y="6" width="4" height="4"/>' for n in range(20))
    yield f'<circle class="{level}" cx="20" cy="20" r="7"/>'
    yield _text(14, 48, row.name, "strong")
    yield _text(14, 66, f"{row.state} · {row.role}")
    yield _text(14, 84, row.address)
    yield _text(14, 102, row.model[:34])
    yield _text(14, 118, row.heat, "small")
    yield _text(14, 133, f"Pods: {row.pods}", "small")
    yield "</g>"


def cluster(rows: Sequence[PiRow], api_well: bool) -> str:
    """The laptop, the master and the nodes, with the ways between them."""
    masters = [row for row in rows if row.role != "node"]
    nodes = [row for row in rows if row.role == "node"]
    columns = max(1, len(nodes), len(masters))
    width = columns * (_BOARD_WIDTH + _GAP) + _GAP
    parts: list[str] = []
    top, middle, bottom = 10, 70, 70 + _BOARD_HEIGHT + 50
    center = width / 2
    way = "way" if api_well else "way broken"
    parts.append(f'<line class="{way}" x1="{center:g}" y1="{top + 28}" x2="{center:g}" y2="{middle}"/>')
    parts.append(f'<rect class="laptop" x="{center - 50:g}" y="{top}" width="100" height="28" rx="4"/>')
    parts.append(_text(center - 24, top + 19, "laptop"))
    for index, row in enumerate(nodes):
        left = (width - len(nodes) * (_BOARD_WIDTH + _GAP) + _GAP) / 2 + index * (_BOARD_WIDTH + _GAP)
        way = "way" if row.well else "way broken"
        x = left + _BOARD_WIDTH / 2
        parts.append(f'<line class="{way}" x1="{center:g}" y1="{middle + _BOARD_HEIGHT}" x2="{x:g}" y2="{bottom}"/>')
        parts.extend(_board(left, bottom, row))
    for row in masters:
        parts.extend(_board(center - _BOARD_WIDTH / 2, middle, row))
    height = (bottom + _BOARD_HEIGHT if nodes else middle + _BOARD_HEIGHT) + 10
    return _picture(width, height, "The cluster", parts)


def pods(entries: Sequence[Mapping[str, Any]]) -> str:
    """One square for each Pod; its name shows under the pointer."""
    parts = []
    for index, pod in enumerate(sorted(entries, key=lambda pod: (pod["ready"], pod["namespace"], pod["name"]))):
        x, y = index % _IN_A_LINE * _SQUARE, index // _IN_A_LINE * _SQUARE
        level = "good" if pod["ready"] else "bad"
        name = f"{pod['namespace']}/{pod['name']}" + ("" if pod["ready"] else ": not ready")
        parts.append(
            f'<rect class="{level}" x="{x}" y="{y}" width="{_SQUARE - 3}" height="{_SQUARE - 3}" rx="2">'
            f"<title>{escape(name)}</title></rect>"
        )
    lines = -(-len(entries) // _IN_A_LINE) or 1
    return _picture(_IN_A_LINE * _SQUARE, lines * _SQUARE, counted(len(entries), "Pod"), parts)


def days(row: CertificateRow, warn: int) -> str:
    """How long a certificate still holds, on a scale of a year."""
    level = "bad" if row.days < 0 else "warn" if row.days < warn else "good"
    length = max(2.0, 120 * min(max(row.days, 0), 365) / 365)
    parts = (
        '<rect class="empty" width="120" height="8" rx="3"/>',
        f'<rect class="{level}" width="{length:.1f}" height="8" rx="3"/>',
    )
    return _picture(120, 8, counted(row.days, "day"), parts)
