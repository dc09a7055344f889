# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text on the screen as it is, whatever callback prints the results, and in whatever format."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.utils.display import Display

#: Callbacks whose whole output is one document for a program: text in between would break it.
FOR_PROGRAMS = ("json", "jsonl", "null")

#: Asked where plugins are loaded, in the main process: the workers that run tasks have no terminal.
_TERMINAL = sys.stdout.isatty()


def lines_of(text: Any) -> list[str]:
    """Lines of a text, of a list of them, or of a mapping of names to what is said of them."""
    if isinstance(text, Mapping):
        widest = max((len(str(name)) for name in text), default=0)
        pairs = [(str(name), lines_of(said)) for name, said in text.items()]
        return [f"{name if at == 0 else '':<{widest}}  {line}" for name, said in pairs for at, line in enumerate(said)]
    if isinstance(text, (list, tuple)):
        return [line for entry in text for line in lines_of(entry)]
    return str(text).splitlines() or [""]


def for_a_program() -> bool:
    """Whether what is printed is one document for a program."""
    return constants.DEFAULT_STDOUT_CALLBACK.rpartition(".")[2] in FOR_PROGRAMS


def nobody_keeps_it() -> bool:
    """Whether what is printed goes to a person's screen alone, as far as this can be known.

    Not to a pipe or file, not to a CI's log, and not to a program that keeps what Ansible prints, such as
    ansible-runner for navigator and AWX: that is a terminal, too, but has a callback of its own.
    """
    callback = constants.DEFAULT_STDOUT_CALLBACK.rpartition(".")[2]
    return _TERMINAL and callback == "default" and not os.environ.get("CI")


def keeps_lines() -> bool:
    """Whether the callback prints the lines of a result's text as lines, as it does with result_format = yaml."""
    try:
        form = constants.config.get_config_value(
            "result_format", plugin_type="callback", plugin_name=constants.DEFAULT_STDOUT_CALLBACK
        )
    except AnsibleError:  # the callback has no such setting
        return False
    return str(form).startswith("yaml")


def show(text: str, **options: Any) -> None:
    """Show it, unless a program reads what is printed."""
    if not for_a_program():
        Display().display(text, **options)
