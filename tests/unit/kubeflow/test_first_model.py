# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The notebook in each home and docs/first-model.md: they are whole, agree with each other, and spoil nothing."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pages
import pytest
import yaml

FILES = pages.ROOT / "roles/kubeflow/files"
PAGE = pages.ROOT / "docs/first-model.md"


def load(path: Path) -> ModuleType:
    """A program of the role, as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# The notebook ----------------------------------------------------------------------------------------------------


def test_the_notebook_has_the_form_4_5_and_nothing_was_run_in_it():
    told = json.loads(pages.NOTEBOOK.read_text())
    assert (told["nbformat"], told["nbformat_minor"]) == (4, 5)
    assert told["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in told["cells"]]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[a-z-]{1,64}", name) for name in ids)
    for cell in told["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
            assert set(cell) == {"cell_type", "execution_count", "id", "metadata", "outputs", "source"}
        else:
            assert set(cell) == {"cell_type", "id", "metadata", "source"}


def test_each_cell_is_python():
    for name, text in pages.cells().items():
        compile(text, name, "exec")


def test_the_page_names_the_parts_of_the_notebook_in_their_order():
    told = json.loads(pages.NOTEBOOK.read_text())
    texts = ["".join(cell["source"]) for cell in told["cells"] if cell["cell_type"] == "markdown"]
    parts = [found.group(1) for text in texts if (found := re.match(r"## (.*)", text))]
    table = PAGE.read_text().partition("\n| part |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| ([A-Z][a-z ]+) \|", table, re.MULTILINE) == parts
    assert len(parts) == 6


def test_page_and_notebook_train_the_same_model():
    job = next(one for one in pages.manifests(PAGE, "By files") if one["kind"] == "ConfigMap")
    program = job["data"]["train.py"].splitlines()
    assert [line for line in pages.cells()["train"].splitlines() if line not in program] == []


def test_the_page_uses_what_the_collection_installs():
    """Its image and the user that it runs as are those of the component."""
    template = (pages.ROOT / "roles/kubeflow/templates/model-server.yaml.j2").read_text()
    (image,) = set(re.findall(r"image: (\S+)", template))
    for document in pages.manifests(PAGE, "By files"):
        if document["kind"] in ("Job", "Deployment"):
            pod = document["spec"]["template"]["spec"]
            assert [container["image"] for container in pod["containers"]] == [image]
            security = re.search(r"securityContext: (\{runAsUser.*\})", template).group(1)
            assert pod["securityContext"] == yaml.safe_load(security)


def test_the_page_is_read_with_its_here_documents_and_what_it_shows(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        textwrap.dedent(
            """\
            # A
            ```console
            $ not this
            ```
            ## By files
            ```console
            $ kubectl apply --filename - <<'END'
            $ kind: ConfigMap
            END
            $ echo 1
            1
            ```
            ## After
            ```console
            $ nor this
            ```
            """
        )
    )
    first, second = pages.commands(page, "By files")
    assert (first.text, first.shown) == ("kubectl apply --filename - <<'END'\n$ kind: ConfigMap\nEND", [])
    assert (second.text, second.shown) == ("echo 1", ["1"])


# It comes into a home once -------------------------------------------------------------------------------------------


@pytest.fixture
def start(tmp_path):
    """Starts a notebook server, as far as its home is concerned; the exit code of the hook."""
    text = (FILES / "jupyterhub_config.py").read_text()
    made: dict = {}
    exec(
        re.search(r"^COPY = .*", text, re.MULTILINE).group(), {"HOME": tmp_path / "home", "FIRST_MODEL": tmp_path}, made
    )
    (tmp_path / "first-model.ipynb").write_text("the original")
    (tmp_path / "home").mkdir()
    return lambda: subprocess.run(["sh", "-c", made["COPY"]], check=False, capture_output=True).returncode


def test_a_home_gets_the_notebook_and_keeps_what_is_changed_in_it(start, tmp_path):
    mine = tmp_path / "home/first-model.ipynb"
    assert start() == 0 and mine.read_text() == "the original"
    mine.write_text("mine")
    assert start() == 0 and mine.read_text() == "mine"


def test_who_deletes_it_does_not_get_it_again(start, tmp_path):
    start()
    (tmp_path / "home/first-model.ipynb").unlink()
    assert start() == 0 and not (tmp_path / "home/first-model.ipynb").exists()


def test_a_file_of_that_name_from_before_stays(start, tmp_path):
    (tmp_path / "home/first-model.ipynb").write_text("from before")
    assert start() == 0 and (tmp_path / "home/first-model.ipynb").read_text() == "from before"


def test_a_home_that_takes_no_file_does_not_end_the_server(start, tmp_path):
    (tmp_path / "first-model.ipynb").unlink()
    assert start() == 0 and not (tmp_path / "home/.first-model").exists(), "it is tried again at the next start"


# What the model server takes -----------------------------------------------------------------------------------------


class OtherRelease(Exception):
    original_sklearn_version, current_sklearn_version = "1.8.0", "1.5.2"


@pytest.fixture
def take(tmp_path, monkeypatch, capsys):
    """`take(what)`: hands over a file that loads as that, or raises it → what is printed, and what is taken."""
    program = load(FILES / "model_server_handed_over.py")
    monkeypatch.setitem(sys.modules, "joblib", joblib := ModuleType("joblib"))
    monkeypatch.setitem(sys.modules, "sklearn", ModuleType("sklearn"))
    monkeypatch.setitem(sys.modules, "sklearn.exceptions", exceptions := ModuleType("sklearn.exceptions"))
    exceptions.InconsistentVersionWarning = type("OtherRelease", (OtherRelease, Warning), {})
    given, taken = tmp_path / "given", tmp_path / "taken"
    given.mkdir()
    taken.mkdir()

    def call(what: object = None) -> tuple[str, list[str]]:
        def read(_file):
            if what == "other release":
                raise exceptions.InconsistentVersionWarning
            if isinstance(what, Exception):
                raise what
            return what

        joblib.load = read
        if what is not None:
            (given / "model.joblib").write_text("a model")
        program.main(given, taken)
        return capsys.readouterr().out.strip(), [path.name for path in taken.iterdir()]

    return call


def test_a_model_that_was_handed_over_is_taken(take):
    said, taken = take(SimpleNamespace(predict=None))
    assert said == "The model that was handed over is served."
    assert taken == ["model.joblib"]


@pytest.mark.parametrize(
    ("what", "because"),
    [
        ("other release", "it was trained with scikit-learn 1.8.0, and this server has 1.5.2"),
        (EOFError("no data left"), "it does not load: EOFError: no data left"),
        ({"weights": 1}, "it has no predict, it is a dict"),
    ],
    ids=["another scikit-learn", "no model", "no estimator"],
)
def test_what_cannot_be_served_is_not_taken_and_says_why(take, what, because):
    said, taken = take(what)
    assert said == (
        f"The model that was handed over is not served, because {because}. The one on the volume is served."
    )
    assert taken == []


def test_without_one_the_volumes_is_served(take):
    assert take() == ("No model was handed over: the one on the volume is served.", [])


# What a notebook hands over ------------------------------------------------------------------------------------------


@pytest.fixture
def serving(tmp_path, monkeypatch):
    module = load(FILES / "first_model/serving.py")
    monkeypatch.setattr(module, "ACCOUNT", tmp_path / "account")
    return module


def test_a_model_that_a_configmap_cannot_hold_is_refused(serving, tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 700_001)
    with pytest.raises(ValueError, match="has 700001 bytes, and at most 700000 can be handed over"):
        serving.serve(tmp_path / "large")


def test_without_an_account_it_says_what_to_look_at(serving):
    with pytest.raises(RuntimeError, match="may not hand over models: see kubeflow_jupyterhub_serves"):
        serving.log()
