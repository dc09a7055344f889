# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The kubelet of a machine in a cluster: its files, and what it cannot work without."""

from __future__ import annotations

from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.ca import CertificateError, ca_cert_hashes, validity

KUBELET_PKI = "/var/lib/kubelet/pki"
#: Where a kubelet keeps its own certificate, which it renews by itself.
KUBELET_CLIENT = KUBELET_PKI + "/kubelet-client-current.pem"
#: What kubeadm join writes once, and a kubelet does not start without.
KUBELET_CONFIG = "/var/lib/kubelet/config.yaml"
CLUSTER_CA = "/etc/kubernetes/pki/ca.crt"
KUBELET_CONF = "/etc/kubernetes/kubelet.conf"


def kubelet_lacks(system: System, now: float) -> str:
    """What the kubelet of a Pi in a cluster does not have although it cannot work without it; empty when all is there.

    Its own certificate has ended, or it never got one, since it writes kubelet.conf before the cluster has accepted it;
    or somebody deleted or damaged a file that kubeadm join writes once.

    :param now: seconds since 1970.
    """
    joined = system.read(KUBELET_CONF)
    if not system.exists(KUBELET_CLIENT):
        ended = "client-certificate:" in joined
    else:
        try:
            ended = validity(system.read(KUBELET_CLIENT))[1].timestamp() <= now
        except CertificateError:
            ended = False
    if ended:
        return "a valid certificate"
    if joined and not system.read(KUBELET_CONFIG):
        return KUBELET_CONFIG
    if joined:
        try:
            ca_cert_hashes(system.read(CLUSTER_CA))
        except CertificateError:
            return CLUSTER_CA
    return ""
