# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is deleted because something could not be read: no objects, or a damaged file, is never a wish."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from damage import damages
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.module_utils.common import checksum_file
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow import options as kubeflow_options
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow import run as kubeflow_run
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.catalogue import load as catalogue
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.choice import choose
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.plan import plan
from ansible_collections.bramble.kube.plugins.module_utils.manifests import load, options, run
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ClusterError

OBJECTS = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"m{n}"}, "data": {}} for n in range(4)]
KEPT = json.dumps({"apiVersion": "v1", "kind": "List", "items": OBJECTS}).encode()
OTHER = json.dumps({"apiVersion": "v1", "kind": "List", "items": OBJECTS[:2]}).encode()
NOTHING = {
    "no byte": "",
    "a comment": "# all of it was taken out\n",
    "empty documents": "---\n---\n",
    "an empty list": '{"apiVersion": "v1", "kind": "List", "items": []}',
    "null": "null\n",
}


def nobody(*_arguments: Any) -> None:
    """Whoever needs an answer from a server has not refused."""
    raise ClusterError("a server was asked")


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (run, kubeflow_run):
        monkeypatch.setattr(module, "Client", nobody)


def push(check: bool = False, **given_options: Any) -> dict[str, Any]:
    params = {name: spec.get("default") for name, spec in options.ARGUMENT_SPEC.items()}
    failed, result = run.run({**params, "apply_set": "set", "prune": True, **given_options}, check, False)
    assert failed
    return result


@pytest.mark.parametrize("text", NOTHING.values(), ids=NOTHING)
@pytest.mark.usefixtures("no_server")
class TestNoObjects:
    def test_a_file(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "a.yaml").write_text(text)
        message = push(src=[str(tmp_path / "a.yaml")])["msg"]
        assert "a.yaml has no objects" in message and "definition: []" in message

    def test_one_file_of_a_folder(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "a.yaml").write_text(json.dumps(OBJECTS[0]))
        (tmp_path / "b.yaml").write_text(text)
        assert "b.yaml has no objects" in push(src=[str(tmp_path)])["msg"]

    def test_a_text(self, text: str) -> None:
        assert "definition has no objects" in push(definition=text)["msg"]
        assert "definition[1] has no objects" in push(definition=[OBJECTS[0], text])["msg"]

    def test_a_component(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "a.yaml").write_text(text)
        for source in ({"path": str(tmp_path / "a.yaml")}, {"text": text}):
            message = push_component(source)
            assert message.startswith("part: ") and "has no objects" in message and "state: absent" in message


@pytest.mark.usefixtures("no_server")
def test_no_source_at_all() -> None:
    assert "src has no objects" in push(src=[])["msg"]


@pytest.mark.usefixtures("no_server")
@pytest.mark.parametrize("choice", [{"select": "kind == 'Secret'"}, {"exclude": "kind == 'ConfigMap'"}])
def test_a_selection_that_leaves_nothing(choice: dict[str, str]) -> None:
    message = push(definition=OBJECTS, **choice)["msg"]
    assert message.startswith("select and exclude leave none of the 4 objects") and "definition: []" in message


def test_an_empty_list_that_somebody_wrote_is_a_wish() -> None:
    assert load.load([], [], if_wanted="x") == []


@pytest.mark.usefixtures("no_server")
def test_a_component_cut_down_to_its_namespace() -> None:
    text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: part}\n"
    assert "no objects except namespaces" in push_component({"text": text})


def push_component(source: dict[str, Any]) -> str:
    params = {name: spec.get("default") for name, spec in kubeflow_options.ARGUMENT_SPEC.items()}
    entry = {"name": "part", "line": "x", "engine": "manifests", "source": {"path": "given"}}
    params.update(catalogue=[entry], components=["part"], manifests={"part": source})
    failed, result = kubeflow_run.run(params, False, False)
    assert failed and not result["changed"]
    return result["msg"]


# Damage --------------------------------------------------------------------------------------------------------------


def keep(folder: Path, name: str, content: bytes) -> Path:
    """A file as an earlier run made and kept it."""
    file = folder / name
    file.write_bytes(content)
    (folder / (name + checksum_file.SUFFIX)).write_text(checksum_file.line(str(file), content))
    return file


def test_a_kept_file_is_read(tmp_path: Path) -> None:
    file = keep(tmp_path, "a.json", KEPT)
    assert checksum_file.holds(str(file))
    assert len(load.load([str(file)], None, if_wanted="x", verified=True)) == 4


def test_what_sha256sum_prints_for_a_binary_file_is_understood(tmp_path: Path) -> None:
    file = keep(tmp_path, "a.json", KEPT)
    beside = tmp_path / "a.json.sha256"
    beside.write_text(beside.read_text().replace("  ", " *"))
    assert checksum_file.holds(str(file))


@given(damaged=damages(KEPT, OTHER))
@settings(max_examples=200, print_blob=True)
def test_no_damage_passes(tmp_path_factory: pytest.TempPathFactory, damaged: bytes) -> None:
    file = keep(tmp_path_factory.mktemp("kept"), "a.json", KEPT)
    file.write_bytes(damaged)
    assert not checksum_file.holds(str(file))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "Client", nobody)
        patch.setattr(kubeflow_run, "Client", nobody)
        for message in (push(src=[str(file)])["msg"], push_component({"path": str(file), "verified": True})):
            assert f"{file} is not the file whose checksum is in {file}.sha256" in message
            assert len(message) < 600 and "\n" not in message


@given(damaged=st.binary(max_size=120))
@settings(max_examples=100, print_blob=True)
def test_no_damage_of_the_checksum_passes(tmp_path_factory: pytest.TempPathFactory, damaged: bytes) -> None:
    file = keep(tmp_path_factory.mktemp("kept"), "a.json", KEPT)
    Path(f"{file}.sha256").write_bytes(damaged)
    assert not checksum_file.holds(str(file))
    assert "is not the file" in push_component({"path": str(file), "verified": True})


@pytest.mark.usefixtures("no_server")
def test_another_pair_of_files_in_its_place_does_not_pass(tmp_path: Path) -> None:
    file = keep(tmp_path, "a.json", KEPT)
    other = keep(tmp_path, "b.json", OTHER)
    other.rename(file)
    Path(f"{other}.sha256").rename(f"{file}.sha256")
    assert not checksum_file.holds(str(file))
    assert "is not the file" in push_component({"path": str(file), "verified": True})


@pytest.mark.usefixtures("no_server")
def test_a_kept_file_without_a_checksum_is_refused_where_there_must_be_one(tmp_path: Path) -> None:
    file = keep(tmp_path, "a.json", KEPT)
    Path(f"{file}.sha256").unlink()
    assert "has no checksum beside it" in push_component({"path": str(file), "verified": True})


def test_what_was_damaged_is_planned_to_be_built_again(tmp_path: Path) -> None:
    source = {"url": "https://example.org/a.yaml", "tag": "v1", "sha256": "0" * 64}
    known = catalogue([{"name": "part", "line": "x", "engine": "manifests", "source": source}])
    chosen = choose(known, ["part"], [])
    name = Path(plan(chosen, "", str(tmp_path))["files"]["part"]).name
    assert plan(chosen, "", str(tmp_path))["kept"] == []
    file = keep(tmp_path, name, KEPT)
    assert plan(chosen, "", str(tmp_path))["kept"] == ["part"]
    file.write_bytes(KEPT[:-1])
    assert plan(chosen, "", str(tmp_path))["kept"] == []
