# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Names of backups on the laptop, which of them is the newest of a cluster, and which have had their time."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

SUFFIX = ".bramble-backup"
#: So many digits of the CA's hash tell clusters apart whose masters have the same name.
_DIGITS = 12
_TIME = "%Y%m%dT%H%M%SZ"
# Names by release 0.1.0 had no CA.
_NAME = re.compile(
    rf"(?P<node>.+?)_(?:(?P<ca>[0-9a-f]{{{_DIGITS}}})_)?(?P<time>\d{{8}}T\d{{6}}Z)_v[\w.+-]+{re.escape(SUFFIX)}"
)


@dataclass(frozen=True)
class Cluster:
    """Whose backups they are.

    :ivar node: name of the control plane's node.
    :ivar ca: first digits of the hash of the cluster's CA; empty for backups of release 0.1.0, which did not tell.
    """

    node: str
    ca: str

    @classmethod
    def of(cls, node: str, ca_hash: str) -> Cluster:
        """The cluster with this CA, whose hash is in kubeadm's form, "sha256:…"."""
        return cls(node, ca_hash.partition(":")[2][:_DIGITS])

    @property
    def prefix(self) -> str:
        """With which the names of its backups begin."""
        return f"{self.node}_{self.ca}_" if self.ca else f"{self.node}_"


def _time_of(created: float) -> str:
    return time.strftime(_TIME, time.gmtime(created))


def file_name(cluster: Cluster, created: float, kubernetes: str) -> str:
    """Name of a backup's file: node, CA, time (UTC), release; those of a cluster sort by age."""
    return f"{cluster.prefix}{_time_of(created)}_v{kubernetes}{SUFFIX}"


def _by_cluster(names: Iterable[str]) -> dict[Cluster, list[tuple[str, str]]]:
    """Time and name of each backup, oldest first; other files are no business of ours."""
    found: dict[Cluster, list[tuple[str, str]]] = {}
    for name in names:
        match = _NAME.fullmatch(name)
        if match:
            found.setdefault(Cluster(match["node"], match["ca"] or ""), []).append((match["time"], name))
    return {cluster: sorted(backups) for cluster, backups in found.items()}


def clusters(names: Iterable[str], node: str) -> list[Cluster]:
    """The clusters with backups of a control plane of this name; one that is not told (release 0.1.0) only alone."""
    found = [cluster for cluster in _by_cluster(names) if cluster.node == node]
    return [cluster for cluster in found if cluster.ca] or found


def newest(names: Iterable[str], cluster: Cluster, now: float) -> str:
    """The newest backup of a cluster; one that is dated in the future only when there is no other.

    :raises KeyError: when there is none.
    """
    backups = _by_cluster(names)[cluster]
    past = [backup for backup in backups if backup[0] <= _time_of(now)]
    return (past or backups)[-1][1]


def nodes(names: Iterable[str]) -> list[str]:
    """Names of the nodes whose backups there are."""
    return sorted({cluster.node for cluster in _by_cluster(names)})


def newer_of_another(names: Iterable[str], name: str, now: float) -> str:
    """The newest backup of the same cluster that another of its masters made after this one; "" without one.

    :param name: of a backup.
    """
    found = _by_cluster({*names, name})
    own = next((cluster for cluster, backups in found.items() if name in (file for _when, file in backups)), None)
    if own is None or not own.ca:
        return ""
    taken = {file: when for backups in found.values() for when, file in backups}
    others = (newest(names, cluster, now) for cluster in found if cluster.ca == own.ca and cluster.node != own.node)
    return max((file for file in others if taken[name] < taken[file] <= _time_of(now)), key=taken.get, default="")


def outlived(names: Iterable[str], written: str, keep: int) -> list[str]:
    """The backups that are to go when, of the cluster of the one just written, the newest `keep` stay.

    What was written just now stays whatever its date is, and those that are dated later neither go nor count: one of
    the two dates is wrong.

    :param written: name of the backup that was written just now.
    :param keep: 0 keeps all.
    """
    if not keep:
        return []
    for backups in _by_cluster({*names, written}).values():
        date = next((when for when, name in backups if name == written), None)
        if date is not None:
            before = [name for when, name in backups if when <= date and name != written]
            return before[: len(before) - (keep - 1)] if len(before) >= keep else []
    return []
