"""Screen and page show the same, and the page needs nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

from scenes import NAMES, Sketch, pod, trouble

from ansible_collections.bramble.kube.plugins.module_utils.status import audit, audit_items, drawing, summary
from ansible_collections.bramble.kube.plugins.module_utils.status.diagnosis import diagnose
from ansible_collections.bramble.kube.plugins.module_utils.status.report import page
from ansible_collections.bramble.kube.plugins.module_utils.status.screen import audit_screen, screen


class Balanced(HTMLParser):
    """Fails on a tag that is not closed."""

    EMPTY = ("meta", "br", "rect", "line", "circle")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        pass

    def handle_endtag(self, tag) -> None:
        if tag in self.EMPTY:
            return
        assert self.open.pop() == tag


def hurt() -> Sketch:
    sketch = Sketch()
    sketch.cluster["pods"].append(pod(name="<script>", ready=False, troubles=[trouble(said="<b>boom</b> & more")]))
    sketch.cluster["workloads"] = [
        {
            "kind": "Deployment",
            "namespace": "kubeflow",
            "name": "training-operator",
            "part_of": "",
            "wanted": 1,
            "ready": 0,
        }
    ]
    sketch.unreachable[NAMES[2]] = "timed out"
    return sketch


def test_the_screen_has_every_pi_and_every_sentence() -> None:
    scene = hurt().scene()
    findings = diagnose(scene)
    drawn = screen(scene, findings, width=200)
    for name in NAMES:
        assert name in drawn
    joined = " ".join(drawn.split())
    for finding in findings:
        assert " ".join(finding.sentence.split()) in joined
    assert "training-operator" in drawn
    assert "20.0 MiB" in drawn
    assert "\x1b[" not in drawn
    assert "\x1b[" in screen(scene, findings, color=True)


def test_a_healthy_cluster_fits_on_one_screen() -> None:
    scene = Sketch().scene()
    drawn = screen(scene, [], width=120)
    assert len(drawn.splitlines()) <= 24
    assert "3 of 3 Pis Ready, all is well" in drawn
    assert "last drill with a backup: 2026-05-27 with kept-1, 1234 objects in 35 s" in " ".join(drawn.split())


def test_the_drawing_is_as_wide_as_its_pis() -> None:
    scene = Sketch().scene()
    rows = [summary.pi_row(scene, pi) for pi in scene.pis]
    widths = [int(re.search(r'viewBox="0 0 (\d+)', drawing.cluster(rows[:number], True))[1]) for number in (1, 2, 3)]
    assert widths[0] == widths[1] < widths[2], "a master alone, with one node, and with two beside each other"


def test_limit_looks_at_fewer_pis_and_never_advises_against_the_others() -> None:
    whole = Sketch().scene()
    scene = replace(whole, pis=whole.pis[1:2], left_out=[pi.node_name for pi in whole.pis if pi is not whole.pis[1]])
    assert diagnose(scene) == []
    assert "1 of 1 Pi Ready (--limit leaves out 2), all is well" in screen(scene, [], width=120)


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    scene = hurt().scene()
    text = page(scene, diagnose(scene))
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert text.count("<svg") > 5
    assert not re.search(r"(src|href)=|https?://(?!192\.168\.13\.7)|<script", text.replace("&lt;script&gt;", ""))
    assert "&lt;b&gt;boom&lt;/b&gt; &amp; more" in text
    assert "/etc/kubernetes/pki/apiserver.crt" in text


def test_page_and_screen_without_an_api_server() -> None:
    sketch = Sketch()
    sketch.silence()
    scene = sketch.scene()
    assert "does not answer: " in screen(scene, diagnose(scene))
    assert "Not known: the API server does not answer" in page(scene, diagnose(scene))


def test_without_any_audited_fact_nothing_passes() -> None:
    sketch = Sketch()
    sketch.silence()
    items = audit.audit(sketch.scene(), audit_items.ITEMS)
    assert {item.verdict for item in items} == {audit.UNKNOWN, audit.NOT_CHECKED}
    assert "could not be read" in audit_screen(items)
