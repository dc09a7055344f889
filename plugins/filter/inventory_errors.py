# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: inventory_errors
short_description: Says what is wrong with an inventory for a cluster, without talking to any host
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Checks groups, names, addresses, networks, the Kubernetes release, and every variable of this collection's roles
    against the role's argument specs.
  - Values that depend on facts cannot be known yet. They are left out, unless O(facts_known=true).
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
  facts_known:
    description: Report templates that cannot be resolved as errors, because the hosts' facts have been read.
    type: bool
    default: false
  sources:
    description: The files and folders that were named as inventory, as in the variable C(ansible_inventory_sources).
    type: list
    elements: str
  only_hosts:
    description: Look no further than whether there is any host for a cluster, as there is none after a wrong C(-i).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Stop if the inventory cannot work
  ansible.builtin.assert:
    that: errors | length == 0
    fail_msg: "{{ errors | join('\n') }}"
  vars:
    errors: "{{ groups | bramble.kube.inventory_errors(hostvars) }}"
"""

RETURN = r"""
_value:
  description: One sentence for each error. Where it is, what it is, and what would be right.
  type: list
  elements: str
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible.errors import AnsibleError, AnsibleFilterError
from jinja2 import Undefined

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError
from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.choice import near
from ansible_collections.bramble.kube.plugins.module_utils.loop.settings import errors as loop_errors
from ansible_collections.bramble.kube.plugins.module_utils.preflight import unknown
from ansible_collections.bramble.kube.plugins.module_utils.preflight.inventory import (
    CLUSTER_WIDE,
    LOOKED_AT,
    Inventory,
    inventory_errors,
    no_pis,
)
from ansible_collections.bramble.kube.plugins.module_utils.preflight.settings import (
    catalogue_names,
    role_defaults,
    role_options,
    value_problem,
)

_UNDEFINED = re.compile(r"'(\w+)' is undefined")


class _UnresolvedError(BrambleError):
    """A template in a value refers to something that is not defined."""


def _plain(value: Any) -> Any:
    """Copy a value, and raise for undefined things anywhere in it."""
    if isinstance(value, Undefined):
        raise _UnresolvedError(value._undefined_message or "something in it is not defined")
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value


def read_inventory(groups: Mapping[str, Any], hostvars: Mapping[str, Any]) -> Inventory:
    """Resolve the variables that matter, of the hosts of the cluster alone."""
    plain_groups = {str(name): [str(host) for host in hosts] for name, hosts in groups.items()}
    options = role_options()
    inventory = Inventory(groups=plain_groups, values={}, options=options, defaults=role_defaults())
    values: dict[str, dict[str, Any]] = {}
    unresolved: dict[str, dict[str, str]] = {}
    for host in inventory.hosts:
        variables = hostvars[host]
        values[host], unresolved[host] = {}, {}
        for name in dict.fromkeys((*LOOKED_AT, *CLUSTER_WIDE, *options)):
            if name not in variables:
                continue
            try:
                values[host][name] = _plain(variables[name])
            except (AnsibleError, _UnresolvedError) as error:
                missing = _UNDEFINED.search(str(error))
                # A value may be made of another variable's default, which only the roles themselves bring along.
                if not (missing and missing.group(1) in options):
                    unresolved[host][name] = str(error).splitlines()[0]
    slips = {host: unknown.slips(hostvars[host]) for host in inventory.hosts}
    return Inventory(plain_groups, values, options, role_defaults(), unresolved, slips)


def filter_inventory_errors(
    groups: Mapping[str, Any],
    hostvars: Mapping[str, Any],
    facts_known: bool = False,
    sources: Sequence[str] | None = None,
    only_hosts: bool = False,
) -> list[str]:
    """See DOCUMENTATION."""
    if not isinstance(groups, Mapping):
        raise AnsibleFilterError("bramble.kube.inventory_errors: the input is not the inventory's groups")
    named = [str(source) for source in sources or ()]
    # A list of hosts has a comma.
    absent = [source for source in named if "," not in source and not os.path.exists(source)]
    if only_hosts:
        plain = {str(name): [str(host) for host in hosts] for name, hosts in groups.items()}
        absence = no_pis(Inventory(plain, {}, {}, {}, sources=named, absent=absent))
        return [absence] if absence else []
    inventory = replace(read_inventory(groups, hostvars), sources=named, absent=absent)
    if not facts_known:
        inventory = replace(inventory, unresolved={})
    further = [*_component_slips(inventory), *_loop_errors(inventory, hostvars)]
    return inventory_errors(inventory) + [foreign(sentence) for sentence in further]


def _loop_errors(inventory: Inventory, hostvars: Mapping[str, Any]) -> list[str]:
    """Models and people with whom nothing could be decided; they are the master's."""
    for host in inventory.groups.get("master", ()):
        given = {name: inventory.value(host, name) or [] for name in ("loop_models", "people")}
        # What is of another type has its sentence already.
        if not any(value_problem(name, value, inventory.options[name]) for name, value in given.items()):
            return loop_errors(given["loop_models"], given["people"], str(hostvars[host].get("inventory_dir") or ""))
    return []


def _component_slips(inventory: Inventory) -> list[str]:
    """Components that the catalogue does not have; what else can be wrong with them the role's own check says."""
    sentences: dict[str, None] = {}
    for host in inventory.hosts:
        extra = inventory.value(host, "kubeflow_catalogue_extra")
        own = [entry.get("name") for entry in (extra if isinstance(extra, list) else ()) if isinstance(entry, Mapping)]
        known = [*catalogue_names(), *(name for name in own if isinstance(name, str))]
        for variable in ("kubeflow_components", "kubeflow_provided"):
            wanted = inventory.value(host, variable)
            for entry in wanted if isinstance(wanted, list) else ():
                name = entry.get("name") if isinstance(entry, Mapping) else entry
                if isinstance(name, str) and name not in known:
                    said = f"{variable} names {foreign(name, 60)}, which the catalogue does not have"
                    sentences[f"{said}{near(name, known)}."] = None
    return list(sentences)


class FilterModule:
    """The filter's table, as Ansible wants it."""

    def filters(self) -> dict[str, Any]:
        """Filter names and what they call."""
        return {"inventory_errors": filter_inventory_errors}
