# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""By what a host is known, and which hosts of an inventory are copies of another's card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.system import System


def public_keys(system: System, folder: str) -> list[str]:
    """The public halves of the host keys in a folder."""
    texts = (system.read(f"{folder}/{name}").split() for name in system.names(folder) if name.endswith("_key.pub"))
    return [" ".join(words[:2]) for words in texts if len(words) > 1]


def _identity(values: Mapping[str, Any], name: str) -> set[str]:
    found = (values.get("ansible_facts") or {}).get(name) or ()
    return {found} if isinstance(found, str) else set(map(str, found))


def cloned(hosts: Sequence[str], hostvars: Mapping[str, Mapping[str, Any]], host: str) -> list[str]:
    """Find what of a host's identity another has, too.

    Of several with the same, a host that belongs to a cluster keeps it, else the first one: everybody knows it already.

    :param hosts: inventory names in their order.
    :param hostvars: their variables, with the facts of pi_facts.
    :returns: some of "machine_id" and "host_keys".
    """

    def rank(name: str) -> tuple[bool, int]:
        state = (hostvars.get(name, {}).get("ansible_facts") or {}).get("pi_kubernetes") or {}
        return (not state.get("kubelet_server"), list(hosts).index(name))

    def shared(fact: str, others: Iterable[str]) -> bool:
        own = _identity(hostvars.get(host, {}), fact)
        return any(own & _identity(hostvars.get(other, {}), fact) for other in others)

    earlier = [other for other in hosts if other != host and rank(other) < rank(host)]
    facts = {"machine_id": "pi_machine_id_sha256", "host_keys": "pi_host_key_fingerprints"}
    return [what for what, fact in facts.items() if shared(fact, earlier)]
