# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What `kubeadm join` has left on a machine, and whether to join, to leave it alone, or to refuse."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Member:
    """What is on the disk.

    :ivar server: the API server in kubelet.conf, which the kubelet writes when the cluster has accepted it; empty
        without one.
    :ivar ca: hash of the CA in kubelet.conf, else of pki/ca.crt; empty without either.
    :ivar leftover: whether there are files of a join that did not finish.
    :ivar lacks: what its kubelet cannot work without and does not have; empty when all is there.
    :ivar control_plane: whether the API server's static Pod is there.
    """

    server: str = ""
    ca: str = ""
    leftover: bool = False
    lacks: str = ""
    control_plane: bool = False


@dataclass(frozen=True)
class Step:
    """What to do: ``nothing``, ``join``, ``tidy`` (joined, but remains of the join lie about) or ``refuse``; why."""

    do: str
    why: str = ""


def is_still_known(output: str) -> bool:
    """Whether `kubeadm join` refused a machine because the cluster takes the node of its name for alive."""
    return re.search(r'a Node with name "[^"]+" and status "Ready" already exists', output) is not None


def next_step(member: Member, endpoint: str, ca_hashes: tuple[str, ...]) -> Step:
    """Decide.

    :param endpoint: "host:port" of the cluster to join.
    :param ca_hashes: hashes of that cluster's CAs; empty in check mode before there is a cluster.
    """
    if member.control_plane:
        return Step(
            "refuse", f"this machine is the control plane of the cluster at {member.server or 'an unknown address'}"
        )
    if not member.server:
        return Step("join", "an interrupted join is repeated" if member.leftover else "it is in no cluster yet")
    if member.ca not in ca_hashes:
        return Step(
            "refuse",
            f"this machine belongs to another cluster, the one at {member.server}, and not to the one at https://{endpoint}",
        )
    if member.lacks:
        return Step("join", f"its kubelet lacks {member.lacks}, so it joins again")
    return Step("tidy", "the join had been interrupted at its end") if member.leftover else Step("nothing")
