# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""How long CoreDNS answers after it is asked to stop.

kubeadm gives it five seconds, in which every node has to hear that it is asked no more. A busy Pi's API server and
kube-proxy need longer, and look-ups that still come are lost.
"""

from __future__ import annotations

import json
import re

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.command import kubectl

#: kubeadm's setting (cmd/kubeadm/app/phases/addons/dns/manifests.go), and ours. A Pod is killed after 30 seconds.
_KUBEADMS, OURS = "5s", "20s"
_LAMEDUCK = re.compile(rf"^(\s*lameduck\s+){_KUBEADMS}[ \t]*$", re.MULTILINE)


def patient(corefile: str) -> str:
    """A Corefile with the longer time, unless somebody has chosen another than kubeadm's."""
    return _LAMEDUCK.sub(rf"\g<1>{OURS}", corefile)


def read(system: System) -> str:
    """The cluster's Corefile; "" without one."""
    where = ("--namespace", "kube-system", "configmap", "coredns", "--ignore-not-found")
    return kubectl(system, "get", *where, "--output=jsonpath={.data.Corefile}").output


def let_it_end_slowly(system: System, corefile: str, check: bool = False) -> bool:
    """Give CoreDNS the longer time. Its Pods take it over within two minutes, and new ones at once.

    :param corefile: what there is.
    :returns: whether something had to be changed.
    :raises Stop: when it could not be.
    """
    wanted = patient(corefile)
    if wanted == corefile:
        return False
    if not check:
        patch = json.dumps({"data": {"Corefile": wanted}})
        where = ("--namespace", "kube-system", "configmap", "coredns")
        done = kubectl(system, "patch", *where, "--type=merge", "--patch", patch)
        if done.code:
            raise Stop(
                f"CoreDNS's settings (ConfigMap kube-system/coredns) could not be changed: {done.errors.strip()}."
            )
    return True
