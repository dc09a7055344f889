# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that renews a control plane's certificates before they end, and lets its programs read them."""

from __future__ import annotations

import base64
import binascii
import os
import re
import signal
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import certificates as rules
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.ca import CertificateError, validity
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.command import kubeadm
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubelet import KUBELET_CLIENT, KUBELET_CONF
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.machine_lock import alone
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.static_pods import API_SERVER

OPTIONS = {
    "renew_days": {"type": "int", "default": 90},
    "config": {"type": "path", "default": "/etc/kubernetes/kubeadm-init.yaml"},
    "timeout": {"type": "int", "default": 400},
}
KUBERNETES = "/etc/kubernetes"


def _pem(text: str) -> str:
    """The certificate in a file's text: as it is, or inside a kubeconfig."""
    embedded = re.search(r"client-certificate-data:\s*\"?([A-Za-z0-9+/=]+)", text)
    if not embedded:
        return text
    try:
        return base64.b64decode(embedded.group(1)).decode("ascii", "replace")
    except binascii.Error:
        return ""


def ends(system: System) -> dict[str, datetime]:
    """When each certificate that is there ends; one that cannot be read has ended long ago."""
    found = {}
    for name in (*rules.RENEWED, *rules.AUTHORITIES):
        path = f"{KUBERNETES}/{name}"
        if system.exists(path):
            try:
                found[name] = validity(_pem(system.text(path)))[1]
            except CertificateError:
                found[name] = datetime.fromtimestamp(0, timezone.utc)
    return found


def started(system: System) -> dict[str, tuple[int, float]]:
    """For each program of the control plane that runs its process and when that started."""
    found = {}
    uptime, ticks, now = float(system.text("/proc/uptime").split()[0]), os.sysconf("SC_CLK_TCK"), time.time()
    for pid in filter(str.isdigit, system.names("/proc")):
        try:
            name = os.path.basename(system.text(f"/proc/{pid}/cmdline").partition("\0")[0])
            if name in rules.PROGRAMS:
                found[name] = (int(pid), rules.start_time(system.text(f"/proc/{pid}/stat"), uptime, now, ticks))
        except (OSError, IndexError, ValueError):
            continue  # it has just ended
    return found


def outdated(system: System) -> list[str]:
    """Programs that have not read what is on the disk."""
    names = [name for files in rules.PROGRAMS.values() for name in files]
    paths = {name: system.path(f"{KUBERNETES}/{name}") for name in names}
    written = {name: os.stat(path).st_mtime for name, path in paths.items() if os.path.exists(path)}
    return rules.outdated({name: begun for name, (_pid, begun) in started(system).items()}, written)


def restart(system: System, name: str, timeout: float) -> None:
    """End a program, which the kubelet restarts, and wait until it runs."""
    old = started(system).get(name, (0, 0.0))[0]
    if old:
        os.kill(old, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while started(system).get(name, (old, 0.0))[0] == old:
        if time.monotonic() > deadline:
            raise Stop(
                f"{name} was stopped to read its new certificate, and has not started again within {timeout:.0f} s:"
                " 'journalctl -u kubelet -n 50' on the master shows why."
            )
        time.sleep(0.5)


def kubelet_needs_new(system: System, now: datetime) -> bool:
    """Whether the master's kubelet can no longer prove who it is."""
    text = system.text(KUBELET_CONF)
    if not text:
        return True
    try:
        return "client-certificate:" in text and validity(system.text(KUBELET_CLIENT))[1] <= now
    except CertificateError:
        return True


def renew_kubelet(system: System, config: str, timeout: int) -> None:
    """Give the kubelet a new certificate by the CA, as kubeadm init does."""
    for path in (KUBELET_CONF, KUBELET_CLIENT):
        system.write(path, None)
    kubeadm(system, "init", "phase", "kubeconfig", "kubelet", "--config", config)
    system.call(["systemctl", "restart", "kubelet"])
    deadline = time.monotonic() + timeout
    while not system.exists(KUBELET_CLIENT):
        if time.monotonic() > deadline:
            raise Stop(
                "The master's kubelet got a new kubelet.conf, but no certificate of its own in"
                f" {timeout} s: 'journalctl -u kubelet -n 50' on the master shows why."
            )
        time.sleep(1)
    kubeadm(system, "init", "phase", "kubelet-finalize", "all", "--config", config)


@alone
def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Find out what is to be done, and do it."""
    config, now = options["config"], datetime.now(timezone.utc)
    # Without its final name init was never finished, and kubeadm_init begins again.
    if not system.exists(config) or not system.exists(API_SERVER):
        return {"changed": False, "renewed": [], "restarted": [], "kubelet": False, "ends": None}
    before = ends(system)
    plan, kubelet = rules.plan(before, now, options["renew_days"]), kubelet_needs_new(system, now)
    if plan.dead_authority:
        raise Stop(
            f"{KUBERNETES}/{plan.dead_authority} expired on {before[plan.dead_authority]:%Y-%m-%d}, and nothing can"
            " be renewed with it: https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/ says how to "
            "give a cluster a new CA."
        )
    if plan.ending and not check:
        kubeadm(system, "certs", "renew", "all", "--config", config)
    if kubelet and not check:
        renew_kubelet(system, config, options["timeout"])
    stale = list(rules.PROGRAMS) if plan.ending and check else outdated(system)
    for name in [] if check else stale:
        restart(system, name, options["timeout"])
    after = ends(system)
    first = rules.soonest(after)
    result = {
        "changed": bool(plan.ending or kubelet or stale),
        "renewed": list(plan.ending),
        "restarted": stale,
        "kubelet": kubelet,
        "ends": first.strftime("%Y-%m-%dT%H:%M:%SZ") if first else None,
    }
    if plan.ending:
        result["diff"] = {"before": _lines(before), "after": "renewed\n" if check else _lines(after)}
    return result


def _lines(found: Mapping[str, datetime]) -> str:
    return "".join(f"{name} ends {found[name]:%Y-%m-%d}\n" for name in rules.RENEWED if name in found)
