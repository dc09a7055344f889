# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decrypts and verifies a backup in the laptop's memory, and hands it to the module of the same name."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.backup.machine import ARCHIVE
from ansible_collections.bramble.kube.plugins.plugin_utils import sealed


class ActionModule(sealed.OpeningAction):
    """Asks the machine first whether a drill can be held there, and sends nothing before."""

    REQUIRED = ("src", "node_name")
    REFUSED = "There was no drill"

    def filled_in(self, content: bytes) -> dict[str, Any]:
        """How much room it will need: gzip's last four bytes tell the size unpacked (RFC 1952, 2.3.1)."""
        return {"size": int.from_bytes(content[-4:], "little")}

    def go_on(self, opened: sealed.Opened, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Send, run the module, and leave nothing behind."""
        stream = sealed.Stream(self)
        try:
            stream.send(opened.content, ARCHIVE)
            return self._execute_module(module_args={**opened.arguments, "now": int(time.time())}, task_vars=task_vars)
        finally:
            stream.remove(ARCHIVE)
