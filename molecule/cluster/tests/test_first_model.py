# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/first-model.md as it stands: somebody logs in, finds the notebook and runs it; the commands are pasted."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from pathlib import Path

import pages
import pytest
from browser import drive, needs_browser
from hub_visitor import Visitor
from lab_cluster import CACHE, ROOT, Cluster, environment

CLUSTER = Cluster("cluster")
PAGE = ROOT / "docs/first-model.md"
PI = "192.168.15.7"
HUB = f"http://{PI}:30088/jupyterhub"
NAME, HOME = "admin", "/home/jovyan"
SPACE = "--namespace=jupyterhub"


def password() -> str:
    """What the command with which the page begins shows."""
    asked = (SPACE, "get", "secret", "jupyterhub-passwords", f"--output=jsonpath={{.data.{NAME}}}")
    return base64.b64decode(CLUSTER.kubectl(*asked)).decode()


class Server:
    """A notebook server, seen from inside of its container."""

    def __init__(self, pod: str) -> None:
        self.kubectl = [str(CACHE / "bin/kubectl"), f"--kubeconfig={CLUSTER.kubeconfig}", SPACE]
        self.inside = ["exec", pod, "--container=notebook", "--", "sh", "-c"]

    def run(self, command: str) -> str:
        """What a command in the home folder prints."""
        asked = [*self.kubectl, *self.inside, f"cd {HOME} && {command}"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done.stdout


@pytest.fixture(scope="module")
def server():
    """A person's notebook server, started for the first time by logging in; stopped at the end, its volume deleted."""
    visitor = Visitor()
    assert "Invalid username or password" not in visitor.log_in(HUB, NAME, password())[1]
    deadline = time.monotonic() + 120
    while not (pods := CLUSTER.objects("pods", SPACE, "--selector=component=singleuser-server")):
        assert time.monotonic() < deadline, "the hub starts no Pod"
        time.sleep(1)
    (name,) = [pod["metadata"]["name"] for pod in pods]
    CLUSTER.kubectl(SPACE, "wait", f"pod/{name}", "--for=condition=Ready", "--timeout=170s")
    yield Server(name)
    assert visitor.stop_server(HUB, NAME) in (202, 204)
    CLUSTER.kubectl(SPACE, "delete", "pvc", "--selector=app.kubernetes.io/component=singleuser-storage", "--wait=false")


def test_jupyterlab_asks_no_question_of_its_own(server):
    """It asks about its news where this setting is "none"; read as its own server reads it for the browser."""
    program = (
        "from jupyterlab.labapp import LabApp; "
        "from jupyterlab_server.settings_utils import _get_overrides, get_settings; app = LabApp(); "
        "(overrides, _wrong) = _get_overrides(app.app_settings_dir); "
        "(found, _warnings) = get_settings(app.app_settings_dir, app.schemas_dir, app.user_settings_dir, "
        "schema_name='@jupyterlab/apputils-extension:notification', overrides=overrides); "
        "print(found['schema']['properties']['fetchNews']['default'])"
    )
    assert server.run(f'python3 -c "{program}"').split() == ["false"]


def test_the_notebook_is_there_at_the_first_log_in_and_every_cell_runs(server):
    """By the image's own Jupyter, in the home of that person, with the account and the network that they have."""
    assert server.run("cat first-model.ipynb").strip() == pages.NOTEBOOK.read_text().strip()
    server.run("jupyter nbconvert --execute --to notebook --output-dir .done --output done first-model.ipynb")
    told = json.loads(server.run("cat .done/done.ipynb"))
    printed = {
        cell["id"]: "".join("".join(one.get("text", "")) for one in cell["outputs"])
        for cell in told["cells"]
        if cell["cell_type"] == "code"
    }
    assert list(printed) == list(pages.cells())
    assert printed["train"].strip() == "99.6% of 450 unseen images are read correctly"
    assert printed["keep"].startswith(f"{HOME}/digits.joblib ")
    assert printed["serve"].strip() == "The model that was handed over is served."
    answered, correct = printed["ask"].strip().splitlines()
    assert answered.removeprefix("answered: ") == correct.removeprefix("correct:  ")
    assert "/infer" in printed["log"], "the server's log has the question"
    assert printed["clean-up"].strip() == "No model was handed over: the one on the volume is served."
    assert server.run("ls").split() == ["first-model.ipynb"]


def test_a_model_of_another_scikit_learn_is_not_served(server):
    """And the server goes on with the one that it has."""
    code = (
        "import joblib, sklearn.base, serving\n"
        "sklearn.base.__version__ = '1.8.0'\n"
        "from sklearn.dummy import DummyClassifier\n"
        "joblib.dump(DummyClassifier().fit([[0] * 64], [0]), '.other.joblib')\n"
        "serving.serve('.other.joblib')\n"
        "serving.take_back()\n"
    )
    quoted = code.replace("'", "'\\''")
    first, second = server.run(f"python -c '{quoted}'").strip().splitlines()
    assert "is not served, because it was trained with scikit-learn 1.8.0, and this server has 1.5.2" in first
    assert second == "No model was handed over: the one on the volume is served."


@needs_browser
def test_in_a_browser(server):
    """The way of the page, with the mouse and Shift+Enter."""
    script = Path(__file__).with_name("notebook_browser.mjs")
    seen = drive(script, HUB_URL=HUB, HUB_NAME=NAME, HUB_PASSWORD=password())
    assert seen == {"printed": "99.6% of 450 unseen images are read correctly"}


def test_the_commands_of_the_page_do_what_it_shows(tmp_path: Path):
    """In one shell, in their order; the Pi's address is this scenario's."""
    path = f"{CACHE / 'bin'}:{os.environ['PATH']}"
    given = environment(KUBECONFIG=str(CLUSTER.kubeconfig), PATH=path)
    try:
        for command in pages.commands(PAGE, "By files"):
            text = command.text.replace("192.168.13.7", PI)
            run = ["bash", "-euo", "pipefail", "-c", text]
            done = subprocess.run(run, cwd=tmp_path, env=given, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
            printed = done.stdout.splitlines()
            for line in command.shown:
                left, _dots, right = line.partition(" … ")
                assert any(one.startswith(left) and one.endswith(right) for one in printed), done.stdout
            if text.startswith("kubectl --namespace model-server logs deployment/"):
                assert "/infer" in done.stdout
    finally:
        kinds = "deployment,service,job,configmap,persistentvolumeclaim"
        CLUSTER.kubectl("--namespace=model-server", "delete", kinds, "first-model", "--ignore-not-found")
    assert not list(tmp_path.iterdir())
