#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: status_report
short_description: Shows what is wrong in the cluster, on one screen and as one page
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Takes what M(bramble.kube.pi_status) read on the Pis and what M(bramble.kube.cluster_status) read from the cluster,
    finds what is wrong, and shows it - one sentence each, with cause and remedy.
  - Reads from each host the registered result C(status_pi), and C(kubeadm_node_name), C(base_hostname), C(kubeadm_cni).
  - Always runs on the laptop, without C(delegate_to). Changes nothing but O(dest).
options:
  hosts:
    description: The hosts to look at, all of group C(bramble) by default.
    type: list
    elements: str
  cluster:
    description: What M(bramble.kube.cluster_status) returned as C(cluster).
    type: dict
    required: true
  kubeconfig:
    description: The laptop's kubeconfig, for the sentences.
    type: path
    default: ""
  renew_days:
    description: A certificate with fewer days left is reported.
    type: int
    default: 30
  drill_days:
    description:
      - Warns after this many days without a drill with a backup, which M(bramble.kube.control_plane_drill) holds.
      - V(0) never warns.
    type: int
    default: 30
  dest:
    description: Where to write the page, in HTML with pictures.
    type: path
  audit:
    description: Whether to show, instead of the status, how the cluster compares with the CIS Kubernetes Benchmark.
    type: bool
    default: false
attributes:
  check_mode:
    description: Shows the same, and does not write O(dest).
    support: full
  diff_mode:
    description: The page is new each time, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Show it
  bramble.kube.status_report:
    cluster: "{{ status_cluster.cluster }}"
    dest: report.html
  run_once: true
"""

RETURN = r"""
findings:
  description: What is wrong, the worst first.
  returned: without O(audit=true)
  type: list
  elements: dict
  contains:
    check:
      description: The check's name.
      type: str
    severity:
      description: V(bad), V(warn) or V(note).
      type: str
    subject:
      description: The Pi, Pod or other thing that it is about.
      type: str
    cause:
      description: What is wrong and why.
      type: str
    remedy:
      description: What to do about it.
      type: str
    sentence:
      description: All of it in one sentence.
      type: str
troubles:
  description: The sentences of what does not work (severity V(bad)), or of audited items that fail.
  returned: always
  type: list
  elements: str
audited:
  description: The audited items, each with C(id), C(title), C(verdict) (V(pass), V(fail), V(explained), V(unknown),
    V(not checked)), C(found), C(reason).
  returned: with O(audit=true)
  type: list
  elements: dict
"""
