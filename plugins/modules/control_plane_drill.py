#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: control_plane_drill
short_description: A backup restored into a temporary control plane
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Restores what M(bramble.kube.control_plane_backup) saved into an etcd and an API server beside those of the cluster,
    counts the objects of each kind in both, and removes all of it.
  - They run from the backup's own images, with the flags and keys in the backup. They listen on
    loopback, on unused ports, and keep their data in C(/var/lib/bramble.kube/drill), which root alone can read.
  - The cluster itself keeps running, and nothing in it is changed; none of its webhooks is called.
  - All of it is removed in the end, even when the module is killed (by a systemd timer) or the
    power is cut (at the next boot).
  - How the drill ended is noted in C(/var/lib/bramble.kube/last-drill.json), for M(bramble.kube.status_report).
  - Runs on the machine of the control plane, as root.
options:
  src:
    description: The backup on the laptop, or a folder whose newest backup of this cluster is used.
    type: path
    required: true
  node_name:
    description: The name that the inventory gives the control plane's node.
    type: str
    required: true
  timeout:
    description: Seconds to wait for etcd, and for the API server.
    type: int
    default: 300
  backup:
    description: What the backup is of. Filled in from the file; there is no need to give it.
    type: dict
  sha256:
    description: Hash of the archive in the file. Filled in; there is no need to give it.
    type: str
    default: ""
  size:
    description: Bytes of the archive in the file, unpacked. Filled in; there is no need to give it.
    type: int
    default: 0
  now:
    description: When the drill is held. Filled in by the laptop's clock; there is no need to give it.
    type: int
    default: 0
attributes:
  check_mode:
    description: Decrypts and verifies the backup and says whether a drill can be held here; holds none.
    support: full
  diff_mode:
    description: No lasting change is made, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: See whether the newest backup can be restored
  bramble.kube.control_plane_drill:
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
kinds:
  description: By kind, how many objects are C(in_backup), and how many the restored API server has C(read).
  returned: when a drill was held
  type: dict
  sample: {"configmaps": {"in_backup": 1012, "read": 1012}}
objects:
  description: How many objects the restored API server has read.
  returned: when a drill was held
  type: int
counted:
  description: The same as lines for the screen, including kinds that this release of the API server does not know.
  returned: when a drill was held
  type: list
  elements: str
  sample: ["configmaps: 1012 read of 1012"]
seconds:
  description: How long the drill took on the Pi.
  returned: when a drill was held
  type: float
steps:
  description: What was done, and how long each step took.
  returned: when a drill was held
  type: list
  elements: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.backup import drill
from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform


def main() -> None:
    """Hold a drill with the archive that the action plugin of the same name has brought."""
    perform(drill)


if __name__ == "__main__":
    main()
