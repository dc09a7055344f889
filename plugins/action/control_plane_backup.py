# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings the backup that the module of the same name packed to the laptop, encrypted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.bramble.kube.plugins.module_utils.backup import rotation
from ansible_collections.bramble.kube.plugins.plugin_utils import sealed


class ActionModule(ActionBase):
    """Packs on the machine, encrypts on the laptop, cleans up on both."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, and carry its result."""
        super().run(tmp, task_vars)
        keep = self._task.args.get("keep", 7)
        if not str(keep).isdigit():
            return {"failed": True, "msg": f"keep is {keep}; use a number, or 0 for all."}
        try:
            sealed.require_password(self._loader)
            # By this computer's clock: a Pi's may be wrong.
            arguments = {**self._task.args, "created": int(time.time())}
            packed = self._execute_module(module_args=arguments, task_vars=task_vars)
            if packed.get("failed") or "spool" not in packed:
                return packed
            return self._carry(packed, Path(str(self._task.args["dest"])).expanduser(), int(keep))
        except sealed.SealedError as error:
            return {"failed": True, "msg": f"No backup was made: {error}."}

    def _carry(self, packed: dict[str, Any], folder: Path, keep: int) -> dict[str, Any]:
        stream = sealed.Stream(self)
        try:
            content = stream.fetch(packed["spool"], packed["sha256"])
        finally:
            stream.remove(packed["spool"])
        backup = packed["backup"]
        cluster = rotation.Cluster.of(backup["node_name"], backup["cluster_ca_sha256"])
        path = folder / rotation.file_name(cluster, backup["created"], backup["kubernetes"])
        sealed.write(self._loader, content, path, cluster.prefix)
        without = packed.get("without_desk") or ""
        return {
            "changed": True,
            "path": str(path),
            "size": path.stat().st_size,
            # An older one may be the last that has the desk's record.
            "removed": [] if without else sealed.rotate(path, keep),
            "backup": backup,
            "without_desk": without,
        }
