"""The action plugin of kubeadm_token, which keeps tokens out of what the connection and the callbacks print."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible.plugins.action import ActionBase

from ansible_collections.bramble.kube.plugins.action.kubeadm_token import ActionModule

TOKEN = "abcdef.sixteencharacte0"


class Action(ActionModule):
    """The plugin with a module that answers what the test wants."""

    def __init__(self, answer) -> None:
        # Ansible gives the connection a play context of its own, not the action's.
        self._play_context = SimpleNamespace(no_log=False)
        self._connection = SimpleNamespace(_play_context=SimpleNamespace(no_log=False))
        self._task = SimpleNamespace(async_val=0)
        self.answer, self.was_silent = answer, None

    def _execute_module(self, **_unused):
        self.was_silent = self._connection._play_context.no_log
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(autouse=True)
def _no_controller(monkeypatch):
    monkeypatch.setattr(ActionBase, "run", lambda *_unused: {})


def test_the_connection_is_silent_while_the_module_runs_and_only_then():
    action = Action({"token": TOKEN, "changed": False})
    result = action.run()
    assert action.was_silent is True and action._connection._play_context.no_log is False
    assert result["_ansible_no_log"] is True and result["token"] == TOKEN


def test_the_connection_speaks_again_after_an_exception():
    action = Action(RuntimeError("lost"))
    with pytest.raises(RuntimeError):
        action.run()
    assert action._connection._play_context.no_log is False


def test_an_error_is_shown_without_secrets():
    result = Action({"failed": True, "msg": f"no {TOKEN}", "exception": ["x", {"y": TOKEN}], "token": TOKEN}).run()
    assert "_ansible_no_log" not in result and "sixteen" not in str(result) and result["failed"] is True
    assert result["msg"] == "no abcdef.****************"


def test_a_result_without_a_token_is_shown():
    assert "_ansible_no_log" not in Action({"tokens": [{"id": "abcdef"}]}).run()
