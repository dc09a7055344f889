# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The one exception that the ksonnet utilities raise for anything that a user can put right."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError


class KsonnetError(BrambleError):
    """One sentence saying what is wrong, where, and what would be right."""


def listed(names: Iterable[str], none: str = "none") -> str:
    """Names for a message, sorted and separated by commas; ``none`` when there are none."""
    return ", ".join(sorted(names)) or none
