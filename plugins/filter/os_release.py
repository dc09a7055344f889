# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: os_release
short_description: What is known about a Pi's OS release
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Looks a release up in the table of those that the roles work on. An unknown one is described as the newest of its
    kind.
positional: _input
options:
  _input:
    description: The fact C(pi_os). Only its C(id), C(version_id) and C(codename) are used.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show whether this release is tested
  ansible.builtin.debug:
    msg: "{{ (ansible_facts.pi_os | bramble.kube.os_release).tested or 'unknown' }}"
"""

RETURN = r"""
_value:
  description:
    - Among others C(tested) (V(lab), V(unit), or empty for an unknown release), C(boot), C(time), C(archive), C(docker)
      (the name of Docker's package repository for it), C(docker_packages), C(containerd), and C(known) (all releases
      in words).
  type: dict
"""

from collections.abc import Mapping

from ansible.errors import AnsibleFilterError

from ansible_collections.bramble.kube.plugins.module_utils.common import os_releases


def os_release(value):
    """See DOCUMENTATION."""
    if not isinstance(value, Mapping):
        raise AnsibleFilterError("os_release wants the fact pi_os, a mapping with id, version_id and codename")
    return os_releases.as_data(value)


class FilterModule:
    """The filter for Ansible."""

    def filters(self):
        """Names to functions."""
        return {"os_release": os_release}
