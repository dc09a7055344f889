# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that removes members from etcd whose machines are gone, or are about to join it again."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import stopping
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import etcd
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.etcd_tools import EtcdTools, read_pod

OPTIONS = {
    "names": {"type": "list", "elements": "str", "required": True},
    "addresses": {"type": "list", "elements": "str", "default": []},
}


@dataclass(frozen=True)
class Member:
    """A member as etcd knows it.

    :ivar id: as etcdctl takes it.
    :ivar name: of its node; empty for one that has never started.
    :ivar addresses: at which the others reach it.
    """

    id: str
    name: str
    addresses: tuple[str, ...]


def parse_members(text: str) -> list[Member]:
    """Read `etcdctl member list --write-out=json`.

    :raises EtcdError: when it is something else.
    """
    try:
        return [
            Member(
                f"{entry['ID']:x}",
                entry.get("name", ""),
                tuple(urlsplit(url).hostname or "" for url in entry.get("peerURLs", ())),
            )
            for entry in json.loads(text)["members"]
        ]
    except (ValueError, KeyError, TypeError):
        raise etcd.EtcdError(f"what etcdctl said about the members cannot be read: {text.strip()[:200]}") from None


def doomed(members: Collection[Member], names: Collection[str], addresses: Collection[str]) -> list[Member]:
    """Those of the members that are of these machines."""
    return [one for one in members if one.name in names or set(one.addresses) & set(addresses)]


def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Look who is a member, and remove those that are not to be."""
    with stopping("No member was removed from etcd"):
        tools = EtcdTools(system, read_pod(system))

        def ask(*arguments: str) -> str:
            pod = tools.pod
            command = ["etcdctl", "member", *arguments, "--endpoints=" + pod.local_endpoint, *pod.tls]
            return tools.call(command, {pod.certificates_folder: False})

        going = doomed(parse_members(ask("list", "--write-out=json")), options["names"], options["addresses"])
        for member in [] if check else going:
            ask("remove", member.id)
    removed = [member.name or member.addresses[0] for member in going]
    return {"changed": bool(removed), "removed": removed}
