# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight_checks
short_description: Checks for each host whether the cluster can be set up on it
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Compares what the module C(bramble.kube.pi_facts) found on the hosts with what the roles need. Changes nothing, and
    talks to no host.
  - Reads each host's facts and the registered results C(preflight_facts) (of the task that read the
    facts) and C(preflight_sources) (of the task that tried the addresses of packages and images), if there are any.
positional: _input
options:
  _input:
    description: The inventory's groups, as in the variable C(groups).
    type: dict
    required: true
  hostvars:
    description: The hosts' variables, as in the variable C(hostvars).
    type: dict
    required: true
  limit:
    description: The hosts to look at, all of group C(bramble) by default.
    type: list
    elements: str
  cards:
    description: The folder in which M(bramble.kube.pi_card) keeps the host keys of cards; there need not be one.
    type: path
"""

EXAMPLES = r"""
- name: Print what preflight found
  ansible.builtin.debug:
    msg: "{{ groups | bramble.kube.preflight_checks(hostvars) | bramble.kube.preflight_table }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: One entry for each check and host.
  type: list
  elements: dict
  contains:
    host:
      description: The host's name in the inventory.
      type: str
    check:
      description: The check's name.
      type: str
    found:
      description: What was found.
      type: str
    wanted:
      description: What is right.
      type: str
    verdict:
      description: V(ok), V(will_change) by the roles, or V(must_change) by the owner.
      type: str
    message:
      description: One sentence, empty when there is nothing to say.
      type: str
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.bramble.kube.plugins.filter.inventory_errors import read_inventory
from ansible_collections.bramble.kube.plugins.module_utils.pi.cards import fingerprint
from ansible_collections.bramble.kube.plugins.module_utils.preflight.checks import Cluster, Host, preflight_rows


def _trouble(result: Mapping[str, Any]) -> str:
    """What Ansible and the module's interpreter said when the facts could not be read; "" if they could."""
    if "ansible_facts" in result:
        return ""
    texts = [str(result.get(key) or "") for key in ("msg", "module_stderr", "module_stdout")]
    return "\n".join(text for text in texts if text) or "no reason was given"


def read_host(name: str, groups: Mapping[str, Any], variables: Mapping[str, Any]) -> Host:
    """Collect what is known of one host."""
    result = variables.get("preflight_facts")
    facts = {key: value for key, value in (variables.get("ansible_facts") or {}).items() if key.startswith("pi_")}
    sources = variables.get("preflight_sources") or {}
    return Host(
        name=name,
        role="master" if name in groups.get("master", ()) else "node",
        address=str(variables.get("ansible_host") or name),
        facts=facts,
        reachable=(result or {}).get("reached", True),
        trouble="" if result is None else _trouble(result),
        sources=tuple(sources.get("sources") or ()),
    )


def read_cards(folder: str) -> dict[str, str]:
    """The fingerprints of the host keys that were made for cards, with the host that each is for."""
    files = sorted(Path(folder).glob("*.pub"))
    return {fingerprint(file.read_text(encoding="utf-8", errors="replace")): file.stem for file in files}


def filter_preflight_checks(
    groups: Mapping[str, Any],
    hostvars: Mapping[str, Any],
    limit: Sequence[str] | None = None,
    cards: str | None = None,
) -> list[dict[str, str]]:
    """See DOCUMENTATION."""
    inventory = read_inventory(groups, hostvars)
    wanted = [host for host in inventory.hosts if limit is None or host in limit]
    hosts = tuple(read_host(host, groups, hostvars[host]) for host in wanted)
    return preflight_rows(Cluster(hosts, inventory, read_cards(cards) if cards else {}))


class FilterModule:
    """The filter's table, as Ansible wants it."""

    def filters(self) -> dict[str, Any]:
        """Filter names and what they call."""
        return {"preflight_checks": filter_preflight_checks}
