"""The collection's own catalogue against what the lab has: its images by platform, its entries by the manifests."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from apiserver import free_port

ROOT = Path(__file__).resolve().parents[3]
CACHE = Path(
    os.environ.get("BRAMBLE_LAB_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bramble.kube-lab"
)
# Components that only show their manifests here, and whose archives are made of their Go modules; make test-all builds
# and runs all but the first.
MODULES = ("katib", "argo-workflows", "metallb")
REGISTRIES = ("docker.io", "gcr.io", "ghcr.io", "nvcr.io", "quay.io", "registry.k8s.io")


def entries() -> list[dict]:
    """The collection's catalogue."""
    return yaml.safe_load((ROOT / "roles/kubeflow/vars/main/catalogue.yml").read_text())["kubeflow_catalogue"]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The lab's registry, read-only, at an address of its own."""
    host = f"127.0.0.1:{free_port()}"
    folder = tmp_path_factory.mktemp("registry")
    storage = {
        "filesystem": {"rootdirectory": str(CACHE / "served/registry")},
        "maintenance": {"readonly": {"enabled": True}},
    }
    settings = {"version": "0.1", "log": {"level": "error"}, "storage": storage, "http": {"addr": host}}
    (folder / "config.yml").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(CACHE / "bin/registry"), "serve", str(folder / "config.yml")], stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(tuple(host.split(":")), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, "the registry does not start"
                time.sleep(0.1)
        yield f"http://{host}"
    finally:
        process.terminate()
        process.wait()


def ask(images: list[str], platforms: list[str], registry: str) -> dict:
    """What the lab's registry says on images, asked as their own registries' mirror."""
    from ansible_collections.bramble.kube.plugins.module_utils.images import ask as asking

    options = asking.defaults(
        images=images,
        platforms=platforms,
        docker_config=[],
        cache="",
        sizes=False,
        timeout=30.0,
        rate_limit_wait=0.0,
        mirrors={name: [registry] for name in REGISTRIES},
    )
    return asking.ask(options)


def test_every_image_is_asked_for_and_what_the_lab_runs_is_there_for_its_nodes(registry):
    """What the lab does not run its registry has not, and then the image's own is asked, if it can be reached."""
    sys.path.insert(0, str(ROOT / ".lab/collections"))
    from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.catalogue import pinned

    images = {image["image"]: entry for entry in entries() for image in pinned(entry, True)["images"]}
    built = {path.read_text().strip() for path in (CACHE / "images").iterdir()}
    assert len(images) >= 80
    told = {row["image"]: row for row in ask(list(images), ["linux/amd64"], registry)["images"]}
    assert set(told) == set(images)
    runs = {
        image: told[image]
        for image, entry in images.items()
        if entry["proof"] == "runs" and (entry["name"] not in MODULES or image in built)
    }
    assert len(runs) >= 9
    assert {image: row["error"] for image, row in runs.items() if row["status"] != "ok"} == {}
    assert all("linux/amd64" in row["platforms"] for row in runs.values())
    assert [image for image, row in told.items() if row["status"] == "invalid"] == []


def test_the_entries_say_what_the_manifests_of_their_releases_say():
    done = subprocess.run(
        [sys.executable, ROOT / "tools/catalogue"], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for entry in entries():
        if entry["engine"] == "kustomize" and entry["proof"] == "runs":
            tag = entry.get("lab", entry)["source"]["tag"]
            assert f"{entry['name']} {tag}: as its manifests say" in done.stdout


def catalogue_tool() -> Any:
    """tools/catalogue as a module."""
    loader = importlib.machinery.SourceFileLoader("catalogue_tool", str(ROOT / "tools/catalogue"))
    tool = importlib.util.module_from_spec(importlib.util.spec_from_loader("catalogue_tool", loader))
    loader.exec_module(tool)
    return tool


def test_another_version_is_shown_before_the_entry_is_changed(monkeypatch, tmp_path, capsys):
    """Katib's archive once more, as a newer one that has another flag, selects by other labels, and lacks a CRD."""
    tool = catalogue_tool()
    katib = next(entry for entry in entries() if entry["name"] == "katib")
    old = CACHE / "served/www/kubeflow/katib/archive/refs/tags/v0.19.0.tar.gz"
    for tag in ("v0.19.0", "v0.99.0"):
        place = tmp_path / f"kubeflow/katib/archive/refs/tags/{tag}.tar.gz"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(old.read_bytes())
    build = tool.rehearse.build

    def newer(source, packed, kubectl):
        objects, checksum = build(source, packed, kubectl)
        if source.tag == "v0.99.0":
            objects = [one for one in objects if one["metadata"]["name"] != "suggestions.kubeflow.org"]
            ui = next(one for one in objects if (one["kind"], one["metadata"]["name"]) == ("Deployment", "katib-ui"))
            ui["spec"]["template"]["spec"]["containers"][0]["args"].append("--dark")
            labels = {"app": "ui"}
            ui["spec"]["selector"]["matchLabels"] = ui["spec"]["template"]["metadata"]["labels"] = labels
        return objects, checksum

    monkeypatch.setattr(tool.rehearse, "build", newer)
    monkeypatch.setattr(tool, "read_digests", lambda images, *_more: ({}, [f"{image}: asked" for image in images]))
    assert tool.try_out("katib", "v0.99.0", str(tmp_path)) == 0
    said = capsys.readouterr().out
    assert f"sha256: {katib['source']['sha256']}\n  tag: v0.99.0" in said
    assert "- CRD suggestions.kubeflow.org is gone\n" in said
    assert "- Deployment kubeflow/katib-ui (katib-ui) has --dark\n" in said
    assert "- Deployment kubeflow/katib-ui selects its Pods by other labels, so it is recreated\n" in said
    assert "\n- CustomResourceDefinition suggestions.kubeflow.org\n" in said
    assert said.count(": accepts it: ") == 3
    assert "- its Pods pass the level restricted of Pod Security\n" in said
    assert "\nmysql:8.0.29: asked\n" in said


def pins() -> Iterator[tuple[str, bool]]:
    """All versions that make test does not run: the component's name, and whether it is the one that the tests have."""
    for entry in entries():
        if entry["proof"] == "rendered" or entry["name"] in MODULES:
            yield entry["name"], True
        if "lab" in entry:
            yield entry["name"], False


@pytest.mark.parametrize(("name", "proven"), list(pins()))
def test_components_that_the_lab_cannot_run_are_accepted_by_a_real_api_server(api, tmp_path, name, proven):
    """Their manifests are built as on a Pi, and every object is shown to the server, which keeps none (dry-run).

    The archives of some are no Go modules: KUBEFLOW_RELEASES names a folder with them under GitHub's paths.
    """
    from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.catalogue import load, pinned

    tool = catalogue_tool()
    component = load(entries(), proven=proven)[name]
    if component.engine != "kustomize":
        pytest.skip("its manifests are this collection's own, or see test_heritage.py")
    archive = Path(component.source.address(str(CACHE / "served/www")))
    if name not in MODULES or not proven:
        archive = Path(component.source.address(os.environ.get("KUBEFLOW_RELEASES", "/nowhere")))
        if not archive.exists():
            pytest.skip(f"KUBEFLOW_RELEASES names no folder with {component.source.repository}'s archive")
    assert archive.exists(), f"{archive} is missing: build the lab's software first (make lab)"
    objects = tool.built(component, archive.read_bytes(), str(CACHE / "bin/kubectl"))
    catalogue = [pinned(entry, proven) for entry in entries()]
    result = tool.rehearse.shown_to(api, component, catalogue, objects, tmp_path)
    assert not result["failed"], result["msg"]
    row = next(row for row in result["components"] if row["name"] == name)
    assert row["counts"]["created"] >= len(objects) - 1
    assert not api.kubectl("get", "deployments", f"--namespace={component.namespace}", "--ignore-not-found")


def archives() -> Iterator[Any]:
    """Each component in each of its two versions whose archive is there."""
    from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.catalogue import load

    for proven in (True, False):
        for component in load(entries(), proven=proven).values():
            if component.engine == "kustomize":
                places = (str(CACHE / "served/www"), os.environ.get("KUBEFLOW_RELEASES", "/nowhere"))
                found = [Path(component.source.address(place)) for place in places]
                yield from ((component, archive) for archive in found if archive.exists())


def test_what_a_component_runs_passes_the_level_that_its_namespace_enforces(api):
    """As the API server itself judges; local-path's helpers, which no manifest has, want more than its controller."""
    rehearse, order = catalogue_tool().rehearse, ("restricted", "baseline", "privileged")
    kubectl = str(CACHE / "bin/kubectl")
    judged = {}
    for component, archive in archives():
        objects, _checksum = rehearse.build(component.source, archive.read_bytes(), kubectl)
        level = rehearse.pod_security(api, objects)
        assert order.index(component.pod_security or "privileged") >= order.index(level), component.name
        judged[component.name] = level
    assert {"argo-workflows", "katib", "jobset", "trainer", "training-operator", "local-path"} <= set(judged)
    assert judged["argo-workflows"] == "baseline"


def test_an_image_for_amd64_alone_is_refused_by_name_in_a_mixed_cluster(api, install, registry):
    """One of the two nodes is a Pi, the other a PC; the lab's training operator is for amd64, its busybox for both."""
    image = "docker.io/kubeflow/training-operator:v1-04f9f13"
    container = {"name": "main", "image": image}
    labels = {"app": "operator"}
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    document = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "operator"}, "spec": spec}
    entry = {"name": "mixed", "line": "x", "engine": "manifests", "source": {"path": "x"}, "namespace": "mixed"}
    given = {
        "manifests": {"mixed": {"text": yaml.safe_dump(document)}},
        "mirrors": {name: [registry] for name in REGISTRIES},
    }
    refused = install([entry], ["mixed"], **given)
    assert refused["failed"]
    assert (
        f"Deployment mixed/operator (mixed) may run on k8s-node1, for which its image {image} is not built"
        in refused["msg"]
    )
    assert f'"{image}": "<an image that runs here>"' in refused["msg"]
    assert not api.kubectl("get", "namespace", "mixed", "--ignore-not-found")
    replaced = install([entry], ["mixed"], images={image: "docker.io/library/busybox:latest"}, **given)
    assert not replaced["failed"], replaced["msg"]
    kept = json.loads(api.kubectl("get", "deployment", "operator", "--namespace=mixed", "--output=json"))
    assert kept["spec"]["template"]["spec"]["containers"][0]["image"] == "docker.io/library/busybox:latest"
