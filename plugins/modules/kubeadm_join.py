#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_join
short_description: A machine's membership in a cluster
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Joins a machine to a cluster with C(kubeadm join), unless it is in that cluster already.
  - A join that was cut short is done again, and so is one of whose files the kubelet lacks one that it cannot start
    without. A machine that belongs to another cluster is refused, with that cluster's address.
  - Runs on the machine that joins, as root.
options:
  config:
    description: The configuration for C(kubeadm join --config), as text. It holds a token and is never shown.
    type: str
    required: true
  endpoint:
    description: The API server's address, C(host:port).
    type: str
    required: true
  ca_cert_hashes:
    description:
      - The hashes of the cluster's CAs, by which the right cluster is known. Empty only in check mode, before there
        is a cluster.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    description: Tells what would be done, also where kubeadm is not installed yet.
    support: full
  diff_mode:
    description: What kubeadm writes is new as a whole, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Join
  bramble.kube.kubeadm_join:
    config: "{{ lookup('ansible.builtin.template', 'kubeadm-join.yaml.j2') }}"
    endpoint: "{{ token.endpoint }}"
    ca_cert_hashes: "{{ token.ca_cert_hashes }}"
"""

RETURN = r"""
did:
  description: What was done, C(nothing), C(join) or C(tidy) (remains of a join that was cut short at its end).
  returned: always
  type: str
why:
  description: The reason for it.
  returned: always
  type: str
"""

import glob
import os
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.redact import redact
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import join_rules as rules
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.ca import CertificateError, ca_cert_hashes
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.init_rules import reason
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import KubeconfigError, parse_kubeconfig
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.machine_lock import carry_out
from ansible_collections.bramble.kube.plugins.module_utils.pi.facts import CLUSTER_CA, KUBELET_CONFIG, kubelet_lacks

KUBELET_CONF = "/etc/kubernetes/kubelet.conf"
BOOTSTRAP_CONF = "/etc/kubernetes/bootstrap-kubelet.conf"
API_SERVER = "/etc/kubernetes/manifests/kube-apiserver.yaml"
KUBELET_PKI = "/var/lib/kubelet/pki"
# A tmpfs: the token in it never comes to the card.
JOIN_CONFIG = "/run/bramble.kube/kubeadm-join.yaml"
#: Seconds after which a cluster has noticed that a kubelet is silent (node-monitor-grace-period is 50), and some more.
UNNOTICED = 120


def _hash(pem: str) -> str:
    try:
        return ca_cert_hashes(pem)[0] if pem else ""
    except CertificateError:
        return ""


def read_member() -> rules.Member:
    """Look at what join writes."""
    server, pem = "", place.text(CLUSTER_CA)
    text = place.text(KUBELET_CONF)
    if text:
        try:
            cluster = parse_kubeconfig(text)
            server, pem = cluster.server, cluster.ca_pem or place.text(cluster.ca_file)
        except KubeconfigError:
            pass  # damaged, so that the kubelet cannot be in any cluster by it
    complete = bool(server) and os.path.exists(KUBELET_CONFIG) and not os.path.exists(BOOTSTRAP_CONF)
    anything = any(os.path.exists(path) for path in (BOOTSTRAP_CONF, CLUSTER_CA, KUBELET_CONF))
    lacks = kubelet_lacks(System(), time.time())
    return rules.Member(server, _hash(pem), anything and not complete, lacks, os.path.exists(API_SERVER))


def clear_leftovers(module: AnsibleModule, hashes: tuple[str, ...]) -> None:
    """Take away what a join that did not finish wrote, so that kubeadm's checks pass."""
    module.run_command(["systemctl", "stop", "kubelet"])
    keep = _hash(place.text(CLUSTER_CA)) in hashes and not read_member().lacks
    for path in (BOOTSTRAP_CONF, CLUSTER_CA, KUBELET_CONF):
        if os.path.exists(path):
            place.write(place.Wanted(path, None))
    if not keep:
        for path in glob.glob(KUBELET_PKI + "/kubelet-client-*"):
            os.unlink(path)


def join(module: AnsibleModule, hashes: tuple[str, ...]) -> None:
    """Run kubeadm join, and again as long as the cluster takes the kubelet that was stopped here for alive.

    What it wrote goes away if it fails before the cluster accepted the machine.
    """
    deadline = time.monotonic() + UNNOTICED
    while True:
        place.write(place.Wanted(JOIN_CONFIG, module.params["config"].encode(), 0o600, secret=True))
        try:
            code, output, error = module.run_command(
                ["kubeadm", "join", "--config", JOIN_CONFIG], environ_update={"LC_ALL": "C"}
            )
        finally:
            os.unlink(JOIN_CONFIG)
        if not code:
            return
        if not rules.is_still_known(error or output) or time.monotonic() > deadline:
            raise Stop(f"kubeadm join failed: {redact(reason(error or output))}.")
        clear_leftovers(module, hashes)
        time.sleep(5)


def run(module: AnsibleModule) -> dict:
    """Find out what is to be done, and do it."""
    endpoint, hashes = module.params["endpoint"], tuple(module.params["ca_cert_hashes"])
    if not module.check_mode and not (endpoint and hashes):
        raise Stop("endpoint and ca_cert_hashes are empty: the module kubeadm_token on the master returns them.")
    member = read_member()
    step = rules.next_step(member, endpoint, hashes)
    if step.do == "refuse":
        raise Stop(
            f"{step.why[0].upper()}{step.why[1:]}."
            " If nothing on it is worth keeping, 'kubeadm reset --force' on it takes it out of there, and the next run"
            " adds it here."
        )
    if not module.check_mode:
        if step.do == "join":
            if member.leftover or member.lacks:
                clear_leftovers(module, hashes)
            join(module, hashes)
        elif step.do == "tidy" and os.path.exists(BOOTSTRAP_CONF):
            place.write(place.Wanted(BOOTSTRAP_CONF, None))
    return {"changed": step.do != "nothing", "did": step.do, "why": step.why}


def main() -> None:
    """Read the options, act, report."""
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "str", "required": True, "no_log": True},
            "endpoint": {"type": "str", "required": True},
            "ca_cert_hashes": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    carry_out(module, run)


if __name__ == "__main__":
    main()
