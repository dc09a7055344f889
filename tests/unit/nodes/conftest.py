# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server that is a dict, a machine that is a folder, and time that a test moves."""

from __future__ import annotations

from played_cluster import api
from played_machine import clock, played

__all__ = ["api", "clock", "played"]
