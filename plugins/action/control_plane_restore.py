# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decrypts and verifies a backup in the laptop's memory, and hands it to the module of the same name."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.bramble.kube.plugins.module_utils.backup import restore, rotation
from ansible_collections.bramble.kube.plugins.module_utils.backup.machine import ARCHIVE
from ansible_collections.bramble.kube.plugins.plugin_utils import sealed


class ActionModule(ActionBase):
    """Asks the machine first whether the backup fits it, and sends nothing before."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read, ask, send, run the module."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        missing = [name for name in ("src", "node_name", "address") if not arguments.get(name)]
        if missing:
            return {"failed": True, "msg": f"missing required arguments: {', '.join(missing)}"}
        try:
            path = sealed.choose(
                str(arguments["src"]),
                str(arguments["node_name"]),
                lambda: str(self._ask(arguments, task_vars).get("cluster_ca_sha256") or ""),
            )
            content, description = sealed.read(self._loader, path)
            backup = asdict(description)
            arguments.update(src=str(path), backup=backup, sha256=hashlib.sha256(content).hexdigest())
            result = self._ask(arguments, task_vars)
            if not result.get("failed") and not self._task.check_mode:
                cluster = rotation.Cluster.of(description.node_name, description.cluster_ca_sha256)
                note = sealed.RevisionNote(path.parent, cluster)
                # By this computer's clock both: a Pi's may be wrong.
                first = restore.first_revision((description.revision, note.read()), time.time() - description.created)
                arguments["first_revision"] = first
                warning = note.write(first)  # before it is true, since the run may be cut short
                sealed.Stream(self).send(content, ARCHIVE)
                result = self._execute_module(module_args=arguments, task_vars=task_vars)
                warning = note.write(result.get("revision") or 0) or warning
                if warning:
                    result["warnings"] = [*result.get("warnings", ()), warning]
        except sealed.SealedError as error:
            return {"failed": True, "msg": f"Nothing was restored: {error}."}
        return {**result, "path": str(path), "backup": backup}

    def _ask(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Run the module in check mode."""
        given, self._task.check_mode = self._task.check_mode, True
        try:
            return self._execute_module(module_args=dict(arguments), task_vars=task_vars)
        finally:
            self._task.check_mode = given
