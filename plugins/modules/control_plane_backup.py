#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: control_plane_backup
short_description: An encrypted backup of a control plane, on the laptop
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Saves etcd with the programs of the cluster's own etcd image and verifies the snapshot, adds the PKI, the
    kubeconfigs, kubeadm's and the kubelet's configuration and the static Pods, and saves it all on the laptop as one
    file.
  - The file is encrypted with ansible-vault. The content passes through the SSH session into the laptop's memory and
    is encrypted there; nothing of it ever reaches the laptop's disk or a log unencrypted. What was encrypted is
    read back, decrypted in memory and compared before the file gets its name.
  - What a restore checks is checked before anything is encrypted, and thus before an older backup is removed.
  - C(ansible-playbook) needs a vault password, by C(--vault-password-file), C(--ask-vault-pass) or
    C(vault_password_file) in C(ansible.cfg). The same password restores the backup.
  - Where the cluster has the loop, what people said at its desk is copied from the desk's volume while the desk keeps
    running, verified, and saved in the same file. If the desk does not answer, the backup is made without it,
    RV(without_desk) says why, and no older backup is removed.
  - Runs on the machine of the control plane, as root.
options:
  dest:
    description: The folder on the laptop for the file. It is created, with mode 0700, when it is missing.
    type: path
    required: true
  keep:
    description:
      - How many backups of this cluster to keep in the folder; older ones are removed once the new one is written.
      - V(0) keeps all. Backups of other clusters, identified by their CA, and other files are left alone.
      - The backup just written always stays; backups dated later are neither removed nor counted.
    type: int
    default: 7
  node_name:
    description: The name that the inventory gives the control plane's node; a backup of another one is not made.
    type: str
    default: ""
  address:
    description: The address that the inventory gives the control plane; a backup of another one is not made.
    type: str
    default: ""
  created:
    description: When the backup is made. Filled in by the laptop's clock; there is no need to give it.
    type: int
attributes:
  check_mode:
    description: Says whether a backup would be made, and makes none.
    support: full
  diff_mode:
    description: The backup is new as a whole, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Back the control plane up
  bramble.kube.control_plane_backup:
    dest: "{{ inventory_dir }}-backups"
    keep: 30
  become: true
  register: backup
"""

RETURN = r"""
path:
  description: The file on the laptop.
  returned: when a backup was made
  type: str
size:
  description: The file's size in bytes.
  returned: when a backup was made
  type: int
removed:
  description: Names of the old backups that were removed.
  returned: when a backup was made
  type: list
  elements: str
backup:
  description: What the backup is of.
  returned: when a backup was made
  type: dict
  contains:
    created:
      description: When it was made, in seconds since 1970, by the laptop's clock.
      type: int
    node_name:
      description: The control plane's node.
      type: str
    address:
      description: The control plane's address inside the cluster.
      type: str
    server:
      description: The API server in the administrator's kubeconfig.
      type: str
    kubernetes:
      description: The cluster's release.
      type: str
    etcd_image:
      description: The etcd image whose programs took the snapshot.
      type: str
    cluster_ca_sha256:
      description: Hash of the cluster's CA, as kubeadm writes it.
      type: str
    revision:
      description: etcd's revision at that time.
      type: int
    key_count:
      description: The number of keys in etcd.
      type: int
    desk:
      description: The files of the loop's desk, and the SHA-256 of each; empty without a loop.
      type: dict
without_desk:
  description: Why what people said at the loop's desk is not in it; empty when it is, or when there is no desk.
  returned: when a backup was made
  type: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.backup import back_up
from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform


def main() -> None:
    """Pack the backup; the action plugin of the same name brings it to the laptop."""
    perform(back_up)


if __name__ == "__main__":
    main()
