"""manifest_push in plays: the work done in Ansible's own process and by a started module is the same."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from test_objects_pushed import config

REPOSITORY = Path(__file__).resolve().parents[3]
STARTED = "AnsiballZ_manifest_push"
SECRET = "c2VjcmV0LXZhbHVl"  # of the Secret's data


@pytest.fixture
def play(tmp_path) -> Callable[..., tuple[list[dict], str]]:
    """`play(tasks, *arguments)` → each task's result, and what was printed. The play lies in a folder of its own."""
    folder = tmp_path / "playbooks"
    folder.mkdir()

    def run(tasks: list[dict], *arguments: str) -> tuple[list[dict], str]:
        steps = []
        for number, task in enumerate(tasks):
            steps.append({**task, "register": f"result_{number}", "ignore_errors": True})
        names = [f"result_{number}" for number in range(len(tasks))]
        kept = {"content": "{{ [" + ", ".join(names) + "] | to_json }}", "dest": str(tmp_path / "results")}
        steps.append({"ansible.builtin.copy": {**kept, "mode": "0600"}, "check_mode": False, "no_log": True})
        variables = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        whole = [{"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": steps}]
        (folder / "play.yml").write_text(json.dumps(whole))
        program = Path(sys.executable).with_name("ansible-playbook")
        done = subprocess.run(
            [str(program), "-i", "localhost,", "-c", "local", str(folder / "play.yml"), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")},
        )
        output = done.stdout + done.stderr
        assert done.returncode == 0, output[-3000:]
        return json.loads((tmp_path / "results").read_text()), output

    run.folder = folder
    return run


def pushed(api, *objects: dict, **options) -> dict:
    return {"bramble.kube.manifest_push": {"kubeconfig": api.kubeconfig, "definition": list(objects), **options}}


def secret(space: str, name: str = "s") -> dict:
    metadata = {"name": name, "namespace": space}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"password": SECRET}}


def test_both_ways_give_the_same_and_no_secret_is_printed(api, space, play, live):
    def task(detail: str = "all", **more) -> dict:
        return {**pushed(api, config("c", space), secret(space), return_objects=detail), "diff": True, **more}

    elsewhere = {"environment": {"SOME_VARIABLE": "1"}}
    _results, output = play([task("full")], "-vvv")
    assert STARTED not in output and SECRET not in output
    assert live("secret", "s", space)["data"]["password"] == SECRET
    api.kubectl("delete", "secret", "s", "-n", space)
    (here, there), output = play([task(), task(**elsewhere)], "--check", "-vvv")
    assert STARTED in output and SECRET not in output
    for result in (here, there):
        assert (result["changed"], result["counts"]["created"], result["failed"]) == (True, 1, False)
        result.pop("invocation", None)
    assert here == there


def test_relative_paths_mean_the_playbooks_folder(api, space, play, live):
    (play.folder / "set.yaml").write_text(json.dumps(config("c", space)))
    shutil.copy(api.kubeconfig, play.folder / "kubeconfig")
    options = {"src": "set.yaml", "kubeconfig": "kubeconfig"}
    results, _output = play([{"bramble.kube.manifest_push": options}, {"bramble.kube.manifest_push": options}])
    assert [result["changed"] for result in results] == [True, False]
    assert live("configmap", "c", space)


def test_loops_asynchronous_tasks_and_check_mode(api, space, play):
    looped = {**pushed(api, config("{{ item }}", space)), "loop": ["a", "b"]}
    later = {**pushed(api, config("later", space)), "async": 60, "poll": 1}
    (loop, asynchronous), _output = play([looped, later])
    assert [result["counts"]["created"] for result in loop["results"]] == [1, 1]
    assert asynchronous["counts"]["created"] == 1 and asynchronous["finished"]
    (checked,), _output = play([pushed(api, config("checked", space))], "--check")
    assert checked["counts"]["created"] == 1
    assert "checked" not in api.kubectl("get", "configmaps", "-n", space)


def test_a_vaulted_value_is_pushed_in_plain_text(api, space, play, live, tmp_path):
    password = tmp_path / "password"
    password.write_text("vault")
    program = Path(sys.executable).with_name("ansible-vault")
    done = subprocess.run(
        [str(program), "encrypt_string", "--vault-password-file", str(password), "hidden", "--name", "hidden"],
        capture_output=True,
        text=True,
        check=True,
    )
    (play.folder / "vars.yml").write_text(done.stdout)
    document = {**config("c", space), "data": {"key": "{{ hidden }}"}}
    task = {**pushed(api, document), "vars": {}}
    (result,), _output = play([task], "-e", f"@{play.folder / 'vars.yml'}", "--vault-password-file", str(password))
    assert result["changed"] and live("configmap", "c", space)["data"] == {"key": "hidden"}


def test_a_tasks_timeout_ends_a_push_that_hangs(api, space, play):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"https://127.0.0.1:{mute.getsockname()[1]}"
        start = time.monotonic()
        (result,), _output = play([{**pushed(api, config("c", space), host=address, timeout=600), "timeout": 2}])
        assert result["failed"] and "timed out" in result["msg"].lower()
        assert time.monotonic() - start < 200


def test_a_failure_is_one_sentence_and_the_rest_is_reported(api, space, play):
    wrong = {**config("c", space), "data": {"key": 1}}
    (result, options), _output = play([pushed(api, wrong, config("d", space)), pushed(api, workers="many")])
    assert result["failed"] and result["counts"] == {**result["counts"], "created": 1, "failed": 1}
    assert result["msg"].startswith("1 of 2 objects were not applied: ConfigMap")
    assert options["failed"] and "workers" in options["msg"]
