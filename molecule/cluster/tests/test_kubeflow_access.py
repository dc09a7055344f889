# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways in besides ports of the Pis: an ingress, load balancers; asked from the laptop where the run says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from lab_cluster import Cluster, changes, network_test_image, run_playbook

pytestmark = pytest.mark.skipif("BRAMBLE_TEST_INGRESS" not in os.environ, reason="only in make test-all")
CLUSTER = Cluster("cluster")
INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
LAN = "192.168.15."
COMPONENTS = ["jupyterhub", "model-server"]


def kubeflow(*tags: str, **variables: object) -> str:
    """What the playbook prints with these components and variables."""
    given = json.dumps({"kubeflow_components": COMPONENTS, **variables})
    return run_playbook(INVENTORY, "playbooks/kubeflow.yml", *tags, "-e", given)


def told(output: str) -> dict[str, str]:
    """The addresses in what the playbook prints, by component."""
    return dict(re.findall(r"^ *(jupyterhub|model-server|ingress):? +(http://\S+)", output, re.MULTILINE))


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


@pytest.fixture(scope="module")
def lan():
    """What the run prints when Services get addresses of the LAN; afterwards each component has its own port again."""
    output = " ".join(kubeflow(kubeflow_access="load_balancer").split())
    assert "nothing here gives out addresses for load balancers; set kubeflow_addresses" in output
    chosen = {"kubeflow_access": "load_balancer", "kubeflow_addresses": [f"{LAN}240-{LAN}250"]}
    found = told(kubeflow(**chosen))
    assert changes(kubeflow(**chosen)) == {"0"}
    yield found
    # What MetalLB has written down itself counts as data.
    gone = [{"name": name, "state": "absent", "data": "delete"} for name in ("addresses", "metallb")]
    kubeflow(kubeflow_components=[*COMPONENTS, *gone])
    assert not [crd for crd in CLUSTER.objects("crd") if crd["metadata"]["name"].endswith(".metallb.io")]


def test_components_have_addresses_of_the_lan(lan):
    assert sorted(lan) == sorted(COMPONENTS)
    hosts = {urllib.parse.urlparse(address).hostname for address in lan.values()}
    assert len(hosts) == 2 and all(host in {f"{LAN}{last}" for last in range(240, 251)} for host in hosts)
    assert "Sign in" in ask(lan["jupyterhub"])[1]
    assert json.loads(ask(lan["model-server"] + "/models/digits")[1])["name"] == "digits"


def web() -> list[dict]:
    """A web server on every Pi, of which the one on the Pi that answers is asked."""
    container = {
        "name": "web",
        "image": network_test_image(),
        "args": ["netexec", "--http-port=8080"],
        "readinessProbe": {"httpGet": {"path": "/hostname", "port": 8080}, "periodSeconds": 1},
    }
    pod = {"containers": [container], "tolerations": [{"operator": "Exists"}]}
    about, labels = {"name": "web", "namespace": "web"}, {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": pod}
    daemons = {"selector": {"matchLabels": labels}, "template": template}
    ports = [{"port": 80, "targetPort": 8080}]
    service = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "selector": labels, "ports": ports}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}},
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": about, "spec": daemons},
        {"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": service},
    ]


def answering() -> str:
    """The Pi that answers for that Service's address."""
    label = "--selector=metallb.io/service-name=web"
    found = CLUSTER.objects("servicel2statuses.metallb.io", "--namespace=metallb-system", label)
    return found[0]["status"]["node"] if found else ""


def silence(address: str, seconds: float) -> float:
    """The longest time without an answer, in seconds, while the address is asked five times a second."""
    begin = last = time.monotonic()
    longest = 0.0
    while time.monotonic() < begin + seconds:
        try:
            urllib.request.urlopen(address, timeout=1).close()
            last = time.monotonic()
        except OSError:
            longest = max(longest, time.monotonic() - last)
        time.sleep(0.2)
    return longest


@pytest.mark.usefixtures("lan")
def test_another_pi_answers_when_the_one_that_does_loses_power():
    CLUSTER.apply(*web())
    try:
        CLUSTER.kubectl("-n", "web", "rollout", "status", "daemonset/web", "--timeout=180s")
        [service] = CLUSTER.objects("service", "--namespace=web")
        address = f"http://{service['status']['loadBalancer']['ingress'][0]['ip']}/hostname"
        assert ask(address)[0] == 200
        first = answering()
        subprocess.run(["docker", "kill", "--signal", "KILL", f"cluster-{first}"], check=True, capture_output=True)
        try:
            longest = silence(address, 30)
            assert ask(address, seconds=0)[0] == 200
        finally:
            subprocess.run(["docker", "start", f"cluster-{first}"], check=True, capture_output=True)
        print(f"{first} lost power: {longest:.1f} s without an answer")
        assert longest <= 10
        CLUSTER.settle()
        assert answering()
    finally:
        CLUSTER.kubectl("delete", "namespace", "web")
