#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_certs
short_description: The control plane's certificates, renewed before they end or after they have
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Renews all certificates of the control plane with C(kubeadm certs renew), when one of them has few days left, and
    starts the programs that hold old ones anew, one after the other.
  - A run that was cut short between the two is finished by the next one.
  - Gives the master's kubelet a new C(kubelet.conf) when its own certificate has ended, or when the file is gone.
  - Runs on the machine of the control plane, as root. Does nothing where there is no control plane.
options:
  renew_days:
    description: Certificates are renewed when one of them has fewer days left.
    type: int
    default: 90
  config:
    description: The configuration with which the control plane was made.
    type: path
    default: /etc/kubernetes/kubeadm-init.yaml
  timeout:
    description:
      - Seconds to wait until a restarted program runs again. The kubelet waits up to five minutes before it
        starts one anew that has ended often.
    type: int
    default: 400
attributes:
  check_mode:
    description: Tells what would be renewed.
    support: full
  diff_mode:
    description: Shows when the certificates end.
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
  description: When the first certificate ends, RFC 3339 in UTC; null where there is no control plane.
  returned: always
  type: str
"""

import base64
import binascii
import os
import re
import signal
import time
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.redact import redact
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import certificates as renewal
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.ca import CertificateError, validity
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.init_rules import reason
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.machine_lock import carry_out

KUBERNETES = "/etc/kubernetes"
KUBELET_CONF = KUBERNETES + "/kubelet.conf"
KUBELET_CLIENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"


def _text(path: str) -> str:
    return (place.read(path) or b"").decode("utf-8", "replace")


def _pem(path: str) -> str:
    """The certificate in a file: as it is, or inside a kubeconfig."""
    text = _text(path)
    embedded = re.search(r"client-certificate-data:\s*\"?([A-Za-z0-9+/=]+)", text)
    if not embedded:
        return text
    try:
        return base64.b64decode(embedded.group(1)).decode("ascii", "replace")
    except binascii.Error:
        return ""


def ends() -> dict[str, datetime]:
    """When each certificate that is there ends; one that cannot be read has ended long ago."""
    found = {}
    for name in (*renewal.RENEWED, *renewal.AUTHORITIES):
        path = f"{KUBERNETES}/{name}"
        if os.path.exists(path):
            try:
                found[name] = validity(_pem(path))[1]
            except CertificateError:
                found[name] = datetime.fromtimestamp(0, timezone.utc)
    return found


def started() -> dict[str, tuple[int, float]]:
    """For each program of the control plane that runs its process and when that started."""
    found = {}
    uptime, ticks, now = float(_text("/proc/uptime").split()[0]), os.sysconf("SC_CLK_TCK"), time.time()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            name = os.path.basename(_text(f"/proc/{pid}/cmdline").partition("\0")[0])
            if name in renewal.PROGRAMS:
                found[name] = (int(pid), renewal.start_time(_text(f"/proc/{pid}/stat"), uptime, now, ticks))
        except (OSError, IndexError, ValueError):
            continue  # it has just ended
    return found


def outdated() -> list[str]:
    """Programs that have not read what is on the disk."""
    names = [name for files in renewal.PROGRAMS.values() for name in files]
    paths = {name: f"{KUBERNETES}/{name}" for name in names}
    written = {name: os.stat(path).st_mtime for name, path in paths.items() if os.path.exists(path)}
    return renewal.outdated({name: begun for name, (_pid, begun) in started().items()}, written)


def restart(name: str, timeout: float) -> None:
    """End a program, which the kubelet restarts, and wait until it runs."""
    old = started().get(name, (0, 0.0))[0]
    if old:
        os.kill(old, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while started().get(name, (old, 0.0))[0] == old:
        if time.monotonic() > deadline:
            raise Stop(
                f"{name} was ended, so that it reads its new certificate, and has not come back in {timeout:.0f} s:"
                " 'journalctl -u kubelet -n 50' on the master tells why."
            )
        time.sleep(0.5)


def run_kubeadm(module: AnsibleModule, *arguments: str) -> None:
    """Run kubeadm; its error is for the user."""
    code, output, error = module.run_command(["kubeadm", *arguments], environ_update={"LC_ALL": "C"})
    if code:
        raise Stop(f"kubeadm {' '.join(arguments[:3])} failed: {redact(reason(error or output))}.")


def kubelet_needs_new(now: datetime) -> bool:
    """Whether the master's kubelet can no longer prove who it is."""
    if not _text(KUBELET_CONF):
        return True
    try:
        return "client-certificate:" in _text(KUBELET_CONF) and validity(_text(KUBELET_CLIENT))[1] <= now
    except CertificateError:
        return True


