# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: loop_rollback
short_description: Finds which release of a model to roll back, and in whose name
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Finds the live release of a model and the one that would answer instead, or says in one sentence why there is
    nothing to go back to. Talks to no host.
positional: _input, gate, wanted, by, reason
options:
  _input:
    description: The Releases of the cluster.
    type: list
    elements: dict
    required: true
  gate:
    description: The C(spec) of the Gate.
    type: dict
    required: true
  wanted:
    description: A model, for its live release, or one release.
    type: str
    required: true
  by:
    description: Who rolls it back. Empty for the only person who may.
    type: str
    default: ""
  reason:
    description: Why, in at least 10 characters.
    type: str
    default: ""
seealso:
  - plugin: bramble.kube.loop_score
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what would answer
  ansible.builtin.debug:
    msg: "{{ releases | bramble.kube.loop_rollback(gate.spec, 'digits', 'ben', 'it reads eights as threes') }}"
"""

RETURN = r"""
_value:
  description:
    - C(error), one sentence, empty when it can be done; C(release), which is taken back; C(by), the person; C(back_to),
      the release that answers then; C(done), whether it was taken back before.
  type: dict
"""

from ansible_collections.bramble.kube.plugins.module_utils.loop.releases import rollback


def loop_rollback(value, gate, wanted, by="", reason=""):
    """See DOCUMENTATION."""
    return rollback(value, gate, wanted, by, reason)


class FilterModule:
    """The filter for Ansible."""

    def filters(self):
        """Names to functions."""
        return {"loop_rollback": loop_rollback}
