# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The status as one page that needs nothing else: no script, no address, pictures as SVG inside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from ansible_collections.bramble.kube.plugins.module_utils.common.wording import counted
from ansible_collections.bramble.kube.plugins.module_utils.status import drawing, summary
from ansible_collections.bramble.kube.plugins.module_utils.status.model import BAD, NOTE, WARN, Finding, Scene

_WORDS = {BAD: "trouble", WARN: "soon", NOTE: "note"}
_STYLE = """
:root { --ink: #1c2430; --paper: #fff; --faint: #e4e8ee; --good: #1e7d49; --warn: #966200; --bad: #c0392b;
  --edge: #8894a5; --quiet: #5b6675 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaf0; --paper: #161b22; --faint: #2c3440; --good: #4cb37b; --warn: #e0a030; --bad: #e06a5c;
    --quiet: #a3adba }
}
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 1rem auto;
  max-width: 90rem; padding: 0 1rem; overflow-wrap: break-word }
h1 { font-size: clamp(1.15rem, 4vw, 1.5rem) } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem }
a { color: inherit }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 0 3rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--faint) }
code { overflow-wrap: anywhere }
svg { max-width: 100%; height: auto }
.good { fill: var(--good); color: var(--good) } .warn { fill: var(--warn); color: var(--warn) }
.bad { fill: var(--bad); color: var(--bad) } .note { color: var(--quiet) }
.empty { fill: var(--faint) }
.laptop { width: 6rem; margin: 0 auto 1.5rem; text-align: center }
.laptop, .board { border: 1.5px solid var(--edge); border-radius: .6rem; padding: .4rem .8rem; position: relative }
.boards { list-style: none; margin: 0 0 1.5rem; padding: 0; display: flex; flex-wrap: wrap; gap: 1.5rem;
  justify-content: center }
.board { flex: 0 1 14rem; margin: 0; box-sizing: border-box }
.good-edge { border-color: var(--good) } .bad-edge { border: 3px solid var(--bad) }
.nodes { border-top: 2px solid var(--edge); padding-top: 1.5rem }
.laptop::after, .boards:has(+ .nodes) .board::after, .nodes .board::before { content: ""; position: absolute;
  left: 50%; height: 1.5rem; border-left: 2px solid var(--edge) }
.laptop::after, .board::after { top: 100% } .nodes .board::before { bottom: 100% }
.broken::after, .nodes .bad-edge::before { border-left: 2px dashed var(--bad) }
th, .whole { white-space: nowrap }
.findings li { margin: .4rem 0 } .findings b { display: inline-block; min-width: 4.5rem }
summary { cursor: pointer; padding: .5rem 0 }
@media (max-width: 50rem) {
  table, tbody, tr, td { display: block } thead { display: none }
  tr { border-bottom: 1px solid var(--edge); padding: .5rem 0 }
  td { border: 0; padding: .1rem 0; display: flex; gap: .7rem } td > span { flex: 1; min-width: 0 }
  td::before { content: attr(data-heading); flex: 0 0 6.5rem; color: var(--quiet) }
  td:has(> span:empty) { display: none } .whole { white-space: normal }
}
"""


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; headings are text, cells are HTML. A narrow screen shows each row as a list; roles keep it a table."""
    head = "".join(f'<th role="columnheader">{escape(heading)}</th>' for heading in headings)
    body = "".join(
        '<tr role="row">'
        + "".join(
            f'<td role="cell" data-heading="{escape(heading)}"><span>{cell}</span></td>'
            for heading, cell in zip(headings, row)
        )
        + "</tr>\n"
        for row in rows
    )
    return (
        f'<table role="table">\n<thead role="rowgroup"><tr role="row">{head}</tr></thead>\n'
        f'<tbody role="rowgroup">\n{body}</tbody>\n</table>\n'
    )


def _findings(findings: Sequence[Finding]) -> str:
    if not findings:
        return '<p class="good">Nothing is wrong.</p>\n'
    items = (
        f'<li><b class="{finding.severity}">{_WORDS[finding.severity]}</b> {escape(finding.sentence)}</li>\n'
        for finding in findings
    )
    return f'<ul class="findings">\n{"".join(items)}</ul>\n'


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
    return _table(("Pi", "Pods, red where not ready"), rows)


def _certificates(scene: Scene) -> str:
    matter, rest = summary.certificates(scene)
    if not matter:
        return "<p>None could be read.</p>\n"
    more = f"<details><summary>All others ({len(rest)}), which hold longer</summary>\n{_of(rest)}</details>\n"
    return _of(matter) + more * bool(rest)


def _of(rows: Sequence[summary.CertificateRow]) -> str:
    return _table(
        ("Pi", "kind", "of", "file", "ends", "days left"),
        (
            (
                escape(row.pi),
                row.kind,
                escape(row.subject),
                f"<code>{escape(row.file)}</code>",
                f'<span class="whole">{row.ends}</span>',
                f'<span class="whole">{drawing.days(row)} {row.days}</span>',
            )
            for row in rows
        ),
    )


def _components(scene: Scene) -> str:
    if not scene.answered:
        return "<p>Not known: the API server does not answer.</p>\n"
    rows = summary.components(scene)
    if not rows:
        return "<p>None is installed.</p>\n"
    return _table(
        ("component", "namespace", "ready", "address"),
        (
            (
                f"<b>{escape(row.name)}</b>",
                escape(row.namespace),
                f'<span class="{"good" if row.well else "bad"}">{row.ready} of {row.wanted}</span>'
                + "".join(f"<br>{escape(name)}" for name in row.not_ready),
                "<br>".join(f'<a href="{escape(place)}">{escape(place)}</a>' for place in row.addresses),
            )
            for row in rows
        ),
    )


def _sections(sections: Mapping[str, str]) -> str:
    return "".join(f"<section><h2>{heading}</h2>\n{text}</section>\n" for heading, text in sections.items())


def _beside(*columns: Mapping[str, str]) -> str:
    """Columns that stand beside each other where there is room."""
    return f'<div class="beside">\n{"".join(f"<div>{_sections(one)}</div>" for one in columns if one)}</div>\n'


def page(scene: Scene, findings: Sequence[Finding]) -> str:
    """Write the page.

    :returns: HTML with everything in it.
    """
    rows = [summary.pi_row(scene, pi) for pi in scene.pis]
    title = escape(summary.headline(scene, len(findings)))
    etcd = (
        f"<p>{escape(summary.etcd_size(scene))}</p>\n<p>Last drill with a backup: {escape(summary.drill(scene))}</p>\n"
    )
    body = "".join(
        (
            _beside(
                {"What is wrong": _findings(findings), "etcd": etcd},
                {"The cluster": drawing.cluster(rows, scene.answered)},
            ),
            _sections({"Pis": _pis(rows)}),
            _beside({"Components": _components(scene)}, {"Pods": _pods(scene)} if scene.answered else {}),
            _sections({"Certificates": _certificates(scene)}),
        )
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        f"<p>As of {scene.now.strftime('%Y-%m-%d %H:%M UTC')}</p>\n{body}</main>\n</body>\n</html>\n"
    )
