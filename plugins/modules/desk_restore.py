#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: desk_restore
short_description: What people said at the loop's desk, restored from a backup
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Restores the conversations, judgements and corrections in a backup of M(bramble.kube.control_plane_backup) onto the
    volume of the loop's desk. A backup without them changes nothing.
  - The desk's Pod verifies them, and the desk starts again with them before it answers. What was on the volume is kept
    there, in the folder C(before-restore), until the next restore. Everybody has to log in again.
  - Runs on the machine of the control plane, as root.
options:
  src:
    description: The backup on the laptop, or a folder whose newest backup of this control plane is used.
    type: path
    required: true
  node_name:
    description: The name that the inventory gives the control plane's node.
    type: str
    required: true
  timeout:
    description: Seconds to wait for the desk's Pod, and again for the new one.
    type: int
    default: 300
  backup:
    description: What the backup is of. Filled in from the file; there is no need to give it.
    type: dict
  sha256:
    description: Hash of the archive in the file. Filled in; there is no need to give it.
    type: str
    default: ""
attributes:
  check_mode:
    description: Decrypts and verifies the backup, and says whether there is a desk for it; restores nothing.
    support: full
  diff_mode:
    description: What is restored is new as a whole, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Bring back what people said at the desk
  bramble.kube.desk_restore:
    src: "{{ inventory_dir }}-backups"
    node_name: k8s-master
  become: true
"""

RETURN = r"""
path:
  description: The file on the laptop.
  returned: always
  type: str
backup:
  description: What the backup is of, as M(bramble.kube.control_plane_backup) returns it.
  returned: always
  type: dict
"""

from ansible_collections.bramble.kube.plugins.module_utils.backup import desk_restore
from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform


def main() -> None:
    """Bring the record that the action plugin of the same name has sent."""
    perform(desk_restore)


if __name__ == "__main__":
    main()
