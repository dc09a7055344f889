# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pushes manifests from Ansible's own process, since starting a module takes longer than most pushes.

That is only done where the module would run on this machine, as this user, with this Python. Everything else (another
host, become, another interpreter, async, variables in the environment) starts the module as usual. Both ways check the
same options and call the same function.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase

from ansible_collections.bramble.kube.plugins.module_utils.manifests import options, run, yamltext


class ActionModule(ActionBase):
    """Does the work itself where it can."""

    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Push, or start the module."""
        result = super().run(tmp, task_vars)
        if not self._is_here(task_vars or {}):
            return self._execute_module(task_vars=task_vars, wrap_async=bool(self._task.async_val))
        result.update(self._push())
        return result

    def _is_here(self, task_vars: Mapping[str, Any]) -> bool:
        """Whether the module would run on this machine, as this user, with this Python and this environment."""
        if self._connection.transport != "local" or self._connection.become is not None or self._task.async_val:
            return False
        environment: dict[str, Any] = {}
        self._compute_environment_string(environment)
        return not environment and is_own_python(self._interpreter(task_vars))

    def _interpreter(self, task_vars: Mapping[str, Any]) -> str | None:
        """The Python that is set for the task's host, if one is."""
        if self._task.delegate_to:
            task_vars = (task_vars.get("ansible_delegated_vars") or {}).get(self._task.delegate_to) or task_vars
        value = task_vars.get("ansible_python_interpreter")
        return None if value is None else str(self._templar.template(value))

    def _push(self) -> dict[str, Any]:
        if not yamltext.HAS_YAML:
            return {"failed": True, "msg": missing_required_lib("PyYAML")}
        # As a module gets them: plain values, without what Ansible knows about their origin.
        encoder = get_module_encoder("legacy", Direction.CONTROLLER_TO_MODULE)
        given = json.loads(json.dumps(self._task.args, cls=encoder))
        # Not validate_argument_spec, whose errors print all parameters, secrets among them.
        validated = ArgumentSpecValidator(options.ARGUMENT_SPEC, required_one_of=options.REQUIRED_ONE_OF).validate(
            given
        )
        if validated.error_messages:
            sentences = [
                f"Unsupported parameters for {self._task.action}: {error.msg}"
                if isinstance(error, UnsupportedError)
                else error.msg
                for error in validated.errors.errors
            ]
            result = {"failed": True, "changed": False, "msg": "; ".join(sentences)}
            return remove_values(result, validated._no_log_values)
        params = {name: validated.validated_parameters[name] for name in options.ARGUMENT_SPEC}
        with _in_folder(self._loader.get_basedir()):
            failed, result = run.run(params, check=self._task.check_mode, diff=self._task.diff)
        result = {"changed": False, **result, "failed": failed}
        if self._display.verbosity >= 3:
            result["invocation"] = {"module_args": params}
        kept = {name: value for name, value in result.items() if isinstance(value, bool)}
        return {**remove_values(result, validated._no_log_values), **kept}


def is_own_python(interpreter: str | None) -> bool:
    """Whether a setting of ansible_python_interpreter means the Python that Ansible itself runs on.

    One that is not set, or left to discovery, does: Ansible's own has what requirements.txt asks for.
    """
    if not interpreter or interpreter.startswith("auto"):
        return True
    # Not the file behind the link alone: each virtual environment has its own link to the same file.
    return os.path.dirname(interpreter) == os.path.dirname(sys.executable) and os.path.realpath(
        interpreter
    ) == os.path.realpath(sys.executable)


@contextlib.contextmanager
def _in_folder(folder: str) -> Iterator[None]:
    """Relative paths mean the playbook's folder, as they do for a module on a local connection."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
