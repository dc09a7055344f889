# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gives the module source_probe the addresses that the roles' variables name, defaults included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template

from ansible_collections.bramble.kube.plugins.module_utils.preflight.settings import ROLES_FOLDER
from ansible_collections.bramble.kube.plugins.module_utils.preflight.sources import (
    is_finished,
    registries,
    repositories,
)


class ActionModule(ActionBase):
    """Resolves the roles' variables as the roles themselves will, and runs the module with them."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        setting = _Settings(self._templar, self._loader, task_vars or {})
        facts = setting("ansible_facts") or {}
        if boolean(arguments.get("if_needed") or False) and is_finished(facts, str(setting("kubeadm_version"))):
            return {"changed": False, "sources": []}
        if arguments.get("repositories") is None:
            arguments["repositories"] = repositories(setting, (facts.get("pi_os") or {}).get("codename") or "")
        if arguments.get("registries") is None:
            arguments["registries"] = registries(setting)
        return self._execute_module(module_args=arguments, task_vars=task_vars)


class _Settings:
    """Looks a variable up: the inventory's value, else the role's default, with templates resolved."""

    def __init__(self, templar: Any, loader: Any, variables: Mapping[str, Any]) -> None:
        defaults: dict[str, Any] = {}
        for path in sorted(ROLES_FOLDER.glob("*/defaults/main.yml")):
            # A collection's own defaults may hold templates; without this, they are taken as plain text.
            defaults.update(loader.load_from_file(str(path), trusted_as_template=True) or {})
        self._variables = {**defaults, **variables}
        self._templar = templar.copy_with_new_env(available_variables=self._variables)

    def __call__(self, name: str) -> Any:
        if name not in self._variables:
            return None
        return self._templar.template(trust_as_template("{{ " + name + " }}"))
