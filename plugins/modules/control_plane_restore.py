#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: control_plane_restore
short_description: A control plane restored from its backup
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Restores what M(bramble.kube.control_plane_backup) saved, onto the same machine, or a blank one with the same name
    and address that has the container engine and kubelet.
  - The backup is decrypted in the laptop's memory, verified there and again on the machine, and refused before anything
    is changed if it is damaged or does not belong to the machine.
  - etcd's data is made by the C(etcdutl) of the cluster's own etcd image, with C(--bump-revision) and
    C(--mark-compacted), so that every watcher in the cluster notices and lists again. It begins above the backup's last
    revision, above that of the data on the machine, and above an earlier restore's, which is noted beside the backup.
  - What was on the machine before is set aside in C(/var/lib/bramble.kube/before-restore) and C(before-restore) in
    etcd's folder, until the next restore.
  - If a restore is interrupted at any moment, the next one starts again from the beginning.
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
  address:
    description: The address that the inventory gives the control plane inside the cluster.
    type: str
    required: true
  api_timeout:
    description: Seconds to wait for the API server after the restore.
    type: int
    default: 300
  backup:
    description: What the backup is of. Filled in from the file; there is no need to give it.
    type: dict
  sha256:
    description: Hash of the archive in the file. Filled in; there is no need to give it.
    type: str
    default: ""
  first_revision:
    description:
      - The lowest revision that etcd may have after the restore. Filled in from the backup's age and from earlier
        restores; there is no need to give it.
    type: int
    default: 0
attributes:
  check_mode:
    description: Decrypts and verifies the backup and says whether it belongs to the machine; restores nothing.
    support: full
  diff_mode:
    description: What is restored is new as a whole, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Bring the control plane back
  bramble.kube.control_plane_restore:
    src: "{{ inventory_dir }}-backups"
    node_name: k8s-master
    address: 192.168.13.7
  become: true
"""

RETURN = r"""
path:
  description: The file on the laptop that was restored.
  returned: always
  type: str
backup:
  description: What the backup is of, as M(bramble.kube.control_plane_backup) returns it.
  returned: always
  type: dict
revision:
  description: The revision with which etcd begins.
  returned: when etcd's data was restored
  type: int
steps:
  description: What was done.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.backup import restorer
from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform


def main() -> None:
    """Restore the archive that the action plugin of the same name has brought."""
    perform(restorer)


if __name__ == "__main__":
    main()
