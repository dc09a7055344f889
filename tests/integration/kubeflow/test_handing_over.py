# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/first-model.md on a real API server: what a notebook may do there and what not, and the page's manifests.

The test takes the part of the controllers, of which there are none: it starts a Pod for each that goes.
"""

from __future__ import annotations

import importlib.util
import json
import threading
import time
from types import SimpleNamespace

import pages
import pytest
import rendering
import yaml

ROLE = pages.ROOT / "roles/kubeflow"
PAGE = pages.ROOT / "docs/first-model.md"
NOTEBOOK = "--as=system:serviceaccount:jupyterhub:notebook"
SERVER = "--namespace=model-server"


def server_pod(template: dict, name: str) -> dict:
    """A Pod of the model server's Deployment, as its controllers would make it."""
    meta = {**template["metadata"], "name": name, "namespace": "model-server"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}


@pytest.fixture(scope="module")
def made(api) -> SimpleNamespace:
    """The manifests of both components, as the role renders them by default."""
    variables = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    variables["kubeflow_planned"] = {"present": ["jupyterhub", "model-server"]}
    return SimpleNamespace(
        hub=rendering.objects("kubeflow", "jupyterhub.yaml.j2", variables),
        server=rendering.objects("kubeflow", "model-server.yaml.j2", variables),
    )


@pytest.fixture
def installed(api, install, made):
    """Both components; the result of installing them again."""
    catalogue = yaml.safe_load((ROLE / "vars/main/catalogue.yml").read_text())["kubeflow_catalogue"]
    texts = {"jupyterhub": made.hub, "model-server": made.server}
    manifests = {name: {"text": yaml.safe_dump_all(objects)} for name, objects in texts.items()}

    def call() -> dict:
        result = install(
            catalogue, list(texts), manifests=manifests, provided=["local-path"], people=["ada"], force=True
        )
        assert not result["failed"], result["msg"]
        return result

    call()
    if "default" not in api.kubectl("get", "serviceaccounts", SERVER):  # which a controller makes elsewhere
        api.kubectl("create", "serviceaccount", "default", SERVER)
    return call


@pytest.fixture
def controllers(api, made):
    """A Pod of the model server is always there and ready."""
    (deployment,) = [one for one in made.server if one["kind"] == "Deployment"]
    template, over, begun = deployment["spec"]["template"], threading.Event(), threading.Event()

    def run() -> None:
        number = 0
        while not over.is_set():
            if not json.loads(api.kubectl("get", "pods", SERVER, "--output=json"))["items"]:
                number += 1
                name = f"model-server-{number}"
                api.kubectl("create", "--filename=-", text=json.dumps(server_pod(template, name)))
                ready = {"conditions": [{"type": "Ready", "status": "True"}]}
                patch = json.dumps({"status": ready})
                api.kubectl("patch", "pod", name, SERVER, "--subresource=status", f"--patch={patch}")
                begun.set()
            time.sleep(0.2)

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(60)
    yield
    over.set()
    thread.join()
    api.kubectl("delete", "pods", SERVER, "--all", "--now")


@pytest.fixture
def serving(api, installed, tmp_path, monkeypatch):
    """The module that notebooks import, with the account that they have."""
    spec = importlib.util.spec_from_file_location("serving", ROLE / "files/first_model/serving.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "token").write_text(api.kubectl("create", "token", "notebook", "--namespace=jupyterhub").strip())
    (tmp_path / "ca.crt").write_bytes(api.path("ca.crt").read_bytes())
    monkeypatch.setattr(module, "ACCOUNT", tmp_path)
    monkeypatch.setattr(module, "PATIENCE", 60)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(api.port))
    return module


def handed_over(api) -> dict:
    return json.loads(api.kubectl("get", "configmap", "model", SERVER, "--output=json")).get("binaryData") or {}


