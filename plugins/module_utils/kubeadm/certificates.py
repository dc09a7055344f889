# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Which certificates of a control plane have to be renewed, and which of its programs still hold old ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

#: Programs of a control plane in the order in which they are started anew, each with what its certificates lie in:
#: names of files below /etc/kubernetes.
PROGRAMS: dict[str, tuple[str, ...]] = {
    "etcd": ("pki/etcd/server.crt", "pki/etcd/peer.crt"),
    "kube-apiserver": (
        "pki/apiserver.crt",
        "pki/apiserver-kubelet-client.crt",
        "pki/apiserver-etcd-client.crt",
        "pki/front-proxy-client.crt",
    ),
    "kube-controller-manager": ("controller-manager.conf",),
    "kube-scheduler": ("scheduler.conf",),
}
#: What people and probes use; no program holds it.
OTHERS = ("pki/etcd/healthcheck-client.crt", "admin.conf", "super-admin.conf")
AUTHORITIES = ("pki/ca.crt", "pki/etcd/ca.crt", "pki/front-proxy-ca.crt")
RENEWED = (*(name for names in PROGRAMS.values() for name in names), *OTHERS)


@dataclass(frozen=True)
class Plan:
    """What has to be done.

    :ivar ending: files whose certificates have too few days left.
    :ivar dead_authority: a CA that has ended, with which nothing can be renewed; empty for none.
    """

    ending: tuple[str, ...]
    dead_authority: str = ""


def plan(ends: Mapping[str, datetime], now: datetime, renew_days: int) -> Plan:
    """Decide.

    :param ends: for each file that is there, when its certificate ends.
    """
    limit = now + timedelta(days=renew_days)
    ending = tuple(name for name in RENEWED if name in ends and ends[name] < limit)
    dead = next((name for name in AUTHORITIES if name in ends and ends[name] <= now), "")
    return Plan(ending, dead if ending else "")


def outdated(started: Mapping[str, float], written: Mapping[str, float]) -> list[str]:
    """Programs that started before one of their certificates was written, and have not read it.

    :param started: for each program that runs, when it started.
    :param written: for each file that is there, when it was written; both in seconds since 1970.
    """
    return [
        name
        for name, files in PROGRAMS.items()
        if name in started and any(written.get(file, 0.0) > started[name] for file in files)
    ]


def start_time(stat: str, uptime: float, now: float, ticks: int) -> float:
    """When a process started, in seconds since 1970 by today's clock, which on a Pi may have been set since.

    :param stat: text of its /proc/PID/stat.
    :param uptime: seconds since the boot.
    :param ticks: clock ticks in a second.
    """
    # The name, in parentheses, may hold spaces; starttime is the 22nd field (proc(5)).
    fields = stat.rpartition(")")[2].split()
    return now - uptime + int(fields[19]) / ticks


def soonest(ends: Mapping[str, datetime], names: Iterable[str] = RENEWED) -> datetime | None:
    """When the first of the certificates ends."""
    return min((ends[name] for name in names if name in ends), default=None)
