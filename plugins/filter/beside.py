# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: beside
short_description: Where the collection keeps a file or folder beside the inventory, out of Ansible's sight
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Ansible reads every file in an inventory's folder as an inventory, and prints six warnings for one that is not. Only
    files whose names begin with a dot are left alone, whatever C(ansible.cfg) says.
  - A file that an earlier release saved there without the dot is still found.
positional: _input
options:
  _input:
    description: The inventory's folder, as in the variable C(inventory_dir).
    type: path
    required: true
  name:
    description: The name, without the dot.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Push with the administrator's kubeconfig
  bramble.kube.manifest_push:
    kubeconfig: "{{ inventory_dir | bramble.kube.beside('kubeconfig') }}"
    src: app.yaml
"""

RETURN = r"""
_value:
  description: The path.
  type: path
"""

import os
from typing import Any


def beside(folder: str, name: str) -> str:
    """See DOCUMENTATION."""
    earlier = os.path.join(str(folder), name)
    return earlier if os.path.exists(earlier) else os.path.join(str(folder), f".{name}")


class FilterModule:
    """The filter's table, as Ansible wants it."""

    def filters(self) -> dict[str, Any]:
        """Filter names and what they call."""
        return {"beside": beside}
