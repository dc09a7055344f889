# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that joins a machine to a cluster, or finishes that."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..common.errors import Stop
from ..common.system import System
from . import join_rules as rules
from .ca import CertificateError, ca_cert_hashes
from .command import kubeadm
from .kubeconfig import KubeconfigError, parse_kubeconfig
from .kubelet import CLUSTER_CA, KUBELET_CONF, KUBELET_CONFIG, KUBELET_PKI, kubelet_lacks
from .machine_lock import alone
from .static_pods import API_SERVER

OPTIONS = {
    "config": {"type": "str", "required": True, "no_log": True},
    "endpoint": {"type": "str", "required": True},
    "ca_cert_hashes": {"type": "list", "elements": "str", "required": True},
}
BOOTSTRAP_CONF = "/etc/kubernetes/bootstrap-kubelet.conf"
# A tmpfs: the token in it never comes to the card.
JOIN_CONFIG = "/run/bramble.kube/kubeadm-join.yaml"
#: What a join writes first.
WRITTEN = (BOOTSTRAP_CONF, CLUSTER_CA, KUBELET_CONF)
#: Seconds after which a cluster has noticed that a kubelet is silent (node-monitor-grace-period is 50), and some more.
UNNOTICED = 120


def _hash(pem: str) -> str:
    try:
        return ca_cert_hashes(pem)[0] if pem else ""
    except CertificateError:
        return ""


def read_member(system: System) -> rules.Member:
    """Look at what join writes."""
    server, pem = "", system.text(CLUSTER_CA)
    text = system.text(KUBELET_CONF)
    if text:
        try:
            cluster = parse_kubeconfig(text)
            server, pem = cluster.server, cluster.ca_pem or system.text(cluster.ca_file)
        except KubeconfigError:
            pass  # damaged, so that the kubelet cannot be in any cluster by it
    complete = bool(server) and system.exists(KUBELET_CONFIG) and not system.exists(BOOTSTRAP_CONF)
    leftover = any(map(system.exists, WRITTEN)) and not complete
    return rules.Member(server, _hash(pem), leftover, kubelet_lacks(system, time.time()), system.exists(API_SERVER))


def clear_leftovers(system: System, hashes: Sequence[str]) -> None:
    """Take away what a join that did not finish wrote, so that kubeadm's checks pass."""
    system.call(["systemctl", "stop", "kubelet"])
    keep = _hash(system.text(CLUSTER_CA)) in hashes and not kubelet_lacks(system, time.time())
    for path in WRITTEN:
        system.write(path, None)
    for name in [] if keep else system.names(KUBELET_PKI):
        if name.startswith("kubelet-client-"):
            os.unlink(system.path(f"{KUBELET_PKI}/{name}"))


def join(system: System, config: str, hashes: Sequence[str]) -> None:
    """Run kubeadm join, and again as long as the cluster takes the kubelet that was stopped here for alive.

    What it wrote goes away if it fails before the cluster accepted the machine.
    """
    deadline = time.monotonic() + UNNOTICED
    while True:
        system.write(JOIN_CONFIG, config.encode(), 0o600, secret=True)
        try:
            return kubeadm(system, "join", "--config", JOIN_CONFIG)
        except Stop as error:
            if not rules.is_still_known(error.args[0]) or time.monotonic() > deadline:
                raise
        finally:
            os.unlink(system.path(JOIN_CONFIG))
        clear_leftovers(system, hashes)
        time.sleep(5)


@alone
def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Find out what is to be done, and do it."""
    endpoint, hashes = options["endpoint"], tuple(options["ca_cert_hashes"])
    if not check and not (endpoint and hashes):
        raise Stop("endpoint and ca_cert_hashes are empty: the module kubeadm_token on the master returns them.")
    member = read_member(system)
    step = rules.next_step(member, endpoint, hashes)
    if step.do == "refuse":
        raise Stop(
            f"{step.why[0].upper()}{step.why[1:]}."
            " If nothing on it is worth keeping, 'kubeadm reset --force' on it removes it from there, and the next run "
            "adds it here."
        )
    if not check:
        if step.do == "join":
            if member.leftover or member.lacks:
                clear_leftovers(system, hashes)
            join(system, options["config"], hashes)
        elif step.do == "tidy":
            system.write(BOOTSTRAP_CONF, None)
    return {"changed": step.do != "nothing", "did": step.do, "why": step.why}
