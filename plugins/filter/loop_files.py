# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: loop_files
short_description: The files of a folder that go to the cluster as a ConfigMap
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Reads the source code and plain text files of a folder on this computer - C(.py), C(.html), C(.css), C(.js),
    C(.json), C(.svg), C(.txt) and C(.csv). Hidden files and folders in it are left out.
positional: _input
options:
  _input:
    description: The folder.
    type: path
    required: true
  base:
    description: The folder to which a relative path refers.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show which files of a model go to the cluster
  ansible.builtin.debug:
    msg: "{{ ('models/iris' | bramble.kube.loop_files(inventory_dir)).keys() | list }}"
"""

RETURN = r"""
_value:
  description: Each file's name and its text.
  type: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.bramble.kube.plugins.module_utils.loop import code


def loop_files(value, base=""):
    """See DOCUMENTATION."""
    try:
        return code.read(code.folder_of(value, base))
    except (OSError, ValueError) as error:
        raise AnsibleFilterError(f"loop_files: {error}") from error


class FilterModule:
    """The filter for Ansible."""

    def filters(self):
        """Names to functions."""
        return {"loop_files": loop_files}
