#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_upgrade
short_description: A machine's part of an upgrade with kubeadm
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Runs C(kubeadm upgrade apply) on the control plane, of several masters on the first, or C(kubeadm upgrade node) on
    another machine, with the kubeadm that is installed.
  - Records what it has begun, so that the next run recognizes an interrupted upgrade and finishes it.
  - An interruption between kubeadm's removing the old manifest of a static Pod and writing the new one leaves no etcd
    or API server. The old manifest is then restored from kubeadm's own copy.
  - Where kubeadm can do it separately (from 1.32 on), CoreDNS is upgraded when kube-proxy has the new release on every
    machine. Both at once would lose look-ups, because a machine whose kube-proxy is being replaced does not learn
    where CoreDNS has moved. With several masters, both come with the last of them.
  - kubeadm leaves a copy of etcd's data with each upgrade; all but the newest are removed after a success, because
    they fill the card.
  - Runs on that machine, as root.
options:
  state:
    description:
      - V(repaired) restores manifests that were lost in an interruption, waits for the API server and reports the
        state. It changes nothing on a machine where no upgrade was interrupted.
      - V(applied) upgrades the control plane.
      - V(node) upgrades another machine's configuration, and the control plane there if it is a master.
    type: str
    choices: [repaired, applied, node]
    required: true
  version:
    description: The wanted release, for O(state=applied) and O(state=node).
    type: str
  ignore_preflight_errors:
    description: kubeadm's checks to ignore.
    type: list
    elements: str
    default: []
  api_timeout:
    description: Seconds to wait for the API server before anything is done.
    type: int
    default: 240
  addon_timeout:
    description: Seconds that kube-proxy and CoreDNS may each take to start with the new release.
    type: int
    default: 600
attributes:
  check_mode:
    description: Says what would be done.
    support: full
  diff_mode:
    description: kubeadm decides what it writes, so there is nothing to compare beforehand.
    support: none
"""

EXAMPLES = r"""
- name: Bring back what a cut has taken
  bramble.kube.kubeadm_upgrade:
    state: repaired
  register: upgrade_control_plane

- name: Upgrade the control plane
  bramble.kube.kubeadm_upgrade:
    state: applied
    version: "1.37.2"
"""

RETURN = r"""
repaired:
  description: Static Pods whose manifest was restored.
  returned: always
  type: list
  elements: str
tags:
  description: Image tag of each static Pod, as its manifest has it.
  returned: always
  type: dict
  sample: {etcd: 3.7.0-0, kube-apiserver: 1.37.2, kube-controller-manager: 1.37.2, kube-scheduler: 1.37.2}
unfinished:
  description: The release of an upgrade that was begun and not finished, empty without one.
  returned: always
  type: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import upgrade


def main() -> None:
    """Do what is left to do."""
    perform(upgrade)


if __name__ == "__main__":
    main()
