# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The pictures of the report: HTML and SVG inside the page, so that the page needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.wording import counted
from ansible_collections.bramble.kube.plugins.module_utils.status.summary import CertificateRow, PiRow

_SQUARE, _IN_A_LINE = 16, 24


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


def _board(row: PiRow) -> str:
    level = "good" if row.well else "bad"
    lines = (f"{row.state} · {row.role}", row.address, row.model, row.heat, f"Pods: {row.pods}")
    texts = "".join(f"<br>{escape(line)}" for line in lines)
    return f'<li class="board {level}-edge"><strong>{escape(row.name)}</strong>{texts}</li>\n'


def cluster(rows: Sequence[PiRow], api_well: bool) -> str:
    """The laptop, the master and the nodes, with the ways between them; as wide as there is room."""
    masters = "".join(_board(row) for row in rows if row.role != "node")
    nodes = "".join(_board(row) for row in rows if row.role == "node")
    way = "well" if api_well else "broken"
    return (
        f'<div class="laptop {way}">laptop</div>\n'
        + f'<ul class="boards">\n{masters}</ul>\n' * bool(masters)
        + f'<ul class="boards nodes">\n{nodes}</ul>\n' * bool(nodes)
    )


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


def days(row: CertificateRow) -> str:
    """How long a certificate still holds, on a scale of a year."""
    level = "bad" if row.days < 0 else "warn" if row.near else "good"
    length = max(2.0, 120 * min(max(row.days, 0), 365) / 365)
    parts = (
        '<rect class="empty" width="120" height="8" rx="3"/>',
        f'<rect class="{level}" width="{length:.1f}" height="8" rx="3"/>',
    )
    return _picture(120, 8, counted(row.days, "day"), parts)
