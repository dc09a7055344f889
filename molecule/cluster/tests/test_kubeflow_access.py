# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways in besides ports of the Pis: an ingress, load balancers; asked from the laptop where the run says."""

from __future__ import annotations

import json
import os
import re
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from lab_cluster import Cluster, changes, run_playbook

pytestmark = pytest.mark.skipif("BRAMBLE_TEST_INGRESS" not in os.environ, reason="only in make test-all")
CLUSTER = Cluster("cluster")
INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
COMPONENTS = ["jupyterhub", "model-server"]


def kubeflow(*tags: str, **variables: object) -> str:
    """What the playbook prints with these components and variables."""
    given = json.dumps({"kubeflow_components": COMPONENTS, **variables})
    return run_playbook(INVENTORY, "playbooks/kubeflow.yml", *tags, "-e", given)


def told(output: str) -> dict[str, str]:
    """The addresses in what the playbook prints, by component."""
    return dict(re.findall(r"^ +(jupyterhub|model-server|ingress): (http://\S+)", output, re.MULTILINE))


def ask(address: str, body: object = None, seconds: float = 60) -> tuple[int, str]:
    """Status and text of an answer; an ingress follows what the cluster tells it, so it may take a moment."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            if (error.code < 500 and error.code != 404) or time.monotonic() > deadline:
                return error.code, error.read().decode()
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(1)


@pytest.fixture(scope="module")
def addresses():
    """What the run prints, by component; afterwards each has its own port again, and the ingress is gone."""
    found = told(kubeflow(kubeflow_access="ingress"))
    assert changes(kubeflow(kubeflow_access="ingress")) == {"0"}
    yield found
    own = told(kubeflow(kubeflow_components=[*COMPONENTS, {"name": "ingress", "state": "absent"}]))
    assert not CLUSTER.objects("ingresses", "--all-namespaces")
    assert not CLUSTER.objects("deployments", "--namespace=ingress")
    assert set(own) == set(COMPONENTS) and not set(own.values()) & set(found.values())
    assert "Sign in" in ask(own["jupyterhub"])[1]
    assert json.loads(ask(own["model-server"] + "/models/digits")[1])["name"] == "digits"


def test_every_component_has_an_address_below_the_same_one(addresses):
    assert addresses == {
        "jupyterhub": "http://192.168.15.7:30080/jupyterhub/",
        "model-server": "http://192.168.15.7:30080/v2",
    }
    kinds = {item["metadata"]["name"]: item["spec"]["type"] for item in CLUSTER.objects("services", "-A")}
    assert (kinds["proxy-public"], kinds["model-server"], kinds["traefik"]) == ("ClusterIP", "ClusterIP", "NodePort")


def test_the_model_server_answers_a_prediction(addresses):
    status, text = ask(addresses["model-server"] + "/models/digits")
    assert status == 200 and json.loads(text)["name"] == "digits"
    image = {"name": "pixels", "shape": [1, 64], "datatype": "FP64", "data": [0.0] * 64}
    status, text = ask(addresses["model-server"] + "/models/digits/infer", {"inputs": [image]})
    assert status == 200, text
    assert json.loads(text)["outputs"][0]["data"][0] in range(10)


def test_jupyterhub_asks_for_a_password_and_nothing_else_is_open(addresses):
    status, text = ask(addresses["jupyterhub"])
    assert status == 200 and "Sign in" in text and 'type="password"' in text
    root = addresses["jupyterhub"].removesuffix("jupyterhub/")
    assert ask(root, seconds=0)[0] == 404
    assert ask(root + "api/http/routers", seconds=0)[0] == 404, "Traefik's own API is not for everybody"


def test_a_notebook_runs_a_cell_and_keeps_its_file(addresses, tmp_path):
    """Through the ingress, WebSocket included: the proof uses the address that people use."""
    results = tmp_path / "results.json"
    chosen = {"kubeflow_components": ["jupyterhub"], "kubeflow_access": "ingress"}
    arguments = ("--tags", "smoke", "-e", f"kubeflow_smoke_results={results}")
    run_playbook(INVENTORY, "playbooks/kubeflow.yml", *arguments, "-e", json.dumps(chosen))
    [notebook] = [result for result in json.loads(results.read_text()) if result["proof"] == "notebook"]
    assert notebook["ok"], notebook


def test_load_balancers_addresses_are_told_as_soon_as_something_gives_them_out():
    """The test gives them out, as MetalLB would; kube-proxy on the Pis makes them work."""
    given = {"jupyterhub": ("proxy-public", "192.168.15.8"), "model-server": ("model-server", "192.168.15.9")}
    try:
        output = " ".join(kubeflow(kubeflow_access="load_balancer").split())
        assert "nothing here gives out addresses for load balancers" in output
        for namespace, (service, address) in given.items():
            patch = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}})
            where = ("--namespace", namespace, "patch", "service", service)
            CLUSTER.kubectl(*where, "--subresource=status", f"--patch={patch}")
        addresses = told(kubeflow(kubeflow_access="load_balancer"))
        assert addresses == {"jupyterhub": "http://192.168.15.8/jupyterhub/", "model-server": "http://192.168.15.9/v2"}
        assert "Sign in" in ask(addresses["jupyterhub"])[1]
        assert json.loads(ask(addresses["model-server"] + "/models/digits")[1])["name"] == "digits"
    finally:
        kubeflow()
