# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of status.yml in a real Chromium, on a phone and on a desk; tests/support/browser.py says what it needs."""

from __future__ import annotations

from pathlib import Path

from browser import drive, needs_browser
from scenes import NAMES, Sketch, ca, pod, trouble, workload

from ansible_collections.bramble.kube.plugins.module_utils.backup.rotation import Cluster, file_name
from ansible_collections.bramble.kube.plugins.module_utils.status.diagnosis import diagnose
from ansible_collections.bramble.kube.plugins.module_utils.status.report import page

PKI = "/etc/kubernetes/pki"
OF_MASTER = (
    "apiserver apiserver-etcd-client apiserver-kubelet-client front-proxy-client etcd/server etcd/peer "
    "etcd/healthcheck-client"
)


def cluster() -> Sketch:
    """Three Pis with all that site.yml installs."""
    sketch = Sketch()
    of_master = [f"{PKI}/{name}.crt" for name in OF_MASTER.split()]
    of_master += [f"/etc/kubernetes/{name}.conf" for name in ("admin", "controller-manager", "scheduler")]
    sketch.state[NAMES[0]]["certificates"] += [
        {"file": file, "pem": ca().sign(Path(file).stem, 340)} for file in of_master
    ]
    sketch.cluster["pods"] = [
        pod(f"{name}-6d5f7c9b8-x2{number}k", where=NAMES[number % 3], namespace="kubeflow")
        for number, name in enumerate(["coredns", "kube-proxy", "kube-flannel-ds", "jupyter-anna", "digits"] * 9)
    ]
    sketch.install(
        workload("hub", "jupyterhub", "jupyterhub"),
        workload("proxy", "jupyterhub", "jupyterhub"),
        workload("jobset-controller-manager", "jobset-system", "jobset"),
        workload("kubeflow-trainer-controller-manager", "kubeflow-system", "trainer"),
        workload("training-operator", "kubeflow", "training-operator"),
        workload("local-path-provisioner", "local-path-storage", "local-path"),
        workload("model-server", "kubeflow", "model-server"),
        workload("desk", "loop", "loop-parts"),
        workload("router", "loop", "loop-parts"),
        jupyterhub="http://192.168.13.7:30088/jupyterhub/",
        **{"model-server": "http://192.168.13.7:30082/v2"},
    )
    return sketch


def hurt() -> Sketch:
    """The same with troubles, of which some have long names."""
    sketch = cluster()
    long = "a-notebook-of-somebody-with-a-name-that-has-no-end-at-all-0"
    sketch.cluster["pods"].append(pod(long, ready=False, troubles=[trouble(said="x" * 300)]))
    sketch.cluster["workloads"][0]["ready"] = 0
    sketch.cluster["places"].append({"set": "id-jupyterhub", "address": f"https://{'long-name.' * 8}example.org/"})
    sketch.state[NAMES[1]]["disks"][0]["free_mb"] = 300
    file = "/var/lib/kubelet/pki/kubelet-server-current.pem"
    sketch.state[NAMES[1]]["certificates"].append({"file": file, "pem": ca().sign(f"system:node:{NAMES[1]}", 12)})
    sketch.unreachable[NAMES[2]] = "timed out"
    return sketch


def silent() -> Sketch:
    """The API server does not answer."""
    sketch = cluster()
    sketch.silence()
    return sketch


def lived_in() -> Sketch:
    """Three Pis on somebody's shelf: one has a weak power supply, one a notebook that wants too much memory."""
    sketch = cluster()
    shelf = ((3900, 2100, 58.4, 19400), (7900, 5600, 49.9, 41800), (3900, 1500, 61.2, 12700))
    for name, (total, available, degrees, free) in zip(NAMES, shelf):
        own = sketch.state[name]
        own["memory"] = {"total_mb": total, "available_mb": available}
        own["disks"][0] |= {"total_mb": 59000, "free_mb": free}
        own["temperature_c"] = degrees
    sketch.facts[NAMES[2]]["pi_throttled"] = 0x1
    drill = sketch.state[NAMES[0]]["drill"]
    drill["backup"] = file_name(Cluster(NAMES[0], "5e1c9a04b7d2"), drill["at"] - 3600, "1.37.2")
    for number, one in enumerate(sketch.cluster["nodes"]):
        one["kernel"] = "6.12.47+rpt-rpi-2712"
        del sketch.cluster["pods"][30 + number :: 7]
    killed = trouble(container="notebook", reason="CrashLoopBackOff", ended_by="OOMKilled", exit_code=137, restarts=4)
    sketch.cluster["pods"].append(
        pod("jupyter-ben", where=NAMES[1], namespace="jupyterhub", ready=False, troubles=[killed])
    )
    return sketch


@needs_browser
def test_on_a_phone_and_on_a_desk(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    files = []
    for kind in (cluster, hurt, silent, lived_in):
        scene = kind().scene()
        file = tmp_path / f"{kind.__name__}.html"
        file.write_text(page(scene, diagnose(scene)), encoding="utf-8")
        files.append(str(file))
    shown = files.pop()
    result = drive(
        Path(__file__).with_name("page_browser.mjs"),
        PAGE_FILES=" ".join(files),
        PAGE_WIDTHS="360 768 1280",
        PAGE_PICTURES=str(pictures),
        PAGE_SHOWN=shown,
    )
    assert result["axe"] == []
    assert result["wide"] == []
    assert result["looked"] == len(files) * 3 * 2
