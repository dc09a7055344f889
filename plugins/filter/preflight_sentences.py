# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight_sentences
short_description: Lists what the owner of the Pis has to fix before a cluster can be created
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Picks the sentences of one verdict from preflight's findings. A sentence that is the same for several hosts is shown
    once, for all of them.
positional: _input
options:
  _input:
    description: What the filter C(bramble.kube.preflight_checks) returned.
    type: list
    elements: dict
    required: true
  verdict:
    description: Which findings to list.
    type: str
    choices: [ok, will_change, must_change]
    default: must_change
"""

EXAMPLES = r"""
- name: Stop if something has to be changed by hand
  ansible.builtin.assert:
    that: rows | bramble.kube.preflight_sentences | length == 0
    fail_msg: "{{ rows | bramble.kube.preflight_sentences | join('\n') }}"
  vars:
    rows: "{{ groups | bramble.kube.preflight_checks(hostvars) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The sentences.
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.preflight.checks import MUST_CHANGE, sentences


def filter_preflight_sentences(rows: list[dict[str, str]], verdict: str = MUST_CHANGE) -> list[str]:
    """See DOCUMENTATION."""
    return sentences(rows, verdict)


class FilterModule:
    """The filter's table, as Ansible wants it."""

    def filters(self) -> dict[str, Any]:
        """Filter names and what they call."""
        return {"preflight_sentences": filter_preflight_sentences}
