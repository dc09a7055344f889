# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of backups on the laptop, and which of them have had their time."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

SUFFIX = ".bramble-backup"
_NAME = re.compile(r"(?P<cluster>.+)_(?P<time>\d{8}T\d{6}Z)_v[\w.+-]+" + re.escape(SUFFIX))


def file_name(cluster: str, created: float, kubernetes: str) -> str:
    """Name of a backup's file: cluster, time (UTC), release; by name they sort by age."""
    return f"{cluster}_{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(created))}_v{kubernetes}{SUFFIX}"


def of_cluster(names: Iterable[str], cluster: str) -> list[str]:
    """The backups of one cluster among file names, oldest first; other files are no business of ours."""
    found = [
        (match["time"], name) for name in names if (match := _NAME.fullmatch(name)) and match["cluster"] == cluster
    ]
    return [name for _time, name in sorted(found)]


def outlived(names: Iterable[str], cluster: str, keep: int) -> list[str]:
    """The backups of a cluster that are to go when the newest `keep` stay.

    :param keep: 0 keeps all.
    """
    known = of_cluster(names, cluster)
    return known[:-keep] if keep else []
