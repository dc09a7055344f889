# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: pinned_image
short_description: Adds to an image the digest that the collection knows
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Adds the digest of the image's index, which has all architectures, so that a tag that is moved changes nothing.
  - An image that has a digest already, or whose digest is not known, stays as it is.
positional: _input
options:
  _input:
    description: An image.
    type: str
    required: true
  pin:
    description: Whether to add digests at all.
    type: bool
    default: true
seealso:
  - plugin: bramble.kube.images_of
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what is really pulled
  ansible.builtin.debug:
    msg: "{{ 'docker.io/library/traefik:v3.7.13' | bramble.kube.pinned_image }}"
"""

RETURN = r"""
_value:
  description: The image, as C(name:tag@sha256:…) where the digest is known.
  type: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.images.pinning import pinned


def pinned_image(value, pin=True):
    """See DOCUMENTATION."""
    return pinned(str(value)) if pin else value


class FilterModule:
    """The filter for Ansible."""

    def filters(self):
        """Names to functions."""
        return {"pinned_image": pinned_image}
