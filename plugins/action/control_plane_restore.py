# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decrypts and verifies a backup in the laptop's memory, and hands it to the module of the same name."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.backup import restore, rotation
from ansible_collections.bramble.kube.plugins.module_utils.backup.machine import ARCHIVE
from ansible_collections.bramble.kube.plugins.plugin_utils import sealed


class ActionModule(sealed.OpeningAction):
    """Asks the machine first whether the backup fits it, and sends nothing before."""

    REQUIRED = ("src", "node_name", "address")
    REFUSED = "Nothing was restored"

    def chosen(self, source: str, path: Path) -> None:
        """Of several masters, another may have made a newer one, for example while this one was off."""
        if not Path(source).expanduser().is_dir():
            return
        newer = rotation.newer_of_another([entry.name for entry in path.parent.iterdir()], path.name, time.time())
        if newer:
            raise sealed.SealedError(
                f"another master of this cluster has made a newer backup, {newer}: name that master with "
                f"restore_master, or this master's own ({path}) with restore_from"
            )

    def go_on(self, opened: sealed.Opened, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Note where etcd will begin, send, run the module."""
        backup = opened.description
        cluster = rotation.Cluster.of(backup.node_name, backup.cluster_ca_sha256)
        note = sealed.RevisionNote(opened.path.parent, cluster)
        # By this computer's clock both: a Pi's may be wrong.
        first = restore.first_revision((backup.revision, note.read()), time.time() - backup.created)
        warning = note.write(first)  # before it is true, since the run may be cut short
        sealed.Stream(self).send(opened.content, ARCHIVE)
        result = self._execute_module(module_args={**opened.arguments, "first_revision": first}, task_vars=task_vars)
        warning = note.write(result.get("revision") or 0) or warning
        if warning:
            result["warnings"] = [*result.get("warnings", ()), warning]
        return result
