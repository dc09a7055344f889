#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_init
short_description: The control plane of a cluster, created once and completely
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Creates the control plane with C(kubeadm init), unless the API server says that it is complete.
  - After an interrupted init, removes what it wrote and begins again, or creates the add-ons that are still missing.
    It does so
    only if the cluster was never complete, so no user data is lost.
  - If the API server of a control plane does not answer, waits for it and never rebuilds it.
  - Lets CoreDNS answer for 20 seconds after it was asked to stop, instead of kubeadm's 5, unless its Corefile has
    another C(lameduck). In that time every node must learn not to ask it any more.
  - Deletes C(/etc/kubernetes/super-admin.conf) from a complete control plane. It bypasses RBAC, nobody needs it, and
    C(kubeadm init phase kubeconfig super-admin) creates it again in an emergency.
  - With O(join_config), joins the existing control plane instead, with C(kubeadm join). After an interrupted
    join, removes what it wrote and begins again.
  - Runs on the machine of the control plane, as root. Prints no token.
options:
  config:
    description: The configuration for C(kubeadm init --config), as text.
    type: str
    required: true
  config_path:
    description:
      - Where the configuration is kept on the machine, mode 0600. While init runs its name ends in C(.unfinished),
        so a later run
        knows that the control plane was never complete.
    type: path
    default: /etc/kubernetes/kubeadm-init.yaml
  node_name:
    description: Name of the machine's own node in the cluster.
    type: str
    required: true
  skip_addons:
    description: kubeadm's add-ons to leave out, if you bring your own proxy or name server.
    type: list
    elements: str
    choices: [coredns, kube-proxy]
    default: []
  schedulable:
    description:
      - Whether Pods that do not belong to the control plane may run on this node, too. Unset leaves it as it is.
    type: bool
  encryption_config:
    description:
      - Where the API server's EncryptionConfiguration is kept, mode 0600. If there is none when init begins, one is
        created with a new key, with which Secrets are encrypted in etcd. The arguments of the API server must name it.
    type: path
  join_config:
    description:
      - The configuration for C(kubeadm join --config), as text, for a machine that is to be one of several control
        planes. Ignored once the machine is one.
      - O(config) is kept as on the first one, for renewing certificates.
    type: str
    default: ''
  shared_files:
    description: >-
      Files that all control planes share, path to content in Base64, as C(ansible.builtin.slurp) returns it. The
      CAs with their keys, the key of service accounts, and the EncryptionConfiguration. Written before the join.
    type: dict
    default: {}
  api_timeout:
    description: Seconds to wait for the API server of an existing control plane, for example after a reboot.
    type: int
    default: 240
attributes:
  check_mode:
    description: Says what would be done, even where kubeadm is not installed yet.
    support: full
  diff_mode:
    description: What kubeadm writes is new as a whole, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Make the control plane
  bramble.kube.kubeadm_init:
    config: "{{ lookup('ansible.builtin.template', 'kubeadm-init.yaml.j2') }}"
    node_name: k8s-master
"""

RETURN = r"""
did:
  description: What was done, C(nothing), C(init), C(join), C(reset) (and then init or join) or C(addons).
  returned: always
  type: str
why:
  description: The reason for it.
  returned: always
  type: str
version:
  description: Release of the control plane. Empty in check mode where there is none.
  returned: always
  type: str
  sample: 1.37.2
cluster_ca_sha256:
  description: Hash of the cluster CA's public key, as kubeadm writes it. Empty in check mode where there is none.
  returned: always
  type: str
admin_kubeconfig_sha256:
  description: SHA-256 of the administrator's kubeconfig file, to check whether a copy is current.
  returned: always
  type: str
server:
  description: The API server's address in that kubeconfig.
  returned: always
  type: str
  sample: https://192.168.13.7:6443
settings_differ:
  description: Whether the cluster was created with a configuration other than O(config).
  returned: always
  type: bool
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import init


def main() -> None:
    """Do what is left to do."""
    perform(init)


if __name__ == "__main__":
    main()
