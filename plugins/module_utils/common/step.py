# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What steps have in common. A step is a module_utils module with ``OPTIONS`` and ``run``: all that its module does.

pi_due asks many steps at once whether they have anything to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError, Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System


class Step(Protocol):
    """One step.

    :cvar OPTIONS: the module's argument spec. ``RULES``, where it is there, are its rules about several options, by the
        names that AnsibleModule has for them.
    """

    OPTIONS: dict[str, Any]

    def run(self, system: System, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
        """Look at the machine and change what differs, or in check mode only tell.

        :returns: the module's result.
        :raises Stop: when it cannot go on.
        """


def command(system: System, *arguments: str) -> str:
    """Run a program that has to succeed.

    :returns: what it prints.
    :raises Stop: with its own words when it fails.
    """
    done = system.call(arguments)
    if done.code != 0:
        raise Stop(f"{' '.join(arguments)} failed: {(done.errors or done.output).strip()}")
    return done.output


def file_diff(system: System, path: str, after: str) -> dict[str, str]:
    """A file before and after, as Ansible shows it."""
    return {"before_header": path, "after_header": path, "before": system.read(path), "after": after}


def value_diff(name: str, before: str, after: str) -> dict[str, str]:
    """A value before and after, as Ansible shows it."""
    return {"before_header": name, "after_header": name, "before": f"{before}\n", "after": f"{after}\n"}


def attempt(step: Step, system: System, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Run a step, with a sentence for what the operating system refuses.

    :raises Stop: when it cannot go on.
    """
    try:
        return step.run(system, options, check_mode)
    except OSError as error:
        raise Stop(f"{error.filename or 'A file'}: {error.strerror}.") from error


def perform(step: Step) -> None:
    """Be the module for one step."""
    rules = getattr(step, "RULES", {})
    module = AnsibleModule(argument_spec=step.OPTIONS, supports_check_mode=True, **rules)
    try:
        result = attempt(step, System(), module.params, module.check_mode)
    except BrambleError as error:
        module.fail_json(msg=str(error), **getattr(error, "result", {}))
    for warning in result.pop("warned", ()):
        module.warn(warning)
    module.exit_json(**result)
