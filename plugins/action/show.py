# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shows text as it is, or ends the run with it."""

from __future__ import annotations

import textwrap
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.bramble.kube.plugins.plugin_utils.shown import (
    for_a_program,
    keeps_lines,
    lines_of,
    show,
)


class _StopError(AnsibleActionFail):
    """The end of a run that is no error of a program: its sentence is printed once, and without the task's place."""

    omit_exception_key = True


class ActionModule(ActionBase):
    """See the documentation of the module of this name."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Show, without going to any host."""
        super().run(tmp, task_vars)
        _result, options = self.validate_argument_spec(
            {"text": {"type": "raw", "required": True}, "stop": {"type": "bool", "default": False}}
        )
        lines = lines_of(options["text"])
        if options["stop"] and not lines:
            return {"changed": False}
        if options["stop"]:
            if keeps_lines():
                # In a text of one line, YAML would double the quotes.
                one = lines[0] if len(lines) == 1 else ""
                width = min(100, max(20, len(one) - 1))
                raise _StopError("\n".join(textwrap.wrap(one, width, break_on_hyphens=False) or lines))
            if len(lines) > 1 and not for_a_program():
                show("\n".join(["", *lines]), color=constants.COLOR_ERROR)
                raise _StopError(f"{lines[0]} (1 of {len(lines)}; all are above)")
            raise _StopError("\n".join(lines))
        show("\n".join(["", *lines]))
        # Some callbacks print every result.
        return {"changed": False, **({"lines": lines} if for_a_program() else {})}
