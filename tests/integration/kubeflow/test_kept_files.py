# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever becomes of the files that the role keeps on the laptop: nothing is deleted from the cluster."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from apiserver import program
from damage import damages
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_components import Set, actions, definition, exists

from ansible_collections.bramble.kube.plugins.module_utils.common import checksum_file

HERE = Path(__file__).resolve().parent
BOUNDED = {"print_blob": True, "suppress_health_check": list(HealthCheck)}


@pytest.fixture
def parts() -> Set:
    return Set()


def text_of(space: str, *more: dict[str, Any]) -> bytes:
    """A CRD, an object of its kind, and two ConfigMaps."""
    group = f"{space}.example"
    objects = [definition("wheels", group), wheel(group, "own", space)]
    objects += [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": space}} for name in "ab"
    ]
    return yaml.safe_dump_all([*objects, *more]).encode()


def wheel(group: str, name: str, space: str) -> dict[str, Any]:
    return {"apiVersion": f"{group}/v1", "kind": "Wheel", "metadata": {"name": name, "namespace": space}}


def seen(api: Any, space: str) -> dict[str, str]:
    """Name → resourceVersion of all that the component has, and of somebody's object of its kind."""
    kinds = f"configmaps,wheels.{space}.example"
    listed = json.loads(api.kubectl("get", kinds, "-n", space, "-o", "json"))["items"]
    listed.append(json.loads(api.kubectl("get", "crd", f"wheels.{space}.example", "-o", "json")))
    return {f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"] for item in listed}


def test_no_damage_to_a_kept_file_deletes_anything(api, install, parts, tmp_path):
    name = parts.add("app")
    whole, other = text_of(parts.space), text_of(parts.space)[:-200]
    file = tmp_path / "kept.yaml"
    manifests = {name: {"path": str(file), "verified": True}}
    file.write_bytes(whole)
    Path(f"{file}.sha256").write_text(checksum_file.line(str(file), whole))
    assert not install(parts.entries, [name], manifests=manifests)["failed"]
    api.kubectl("apply", "-f", "-", text=json.dumps(wheel(f"{parts.space}.example", "somebodys", parts.space)))
    before = seen(api, parts.space)

    @given(damaged=damages(whole, other), without_checksum=st.booleans())
    @settings(max_examples=60, **BOUNDED)
    def damage(damaged: bytes, without_checksum: bool) -> None:
        file.write_bytes(damaged)
        Path(f"{file}.sha256").unlink(missing_ok=True)
        if not without_checksum:
            Path(f"{file}.sha256").write_text(checksum_file.line(str(file), whole))
        result = install(parts.entries, [name], manifests=manifests)
        assert result["failed"] and str(file) in result["msg"] and len(result["msg"]) < 600
        assert seen(api, parts.space) == before

    damage()


def test_a_crd_that_the_entry_names_stays_although_no_manifest_has_it(api, install, parts):
    crd = definition("wheels", f"{parts.space}.example")
    app = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    name = parts.add("app", crd, app, crds=[crd["metadata"]["name"]])
    install(parts.entries, [name], manifests=parts.manifests)
    parts.manifests[name] = {"text": yaml.safe_dump(app)}
    for _time in range(2):
        result = install(parts.entries, [name], manifests=parts.manifests)
        assert not result["failed"], result["msg"]
        assert actions(result) == {name: "unchanged"}
        assert f"{crd['metadata']['name']} stays" in " ".join(result["components"][0]["notes"])
        assert exists(api, "crd", crd["metadata"]["name"])


def test_a_crd_that_left_a_component_stays_as_long_as_somebody_uses_it(api, install, parts):
    group = f"{parts.space}.example"
    app = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    name = parts.add("app", definition("wheels", group), app)
    install(parts.entries, [name], manifests=parts.manifests)
    api.kubectl("apply", "-f", "-", text=json.dumps(wheel(group, "somebodys", parts.space)))
    parts.manifests[name] = {"text": yaml.safe_dump(app)}
    result = install(parts.entries, [name], manifests=parts.manifests)
    assert result["failed"] and "1 Wheel not from the set" in result["msg"]
    assert exists(api, "crd", f"wheels.{group}")
    result = install(parts.entries, [name], manifests=parts.manifests, prune_in_use=[f"wheels.{group}"])
    assert actions(result) == {name: "changed"}
    assert not exists(api, "crd", f"wheels.{group}")


# The role ------------------------------------------------------------------------------------------------------------


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Address of a folder's files."""
    (tmp_path / "served").mkdir()
    handler = functools.partial(_Quiet, directory=str(tmp_path / "served"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_the_role_builds_what_was_damaged_again(api, parts, served, tmp_path):
    content = text_of(parts.space)
    (tmp_path / "served/app.yaml").write_bytes(content)

    def play() -> str:
        values = {
            "kubeconfig": api.kubeconfig,
            "work": str(tmp_path),
            "address": f"{served}/app.yaml",
            "sha256": hashlib.sha256(content).hexdigest(),
            "name": parts.space,
        }
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            "localhost,",
            str(HERE / "kept_files.yml"),
        ]
        done = subprocess.run(
            [*command, "-e", json.dumps(values)],
            cwd=HERE.parents[2],
            env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    play()
    api.kubectl("apply", "-f", "-", text=json.dumps(wheel(f"{parts.space}.example", "somebodys", parts.space)))
    before = seen(api, parts.space)
    files = {path: path.read_bytes() for path in sorted((tmp_path / "cache").iterdir())}
    assert len(files) == 2, "what was kept, and its checksum"
    assert "Fetch the manifests" not in play(), "nothing is built again without a reason"

    @given(data=st.data(), damaged=st.lists(st.sampled_from(list(files)), min_size=1, unique=True))
    @settings(max_examples=8, **BOUNDED)
    def damage(data: st.DataObject, damaged: list[Path]) -> None:
        for path in damaged:
            path.write_bytes(data.draw(damages(files[path], b'{"apiVersion": "v1", "kind": "List", "items": []}')))
        play()
        assert seen(api, parts.space) == before
        for path in files:
            if path.suffix != ".yaml":  # which is fetched again only when the others have to be made
                assert path.read_bytes() == files[path]

    damage()


# kustomize -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["release-1", "./release-1", "."])
def test_a_build_is_what_kubectl_makes_of_the_unpacked_archive(served, tmp_path, name):
    top = tmp_path / "unpacked/release-1"
    (top / "manifests/base").mkdir(parents=True)
    (top / "manifests/overlay").mkdir()
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}}
    (top / "manifests/base/a.yaml").write_text(json.dumps(config))
    (top / "manifests/base/kustomization.yaml").write_text("resources: [a.yaml]\n")
    (top / "manifests/overlay/base").symlink_to("../base")
    (top / "manifests/overlay/b.yaml").write_text(json.dumps({**config, "metadata": {"name": "b"}}))
    os.link(top / "manifests/overlay/b.yaml", top / "manifests/overlay/hard.yaml")
    (top / "manifests/overlay/soft.yaml").symlink_to("hard.yaml")
    (top / "manifests/overlay/kustomization.yaml").write_text("namePrefix: my-\nresources: [base, soft.yaml]\n")
    subprocess.run(["tar", "-czf", tmp_path / "served/r.tar.gz", "-C", top.parent, name], check=True)
    listed = "find manifests -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"
    sha256 = subprocess.run(listed, cwd=top, shell=True, capture_output=True, text=True, check=True).stdout.split()[0]
    options = {"url": f"{served}/r.tar.gz", "overlay": "manifests/overlay", "files_sha256": sha256}
    wanted = subprocess.run(
        [program("kubectl"), "kustomize", str(top / "manifests/overlay")], capture_output=True, text=True, check=True
    ).stdout
    module = HERE.parents[2] / "plugins/modules/kustomize_build.py"
    done = subprocess.run(
        [sys.executable, str(module)],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": options}),
        env={
            **os.environ,
            "PYTHONPATH": str(HERE.parents[2] / ".lab/collections"),
            "PATH": f"{Path(program('kubectl')).parent}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["manifests"] == wanted
    assert wanted.count("kind: ConfigMap") == 2
