"""Screen and page show the same, and the page needs nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

from scenes import NAMES, SERVER, Sketch, ca, pod, trouble, workload

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
    sketch.cluster["workloads"] = [workload("training-operator", "kubeflow", ready=0)]
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


def test_components_are_what_was_installed_as_a_set_wherever_it_runs() -> None:
    sketch = Sketch()
    sketch.install(
        workload("hub", "jupyterhub", "jupyterhub"),
        workload("proxy", "jupyterhub", "jupyterhub", ready=0),
        workload("jobset-controller-manager", "jobset-system", "jobset"),
        workload("model-server", "kubeflow", "model-server"),
        jupyterhub="http://192.168.13.7:30088/jupyterhub/",
    )
    sketch.cluster["workloads"] += [
        workload("coredns", "kube-system"),
        workload("katib-ui", "kubeflow"),  # somebody else's Kubeflow
    ]
    scene = sketch.scene()
    rows = summary.components(scene)
    assert [(row.name, row.namespace, row.ready, row.wanted) for row in rows] == [
        ("jupyterhub", "jupyterhub", 1, 2),
        ("jobset", "jobset-system", 1, 1),
        ("katib-ui", "kubeflow", 1, 1),
        ("model-server", "kubeflow", 1, 1),
    ]
    assert (rows[0].not_ready, rows[0].well, rows[1].well) == (["proxy"], False, True)
    assert '<a href="http://192.168.13.7:30088/jupyterhub/">' in page(scene, [])
    assert "http://192.168.13.7:30088/jupyterhub/" in screen(scene, [], width=120)


def test_behind_an_ingress_a_component_is_below_its_address() -> None:
    sketch = Sketch()
    sketch.install(
        workload("traefik", "ingress", "ingress"),
        workload("hub", "jupyterhub", "jupyterhub"),
        ingress="http://192.168.13.7:30080/",
    )
    sketch.cluster["places"].append({"set": "id-jupyterhub", "path": "/jupyterhub"})
    found = {row.name: row.addresses for row in summary.components(sketch.scene())}
    assert found == {
        "ingress": ["http://192.168.13.7:30080/"],
        "jupyterhub": ["http://192.168.13.7:30080/jupyterhub"],
    }
    sketch.cluster["places"].pop(0)
    assert not any(row.addresses for row in summary.components(sketch.scene())), "nobody knows the ingress' address"


def test_certificates_are_folded_to_the_first_of_each_kind_and_those_near_their_end() -> None:
    sketch = Sketch()
    soon = "/var/lib/kubelet/pki/kubelet-server-current.pem"
    sketch.state[NAMES[2]]["certificates"].append({"file": soon, "pem": ca().sign("system:node", 12)})
    late = "/etc/kubernetes/pki/front-proxy-client.crt"
    sketch.state[NAMES[0]]["certificates"].append({"file": late, "pem": ca().sign("front-proxy-client", 300)})
    scene = sketch.scene()
    matter, rest = summary.certificates(scene)
    assert [(row.kind, row.days, row.near) for row in matter] == [
        ("kubelet", 12, True),
        ("control plane", 300, False),
        ("CA", 3649, False),
    ]
    assert len(matter) + len(rest) == sum(len(scene.certificates(pi)) for pi in scene.pis)
    shown, folded = page(scene, []).split("<details>")
    assert soon in shown and "kubelet-client-current.pem" not in shown and "kubelet-client-current.pem" in folded


def test_the_bar_of_a_disk_says_used_of_total() -> None:
    assert "9.8 of 29.3 GiB" in page(Sketch().scene(), [])


def test_the_drawing_has_every_pi_and_shows_a_broken_way() -> None:
    scene = hurt().scene()
    drawn = drawing.cluster([summary.pi_row(scene, pi) for pi in scene.pis], api_well=True)
    assert [drawn.count(f"<strong>{name}</strong>") for name in NAMES] == [1, 1, 1]
    assert (drawn.count("bad-edge"), drawn.count("laptop broken")) == (1, 0)
    assert "laptop broken" in drawing.cluster([], api_well=False)


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
    assert not re.search(r"src=|<link|https?://(?!192\.168\.13\.7)|<script", text.replace("&lt;script&gt;", ""))
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
    assert f"the API server does not answer: {SERVER}: connection refused" in {item.found for item in items}
