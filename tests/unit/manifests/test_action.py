"""The action plugin of manifest_push: when it does the work itself, with what, and what it never shows."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest
from ansible.plugins.action import ActionBase

from ansible_collections.bramble.kube.plugins.action.manifest_push import ActionModule
from ansible_collections.bramble.kube.plugins.module_utils.manifests import run as pushing
from ansible_collections.bramble.kube.plugins.plugin_utils.in_process import is_own_python


class Action(ActionModule):
    """The plugin on a local connection, without the rest of Ansible."""

    def __init__(self, folder, transport="local", become=None, environment=(), verbosity=0, **task) -> None:
        self._connection = SimpleNamespace(transport=transport, become=become)
        self._task = SimpleNamespace(
            no_log=False,
            **{
                "action": "manifest_push",
                "async_val": 0,
                "delegate_to": None,
                "check_mode": False,
                "diff": False,
                "args": {},
                **task,
            },
        )
        self._templar = SimpleNamespace(template=lambda text: text.replace("{{ ansible_playbook_python }}", "/own/py"))
        self._loader = SimpleNamespace(get_basedir=lambda: str(folder))
        self._display = SimpleNamespace(verbosity=verbosity)
        self._environment = dict(environment)

    def _compute_environment_string(self, raw_environment_out=None):
        raw_environment_out.update(self._environment)

    def _execute_module(self, **_unused):
        return {"started": "module"}


@pytest.fixture(autouse=True)
def _no_controller(monkeypatch):
    monkeypatch.setattr(ActionBase, "run", lambda *_unused: {})


@pytest.fixture
def pushed(monkeypatch):
    """What run.run was called with."""
    calls = []

    def run(params, check, diff, tell):
        calls.append((params, check, diff, os.getcwd()))
        return False, {"changed": True, "msg": f"done with {params['api_key']}", "on": True}

    monkeypatch.setattr(pushing, "run", run)
    return calls


def test_on_this_machine_the_work_is_done_at_once(tmp_path, pushed):
    before = os.getcwd()
    action = Action(tmp_path, args={"src": "a.yaml", "api_key": "secret", "wait": "yes"}, check_mode=True, diff=True)
    result = action.run(task_vars={"ansible_python_interpreter": sys.executable})
    [(params, check, diff, folder)] = pushed
    assert params["src"] == ["a.yaml"] and params["wait"] is True and params["workers"] == 8
    assert (check, diff) == (True, True)
    # Relative paths mean the playbook's folder, and nobody else's working directory is changed.
    assert folder == str(tmp_path) and os.getcwd() == before
    assert result == {"failed": False, "changed": True, "msg": "done with ********", "on": True}


@pytest.mark.parametrize(
    ("settings", "variables"),
    [
        ({"transport": "ssh"}, {}),
        ({"become": object()}, {}),
        ({"async_val": 60}, {}),
        ({"environment": {"K8S_AUTH_KUBECONFIG": "x"}}, {}),
        ({}, {"ansible_python_interpreter": "/elsewhere/bin/python3"}),
        (
            {"delegate_to": "localhost"},
            {
                "ansible_python_interpreter": sys.executable,
                "ansible_delegated_vars": {"localhost": {"ansible_python_interpreter": "/elsewhere/bin/python3"}},
            },
        ),
    ],
)
def test_elsewhere_the_module_is_started(tmp_path, pushed, settings, variables):
    assert Action(tmp_path, **settings).run(task_vars=variables) == {"started": "module"}
    assert not pushed


def test_a_delegated_hosts_python_counts(tmp_path, pushed):
    variables = {
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_delegated_vars": {"localhost": {"ansible_python_interpreter": sys.executable}},
    }
    assert Action(tmp_path, delegate_to="localhost", args={"src": "a"}).run(task_vars=variables)["changed"]
    assert pushed


def test_which_python_is_ones_own(tmp_path):
    folder, name = os.path.split(sys.executable)
    assert is_own_python(None) and is_own_python("auto") and is_own_python("auto_silent")
    assert is_own_python(os.path.join(folder, name))
    other = tmp_path / "bin" / name
    other.parent.mkdir()
    other.symlink_to(os.path.realpath(sys.executable))
    # Another virtual environment of the same Python.
    assert not is_own_python(str(other))


def test_bad_options_are_told_without_any_secret(tmp_path, pushed):
    result = Action(tmp_path, args={"src": "a", "api_key": "secret", "workers": "two", "wrong": "secret"}).run()
    assert result["failed"] and "secret" not in str(result) and not pushed
    assert "workers" in result["msg"] and "wrong" in result["msg"]


def test_the_invocation_is_shown_to_those_who_ask_without_secrets(tmp_path, pushed):
    result = Action(tmp_path, args={"src": "a", "api_key": "secret"}, verbosity=3).run()
    assert result["invocation"]["module_args"]["src"] == ["a"] and "secret" not in str(result)
