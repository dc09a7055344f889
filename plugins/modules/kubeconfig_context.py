#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeconfig_context
short_description: Adds a cluster to a person's own kubeconfig, as one more context
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Copies the current context of one kubeconfig, with its cluster and user, into another one. Entries of the same name
    there are replaced; everything else stays, including the current context.
  - Comments in the file are lost, as they are with C(kubectl config).
options:
  src:
    description: The cluster's kubeconfig.
    type: path
    required: true
  dest:
    description: The person's own kubeconfig. It is created if it does not exist, and readable by its owner alone.
    type: path
    default: ~/.kube/config
  name:
    description: Name of the context, its cluster and its user.
    type: str
    required: true
requirements:
  - PyYAML
attributes:
  check_mode:
    description: Says whether something would change.
    support: full
  diff_mode:
    description: Credentials are not shown.
    support: none
"""

EXAMPLES = r"""
- name: Add the cluster of Pis to my own kubeconfig
  bramble.kube.kubeconfig_context:
    src: "{{ inventory_dir }}/.kubeconfig"
    name: bramble
  delegate_to: localhost
"""

RETURN = r"""
path:
  description: The file that now has the context.
  returned: always
  type: str
current:
  description: The current context there.
  returned: always
  type: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.manifests import contexts


def main() -> None:
    """Do what is left to do."""
    perform(contexts)


if __name__ == "__main__":
    main()
