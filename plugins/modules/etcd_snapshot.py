#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_snapshot
short_description: A verified snapshot of the cluster's etcd, on the machine of the control plane
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Saves everything that the cluster knows into one file, with the C(etcdctl) of the cluster's own etcd image.
  - Compares the file with the checksum at its end, and lets C(etcdutl) read all its pages. Only a file that passes both
    is put in place; until then, the file of an earlier run stays.
  - The file holds every Secret of the cluster and is readable by root alone. It stays on the card of the same machine;
    the playbook C(bramble.kube.backup) saves one on the laptop, encrypted.
  - Runs on the machine of the control plane, as root.
options:
  dest:
    description: Where the snapshot is saved, an absolute path. Missing folders are created, with mode 0700.
    type: path
    required: true
attributes:
  check_mode:
    description: Says whether a snapshot would be taken, and takes none.
    support: full
  diff_mode:
    description: The snapshot is new as a whole, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Save etcd before something is changed
  bramble.kube.etcd_snapshot:
    dest: /var/lib/bramble.kube/before-upgrade.db
  become: true
  register: snapshot
"""

RETURN = r"""
path:
  description: The snapshot.
  returned: always
  type: str
image:
  description: The etcd image whose programs took it.
  returned: always
  type: str
  sample: registry.k8s.io/etcd:3.7.0-0
revision:
  description: etcd's revision at that time.
  returned: when a snapshot was taken
  type: int
key_count:
  description: The number of keys in it.
  returned: when a snapshot was taken
  type: int
size:
  description: The data's size in bytes.
  returned: when a snapshot was taken
  type: int
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import etcd_snapshot


def main() -> None:
    """Take the snapshot and report."""
    perform(etcd_snapshot)


if __name__ == "__main__":
    main()
