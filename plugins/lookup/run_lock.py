# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stops a task when the run has lost its lock."""

from __future__ import annotations

DOCUMENTATION = r"""
name: run_lock
short_description: Stops a task when the run has lost its lock
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Fails when this run took a lock by M(bramble.kube.run_lock), has lost it, and cannot take it back. Waits for up to
    two minutes while it is being taken back, as after a reboot of the machine or a cut SSH session. A machine that has
    moved is looked for at its current C(ansible_host).
  - Returns at once when the run has its lock, and when it never asked for one, like a dry run.
  - Made for the keyword C(environment) of a play, whose value Ansible evaluates for each task of the play, including
    those of roles, included files and handlers. It adds no variable.
seealso:
  - module: bramble.kube.run_lock
"""

EXAMPLES = r"""
- name: Change the cluster
  hosts: bramble
  environment: "{{ lookup('bramble.kube.run_lock') }}"
  roles: [bramble.kube.base]
"""

RETURN = r"""
_raw:
  description: An empty dictionary.
  type: list
  elements: dict
"""

from typing import Any

from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.bramble.kube.plugins.module_utils.common.run_lock import AGAIN
from ansible_collections.bramble.kube.plugins.plugin_utils.lock_keeper import Slate


class LookupModule(LookupBase):
    """Looks at what the keeper of the lock has written down, without any connection."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, str]]:
        """Go on, wait, or stop."""
        for slate in Slate.all(constants.DEFAULT_LOCAL_TMP):
            if slate.read()[0] == AGAIN:
                slate.move(self._address(slate.host, variables or {}))
            trouble = slate.wait()
            if trouble:
                raise AnsibleLookupError(trouble)
        return [{}]

    def _address(self, host: str, variables: dict[str, Any]) -> str:
        """At which address a host is by now: the task's, or the one that was set as a fact; empty when none is."""
        if variables.get("inventory_hostname") == host:  # variables of the task alone are not among hostvars
            return str(self._templar.template(variables.get("ansible_host") or ""))
        return str(variables.get("hostvars", {}).get(host, {}).get("ansible_host") or "")
