# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The status on one screen, drawn with rich."""

from __future__ import annotations

import io
from collections.abc import Sequence

try:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    HAS_RICH = True
except ImportError:
    HAS_RICH = False

from . import summary
from .audit import EXPLAINED, FAIL, NOT_CHECKED, PASS, UNKNOWN, Result, counts
from .model import BAD, NOTE, WARN, Finding, Scene

#: Narrower than this a table of Pis cannot be read.
NARROWEST = 110
_STYLES = {BAD: "bold red", WARN: "yellow", NOTE: "cyan"}
_VERDICTS = {PASS: "green", FAIL: "bold red", EXPLAINED: "cyan", UNKNOWN: "yellow", NOT_CHECKED: "default"}
WORDS = {BAD: "TROUBLE", WARN: "SOON", NOTE: "note"}


def _console(width: int, color: bool) -> Console:
    """A console of its own on a string: the environment of whoever runs this must not change what is drawn."""
    return Console(
        file=io.StringIO(),
        width=max(width, NARROWEST),
        force_terminal=color,
        no_color=not color,
        highlight=False,
        emoji=False,
        markup=False,
        color_system="standard" if color else None,
        legacy_windows=False,
    )


def _line(line: summary.Line) -> Text:
    style = "" if line.well is None else "green" if line.well else _STYLES[BAD]
    return Text(line.text, style=style)


def _pis(scene: Scene) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in summary.COLUMNS:
        table.add_column(column.heading, overflow="fold")
    for pi in scene.pis:
        row = summary.pi_row(scene, pi)
        table.add_row(*(Text("\n").join(map(_line, column.lines(row))) for column in summary.COLUMNS))
    return table


def _components(scene: Scene) -> Table | None:
    rows = summary.components(scene)
    if not rows:
        return None
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("component", "namespace", "ready", "address"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        style = "green" if row.well else _STYLES[BAD]
        table.add_row(
            row.name, row.namespace, Text(f"{row.ready} of {row.wanted}", style=style), "\n".join(row.addresses)
        )
    return table


def screen(scene: Scene, findings: Sequence[Finding], width: int = NARROWEST, color: bool = False) -> str:
    """Draw it.

    :param width: columns of the screen.
    :param color: whether the screen shows colours.
    """
    console = _console(width, color)
    troubles = sum(1 for finding in findings if finding.severity == BAD)
    console.print(Text(summary.headline(scene, len(findings)), style="bold red" if troubles else "bold green"))
    console.print(_pis(scene))
    console.print(f"etcd: {summary.etcd_size(scene)}; last drill with a backup: {summary.drill(scene)}")
    components = _components(scene)
    if components is not None:
        console.print(components)
    if findings:
        console.print()
    for finding in findings:
        console.print(
            Text(f"{WORDS[finding.severity]}  ", style=_STYLES[finding.severity]).append(
                finding.sentence, style="default"
            )
        )
    return console.file.getvalue().rstrip("\n")


def audit_screen(items: Sequence[Result], width: int = NARROWEST, color: bool = False) -> str:
    """Draw how the cluster stands against the benchmark.

    :param width: columns of the screen.
    :param color: whether the screen shows colours.
    """
    console = _console(width, color)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    for heading in ("item", "wanted", "verdict", "found"):
        table.add_column(heading, overflow="fold")
    for item in items:
        found = f"{item.found}\n({item.reason})".strip() if item.reason else item.found
        table.add_row(item.id, item.title, Text(item.verdict, style=_VERDICTS[item.verdict]), found)
    console.print(Text("CIS Kubernetes Benchmark 1.12, and some items of our own (B)", style="bold"))
    console.print(table)
    console.print(", ".join(f"{count} {verdict}" for verdict, count in counts(items).items() if count))
    return console.file.getvalue().rstrip("\n")
