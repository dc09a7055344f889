# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a module's work says that it cannot go on."""

from __future__ import annotations


class Stop(Exception):
    """A module cannot go on; the message is for the user and holds no secret."""
