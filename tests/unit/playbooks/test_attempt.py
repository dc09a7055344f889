"""What stops a module is a result, and says whether the machine was reached."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError

from ansible_collections.bramble.kube.plugins.action.attempt import ActionModule


@pytest.mark.parametrize(
    ("error", "reached"),
    [
        (AnsibleConnectionFailure("Failed to connect to the host via ssh: No route to host"), False),
        (AnsibleConnectionFailure("Timeout (12s) waiting for privilege escalation prompt: "), True),
        (AnsibleError("Incorrect sudo password"), True),
    ],
)
def test_a_machine_whose_sudo_is_not_answered_was_reached(error: AnsibleError, reached: bool) -> None:
    task = SimpleNamespace(args={"module": "x"}, check_mode=False, async_val=0, action="attempt", diff=False)
    plugin = ActionModule(task, SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)), None, None, None, None)

    def stopped(*_arguments, **_options):
        raise error

    plugin._execute_module = stopped
    assert plugin.run(task_vars={}) == {"changed": False, "reached": reached, "done": False, "msg": str(error)}
