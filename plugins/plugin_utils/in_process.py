# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An action plugin that does its module's work in Ansible's own process, since starting a module takes long.

That is only done where the module would run on this machine, as this user, with this Python. Everything else (another
host, become, another interpreter, async, variables in the environment) starts the module as usual. Both ways check the
same options and call the same function.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError
from ansible_collections.bramble.kube.plugins.plugin_utils import bytecode


class InProcessAction(ActionBase):
    """What such a plugin says: its module's argument spec and the work."""

    _supports_async = True

    #: the module's argument spec
    SPEC: Mapping[str, Any] = {}
    #: required_one_of, mutually_exclusive and the like, as ArgumentSpecValidator takes them
    CONSTRAINTS: Mapping[str, Any] = {}

    def work(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """The module's result for checked parameters; with ``failed`` and ``msg`` when it fails.

        What a plugin needs for this alone, it imports here: see plugin_utils/bytecode.py.
        """
        raise NotImplementedError

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Do the work, or start the module."""
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        if not self._is_here(task_vars):
            return self._execute_module(task_vars=task_vars, wrap_async=bool(self._task.async_val))
        bytecode.install()  # before work() imports what it needs
        result.update(self._checked(task_vars))
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

    def _checked(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        # As a module gets them: plain values, without what Ansible knows about their origin.
        encoder = get_module_encoder("legacy", Direction.CONTROLLER_TO_MODULE)
        given = json.loads(json.dumps(self._task.args, cls=encoder))
        with in_folder(self._loader.get_basedir()):
            # Not validate_argument_spec, whose errors print all parameters, secrets among them.
            validated = ArgumentSpecValidator(dict(self.SPEC), **self.CONSTRAINTS).validate(given)
            if validated.error_messages:
                sentences = [
                    f"Unsupported parameters for {self._task.action}: {error.msg}"
                    if isinstance(error, UnsupportedError)
                    else error.msg
                    for error in validated.errors.errors
                ]
                result = {"failed": True, "changed": False, "msg": "; ".join(sentences)}
                return remove_values(result, validated._no_log_values)
            params = {name: validated.validated_parameters[name] for name in self.SPEC}
            result = {"changed": False, "failed": False, **self.work(params, task_vars)}
        if self._display.verbosity >= 3:
            result["invocation"] = {"module_args": params}
        kept = {name: value for name, value in result.items() if isinstance(value, bool)}
        return {**remove_values(result, validated._no_log_values), **kept} if validated._no_log_values else result


class StepAction(InProcessAction):
    """The plugin of a module that performs a step (module_utils/common/step.py)."""

    #: The step's module below module_utils, imported once it is known that the work is done here.
    STEP = ""

    @property
    def _step(self) -> Any:
        return importlib.import_module(bytecode.PREFIX + self.STEP)

    @property
    def SPEC(self) -> Mapping[str, Any]:
        """The step's options."""
        return self._step.OPTIONS

    def work(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Run the step, as ``perform`` does in its module."""
        from ansible_collections.bramble.kube.plugins.module_utils.common.step import attempt
        from ansible_collections.bramble.kube.plugins.module_utils.common.system import System

        try:
            result = attempt(self._step, System(), params, self._task.check_mode)
        except BrambleError as error:
            return {"failed": True, "msg": str(error), **getattr(error, "result", {})}
        return {**result, "warnings": list(result.pop("warned", ()))}


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
def in_folder(folder: str) -> Iterator[None]:
    """Relative paths mean the playbook's folder, as they do for a module on a local connection."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