def test_a_notebook_hands_over_a_model_and_takes_it_back(api, serving, installed, controllers, tmp_path, monkeypatch):
    asked = []
    really = serving._cluster

    def ask(method, path, body=None):
        asked.append((method, path))
        return really(method, path, body)

    monkeypatch.setattr(serving, "_cluster", ask)
    (tmp_path / "digits.joblib").write_bytes(b"\0a model\xff")
    serving.serve(tmp_path / "digits.joblib")
    assert handed_over(api) == {"model.joblib": "AGEgbW9kZWz/"}
    result = installed()
    assert not result["changed"], "another run of the playbook leaves it alone"
    assert handed_over(api) == {"model.joblib": "AGEgbW9kZWz/"}
    serving.log()
    serving.take_back()
    assert handed_over(api) == {}
    assert len([path for method, path in asked if method == "DELETE"]) == 2
    assert len([path for _method, path in asked if path.endswith("/log?container=handed-over")]) == 2


def test_a_notebook_may_do_nothing_else(api, installed):
    may = {tuple(line.split()[:1]) for line in api.kubectl("auth", "can-i", "--list", SERVER, NOTEBOOK).splitlines()}
    assert {("pods",), ("pods/log",), ("configmaps",)} <= may
    for verb, what in (
        *(("create", name) for name in ("pods", "deployments.apps", "jobs.batch", "configmaps")),
        *(("patch", name) for name in ("configmaps/programs", "deployments.apps/model-server", "pods")),
        *(("get", name) for name in ("secrets", "configmaps/programs", "persistentvolumeclaims")),
        ("delete", "persistentvolumeclaims"),
        ("create", "pods --subresource=exec"),
        ("get", "pods --subresource=exec"),
    ):
        asked = ("auth", "can-i", verb, *what.split(), SERVER, NOTEBOOK)
        assert api.kubectl(*asked, check=False).startswith("no"), (verb, what)
    for space in ("jupyterhub", "default", "kube-system"):
        where = (f"--namespace={space}", NOTEBOOK)
        for verb, what in (("get", "secrets"), ("list", "pods"), ("delete", "pods"), ("get", "configmaps")):
            assert api.kubectl("auth", "can-i", verb, what, *where, check=False).startswith("no"), (space, verb, what)


def test_without_the_model_server_notebooks_have_no_account(made):
    variables = yaml.safe_load((ROLE / "defaults/main.yml").read_text())

    def url(present: list[str], serves: bool) -> str:
        given = {**variables, "kubeflow_planned": {"present": present}, "kubeflow_jupyterhub_serves": serves}
        found = rendering.objects("kubeflow", "jupyterhub.yaml.j2", given)
        (hub,) = [one for one in found if (one["kind"], one["metadata"]["name"]) == ("ConfigMap", "hub")]
        return json.loads(hub["data"]["settings.json"])["model_url"]

    both = ["jupyterhub", "model-server"]
    assert url(both, True) == "http://model-server.model-server/v2/models/digits"
    assert url(both, False) == url(["jupyterhub"], True) == ""


def test_what_is_mounted_is_what_lies_in_the_role(made):
    (given,) = [one for one in made.hub if one["metadata"]["name"] == "first-model"]
    data = dict(given["data"])
    assert json.loads(data.pop("default_setting_overrides.json")), "JupyterLab's own settings are no file of the role"
    files = {path.name: path.read_text() for path in (ROLE / "files/first_model").iterdir() if path.is_file()}
    assert {name: text.strip() for name, text in data.items()} == {name: text.strip() for name, text in files.items()}
    assert json.loads(given["data"]["first-model.ipynb"])["nbformat"] == 4


def test_the_pages_manifests_are_accepted_where_they_go(api, installed):
    """By the API server, and their Pods by the level that it enforces in this namespace."""
    for document in pages.manifests(PAGE, "By files"):
        asked = ("create", "--dry-run=server", "--validate=strict", "--filename=-")
        api.kubectl(*asked, text=json.dumps(document))
        template = document["spec"].get("template") if "spec" in document else None
        if template:
            pod = server_pod({"metadata": {}, **template}, "first-model")
            assert "created (server dry run)" in api.kubectl(*asked, text=json.dumps(pod))
