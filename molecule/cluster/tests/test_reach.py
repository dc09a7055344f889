# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far somebody gets who has no business here: in the home network, in a Pod, and on the master's card."""

from __future__ import annotations

import json
import urllib.request

import pytest
from hub_visitor import Visitor
from lab_cluster import Cluster

CLUSTER = Cluster("cluster")
MASTER = "http://192.168.15.7"
HUB, MODELS = MASTER + ":30088/jupyterhub", MASTER + ":30082/v2"


def test_nobody_unloads_the_model() -> None:
    for action in ("unload", "load"):
        request = urllib.request.Request(f"{MODELS}/repository/models/digits/{action}", b"", method="POST")
        assert Visitor().ask(request)[0] == 403
    status, text = Visitor().ask(MODELS + "/models/digits/ready")
    assert (status, json.loads(text)["ready"]) == (200, True)


def inside(pod: str, method: str, path: str) -> str:
    """What the model server in a Pod answers there: status and text."""
    program = (
        "import sys, urllib.error, urllib.request as u\n"
        "request = u.Request('http://127.0.0.1:8080/v2/' + sys.argv[2], method=sys.argv[1])\n"
        "try: answer = u.urlopen(request, timeout=20)\n"
        "except urllib.error.HTTPError as error: answer = error\n"
        "print(answer.status, answer.read().decode())"
    )
    where = ("--namespace=model-server", "exec", pod, "--container=server")
    return CLUSTER.kubectl(*where, "--", "python", "-c", program, method, path)


def test_a_server_whose_model_is_gone_is_started_again() -> None:
    """One like the model server, but without what keeps strangers from unloading, and asked more often."""
    (deployment,) = CLUSTER.objects("deployments", "--namespace=model-server")
    spec, meta = deployment["spec"]["template"]["spec"], {"name": "open", "namespace": "model-server"}
    (server,) = spec["containers"]
    server["command"] = ["python", "-m", "sklearnserver"]
    server["livenessProbe"]["periodSeconds"] = 2
    (models,) = (volume for volume in spec["volumes"] if volume["name"] == "models")
    del models["persistentVolumeClaim"]
    models["emptyDir"] = {}
    CLUSTER.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    try:
        CLUSTER.kubectl("--namespace=model-server", "wait", "--for=condition=Ready", "pod/open", "--timeout=170s")
        assert inside("open", "POST", "repository/models/digits/unload").startswith("200 ")
        assert inside("open", "GET", "models/digits/ready").startswith("404 ")
        began = "--for=jsonpath={.status.containerStatuses[0].restartCount}=1"
        CLUSTER.kubectl("--namespace=model-server", "wait", began, "pod/open", "--timeout=170s")
        CLUSTER.kubectl("--namespace=model-server", "wait", "--for=condition=Ready", "pod/open", "--timeout=170s")
        assert inside("open", "GET", "models/digits/ready").startswith("200 ")
    finally:
        CLUSTER.kubectl("--namespace=model-server", "delete", "pod", "open", "--wait=false")


def test_wrong_passwords_have_to_wait() -> None:
    answers = [Visitor().log_in(HUB, "nobody", f"guess {number}") for number in range(9)]
    assert {status for status, _text in answers[:5]} == {403}
    waits = [text for status, text in answers[5:] if status == 429]  # on a slow machine, a wait may end meanwhile
    assert waits and "Too many wrong passwords" in waits[0]


def test_the_masters_card_holds_no_credential_beyond_rbac(pis) -> None:
    with pis["k8s-master"].sudo():
        assert pis["k8s-master"].file("/etc/kubernetes/admin.conf").exists
        assert not pis["k8s-master"].file("/etc/kubernetes/super-admin.conf").exists


@pytest.mark.parametrize(
    ("namespace", "level"),
    [
        ("jupyterhub", "restricted"),
        ("model-server", "restricted"),
        ("jobset-system", "baseline"),
        ("kubeflow-system", "baseline"),
        ("kubeflow", "baseline"),
        ("local-path-storage", "privileged"),
    ],
)
def test_a_namespace_enforces_what_its_own_pods_pass(namespace: str, level: str) -> None:
    label = "pod-security.kubernetes.io/enforce"
    found = json.loads(CLUSTER.kubectl("get", "namespace", namespace, "--output=json"))
    assert found["metadata"]["labels"].get(label) == level
    assert CLUSTER.objects("pods", "--namespace", namespace)
    # A label that is there already is not judged again: the version makes it another one.
    given = (f"{label}={level}", f"{label}-version=v1.30")
    assert CLUSTER.warnings("label", "--dry-run=server", "--overwrite", "namespace", namespace, *given) == []


def test_pods_that_need_no_account_have_none() -> None:
    pods = [pod for space in ("jupyterhub", "model-server") for pod in CLUSTER.objects("pods", "--namespace", space)]
    mounted = {
        pod["metadata"]["labels"].get("component", "")
        for pod in pods
        if any("serviceAccountToken" in json.dumps(volume) for volume in pod["spec"].get("volumes", []))
    }
    assert mounted == {"hub"}


def test_kubelets_give_containers_the_usual_system_calls() -> None:
    for node in CLUSTER.objects("nodes"):
        config = CLUSTER.kubectl("get", "--raw", f"/api/v1/nodes/{node['metadata']['name']}/proxy/configz")
        assert json.loads(config)["kubeletconfig"]["seccompDefault"] is True
