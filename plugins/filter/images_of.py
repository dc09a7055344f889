# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: images_of
short_description: Lists the images that Kubernetes objects use
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Finds containers at any depth in objects of any kind, and images in arguments, variables and ConfigMaps of programs
    that it knows.
positional: _input
options:
  _input:
    description: Kubernetes objects.
    type: list
    elements: dict
    required: true
seealso:
  - module: bramble.kube.image_platforms
"""

EXAMPLES = r"""
- name: Show what these manifests pull
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', 'rendered.yaml') | from_yaml_all | bramble.kube.images_of }}"
"""

RETURN = r"""
_value:
  description: Image references as written, each once, in the order in which they first appear.
  type: list
  elements: str
"""

from collections.abc import Mapping

from ansible.errors import AnsibleFilterError

from ansible_collections.bramble.kube.plugins.module_utils.images.find import UnreadableText
from ansible_collections.bramble.kube.plugins.module_utils.images.find import images_of as find


def images_of(value):
    """See DOCUMENTATION."""
    if isinstance(value, Mapping):
        value = [value]
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise AnsibleFilterError("images_of: give a list of Kubernetes objects; from_yaml_all makes one of a text")
    try:
        return list(dict.fromkeys(use.image for use in find(value)))
    except UnreadableText as error:
        raise AnsibleFilterError(f"images_of: {error}") from error


class FilterModule:
    """The filter for Ansible."""

    def filters(self):
        """Names to functions."""
        return {"images_of": images_of}
