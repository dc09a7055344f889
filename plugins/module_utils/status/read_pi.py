# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""All that a Pi tells about itself for the status, and for an audit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign_values
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi import facts
from ansible_collections.bramble.kube.plugins.module_utils.status import gather_pi, security

OPTIONS = {"laptop_time": {"type": "float"}, "audit": {"type": "bool", "default": False}}
#: Characters of one text: a file of certificates is among them.
MOST = 65536


def run(system: System, options: Mapping[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Read the Pi's facts and state, and for an audit its files."""
    state = gather_pi.gather(system, options["laptop_time"])
    result = {"facts": facts.gather(system, packages=gather_pi.PACKAGES), "state": state}
    if options["audit"]:
        result["audit"] = security.gather(system)
    return {"changed": False, **foreign_values(result, MOST)}
