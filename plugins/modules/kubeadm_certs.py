#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_certs
short_description: The control plane's certificates, renewed before they expire or afterwards
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Renews all certificates of the control plane with C(kubeadm certs renew), when one of them has few days left, and
    restarts the programs that use old ones, one after the other.
  - If a run is interrupted between the two, the next one finishes it.
  - Gives the master's kubelet a new C(kubelet.conf) when its own certificate has expired, or when the file is gone.
  - Runs on the machine of the control plane, as root. Does nothing where there is no control plane.
options:
  renew_days:
    description: Certificates are renewed when one of them has fewer days left.
    type: int
    default: 90
  config:
    description: The configuration with which the control plane was created.
    type: path
    default: /etc/kubernetes/kubeadm-init.yaml
  timeout:
    description:
      - Seconds to wait until a restarted program runs again. The kubelet waits up to five minutes before it
        restarts one that keeps crashing.
    type: int
    default: 400
attributes:
  check_mode:
    description: Says what would be renewed.
    support: full
  diff_mode:
    description: Shows when the certificates expire.
    support: full
"""

EXAMPLES = r"""
- name: Renew what ends in the next three months
  bramble.kube.kubeadm_certs:
    renew_days: 90
"""

RETURN = r"""
renewed:
  description: Files below C(/etc/kubernetes) whose certificates had too few days left.
  returned: always
  type: list
  elements: str
restarted:
  description: Programs that were restarted.
  returned: always
  type: list
  elements: str
kubelet:
  description: Whether the master's kubelet got a new kubelet.conf.
  returned: always
  type: bool
ends:
  description: When the first certificate expires, RFC 3339 in UTC; null where there is no control plane.
  returned: always
  type: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import renew


def main() -> None:
    """Do what is left to do."""
    perform(renew)


if __name__ == "__main__":
    main()
