# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decrypts and verifies a backup in the laptop's memory, and hands the desk's record to the module of the same name."""

from __future__ import annotations

import io
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.backup import archive, record
from ansible_collections.bramble.kube.plugins.module_utils.backup.desk_restore import SPOOLED
from ansible_collections.bramble.kube.plugins.plugin_utils import sealed


class ActionModule(sealed.OpeningAction):
    """Asks the machine first whether there is a desk, and sends nothing before, nor from a backup without a record."""

    REQUIRED = ("src", "node_name")
    REFUSED = "The desk's record was not restored"

    def go_on(self, opened: sealed.Opened, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Send, run the module, and leave nothing behind."""
        if not opened.description.desk:
            return {"changed": False}
        stream = sealed.Stream(self)
        try:
            stream.send(record.said(archive.desk_of(io.BytesIO(opened.content))).encode(), SPOOLED)
            return self._execute_module(module_args=opened.arguments, task_vars=task_vars)
        finally:
            stream.remove(SPOOLED)