def renew_kubelet(module: AnsibleModule, config: str) -> None:
    """Give the kubelet a new certificate by the CA, as kubeadm init does."""
    for path in (KUBELET_CONF, KUBELET_CLIENT):
        if os.path.lexists(path):
            place.write(place.Wanted(path, None))
    run_kubeadm(module, "init", "phase", "kubeconfig", "kubelet", "--config", config)
    module.run_command(["systemctl", "restart", "kubelet"])
    deadline = time.monotonic() + module.params["timeout"]
    while not os.path.exists(KUBELET_CLIENT):
        if time.monotonic() > deadline:
            raise Stop(
                "The master's kubelet got a new kubelet.conf, but no certificate of its own in"
                f" {module.params['timeout']} s: 'journalctl -u kubelet -n 50' on the master tells why."
            )
        time.sleep(1)
    run_kubeadm(module, "init", "phase", "kubelet-finalize", "all", "--config", config)


def run(module: AnsibleModule) -> dict:
    """Find out what is to be done, and do it."""
    config, now = module.params["config"], datetime.now(timezone.utc)
    nothing = {"changed": False, "renewed": [], "restarted": [], "kubelet": False, "ends": None}
    # Without its final name init was never finished, and kubeadm_init begins again.
    if not os.path.exists(config) or not os.path.exists(KUBERNETES + "/manifests/kube-apiserver.yaml"):
        return nothing
    before = ends()
    plan = renewal.plan(before, now, module.params["renew_days"])
    kubelet = kubelet_needs_new(now)
    if plan.dead_authority:
        raise Stop(
            f"{KUBERNETES}/{plan.dead_authority} has ended on {before[plan.dead_authority]:%Y-%m-%d}, and nothing can"
            " be renewed with it: https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/ tells how a"
            " cluster gets a new CA."
        )
    if plan.ending and not module.check_mode:
        run_kubeadm(module, "certs", "renew", "all", "--config", config)
    if kubelet and not module.check_mode:
        renew_kubelet(module, config)
    stale = list(renewal.PROGRAMS) if plan.ending and module.check_mode else outdated()
    if not module.check_mode:
        for name in stale:
            restart(name, module.params["timeout"])
    after = ends()
    first = renewal.soonest(after)
    result = {
        "changed": bool(plan.ending or kubelet or stale),
        "renewed": list(plan.ending),
        "restarted": stale,
        "kubelet": kubelet,
        "ends": first.strftime("%Y-%m-%dT%H:%M:%SZ") if first else None,
    }
    if plan.ending:
        old = "".join(f"{name} ends {before[name]:%Y-%m-%d}\n" for name in renewal.RENEWED if name in before)
        new = "".join(f"{name} ends {after[name]:%Y-%m-%d}\n" for name in renewal.RENEWED if name in after)
        result["diff"] = {"before": old, "after": new if not module.check_mode else "renewed\n"}
    return result


def main() -> None:
    """Read the options, act, report."""
    module = AnsibleModule(
        argument_spec={
            "renew_days": {"type": "int", "default": 90},
            "config": {"type": "path", "default": "/etc/kubernetes/kubeadm-init.yaml"},
            "timeout": {"type": "int", "default": 400},
        },
        supports_check_mode=True,
    )
    carry_out(module, run)


if __name__ == "__main__":
    main()
