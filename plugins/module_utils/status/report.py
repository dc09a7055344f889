# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The status as one page that needs nothing else: no script, no address, pictures as SVG inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from ansible_collections.bramble.kube.plugins.module_utils.common.wording import counted
from ansible_collections.bramble.kube.plugins.module_utils.status import drawing, summary
from ansible_collections.bramble.kube.plugins.module_utils.status.model import BAD, NOTE, WARN, Finding, Scene

_WORDS = {BAD: "trouble", WARN: "soon", NOTE: "note"}
_STYLE = """
:root { --ink: #1c2430; --paper: #fff; --faint: #e4e8ee; --good: #2e8b57; --warn: #d08700; --bad: #c0392b;
  --edge: #8894a5 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaf0; --paper: #161b22; --faint: #2c3440; --good: #4cb37b; --warn: #e0a030; --bad: #e06a5c }
}
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 70rem; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--faint) }
svg { max-width: 100%; height: auto } svg text { font: 13px system-ui, sans-serif; fill: var(--ink) }
svg .strong { font-weight: 700; font-size: 15px } svg .small { font-size: 11px }
.good { fill: var(--good); color: var(--good) } .warn { fill: var(--warn); color: var(--warn) }
.bad { fill: var(--bad); color: var(--bad) } .note { color: var(--edge) }
.empty, .pin { fill: var(--faint) } .board, .laptop { fill: var(--paper); stroke: var(--edge); stroke-width: 1.5 }
.good-edge { stroke: var(--good) } .bad-edge { stroke: var(--bad); stroke-width: 3 }
.way { stroke: var(--edge); stroke-width: 2 } .broken { stroke: var(--bad); stroke-dasharray: 5 5 }
th, td:first-child, .whole { white-space: nowrap }
li { margin: .4rem 0 } li b { display: inline-block; min-width: 4.5rem }
"""


def _cells(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>\n"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; headings are text, cells are HTML."""
    body = "".join(_cells("td", row) for row in rows)
    return f"<table>\n{_cells('th', map(escape, headings))}{body}</table>\n"


def _findings(findings: Sequence[Finding]) -> str:
    if not findings:
        return '<p class="good">Nothing is wrong.</p>\n'
    items = (
        f'<li><b class="{finding.severity}">{_WORDS[finding.severity]}</b> {escape(finding.sentence)}</li>\n'
        for finding in findings
    )
    return f"<ul>\n{''.join(items)}</ul>\n"


def _line(line: summary.Line) -> str:
    if line.share is not None:
        return drawing.share_bar(line.share, line.text)
    level = "" if line.well is None else " good" if line.well else " bad"
    return f'<span class="whole{level}">{escape(line.text)}</span>'


def _pis(rows: Sequence[summary.PiRow]) -> str:
    headings = [column.heading for column in summary.COLUMNS]
    return _table(
        headings, (["<br>".join(map(_line, column.lines(row))) for column in summary.COLUMNS] for row in rows)
    )


def _pods(scene: Scene) -> str:
    rows = []
    names = [(pi.name, pi.node_name) for pi in scene.pis] + [("on no node", "")]
    for name, node_name in names:
        pods = summary.pods_of(scene, node_name)
        if pods or node_name:
            rows.append((f"<b>{escape(name)}</b><br>{counted(len(pods), 'Pod')}", drawing.pods(pods)))
    return _table(("Pi", "one square for each Pod; red ones are not ready"), rows)


def _certificates(scene: Scene) -> str:
    rows = [row for pi in scene.pis for row in summary.certificate_rows(scene, pi)]
    return _table(
        ("Pi", "certificate", "of", "ends", "days left"),
        (
            (
                escape(row.pi),
                f"<code>{escape(row.file)}</code>",
                escape(row.subject),
                f'<span class="whole">{row.ends}</span>',
                f'<span class="whole">{drawing.days(row, scene.renew_days)} {row.days}</span>',
            )
            for row in sorted(rows, key=lambda row: row.days)
        ),
    )


def _components(scene: Scene) -> str:
    rows = summary.components(scene)
    if not rows:
        return (
            "<p>None is installed.</p>\n" if scene.answered else "<p>Not known: the API server does not answer.</p>\n"
        )
    return _table(
        ("component", "namespace", "kind", "ready"),
        (
            (
                escape(row.name),
                escape(row.namespace),
                escape(row.kind),
                f'<span class="{"good" if row.well else "bad"}">{row.ready} of {row.wanted}</span>',
            )
            for row in rows
        ),
    )


def page(scene: Scene, findings: Sequence[Finding]) -> str:
    """Write the page.

    :returns: HTML with everything in it.
    """
    rows = [summary.pi_row(scene, pi) for pi in scene.pis]
    title = escape(summary.headline(scene, len(findings)))
    sections = [
        ("What is wrong", _findings(findings)),
        ("The cluster", drawing.cluster(rows, scene.answered)),
        ("Pis", _pis(rows)),
    ]
    if scene.answered:
        sections.append(("Pods", _pods(scene)))
    sections += [
        ("Kubeflow", _components(scene)),
        (
            "etcd",
            f"<p>{escape(summary.etcd_size(scene))}</p>\n"
            f"<p>Last drill with a backup: {escape(summary.drill(scene))}</p>\n",
        ),
        ("Certificates", _certificates(scene)),
    ]
    body = "".join(f"<h2>{heading}</h2>\n{text}" for heading, text in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        f"<p>As of {scene.now.strftime('%Y-%m-%d %H:%M UTC')}</p>\n{body}</body>\n</html>\n"
    )
