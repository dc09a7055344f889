# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Runs kubeadm, and kubectl as the administrator, on the machine of a control plane."""

from __future__ import annotations

import itertools
import time

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done, System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.init_rules import reason

ADMIN = "/etc/kubernetes/admin.conf"
_NOT_FOUND = 127


def kubeadm(system: System, *arguments: str) -> None:
    """Run kubeadm.

    :raises Stop: with its own words when it fails.
    """
    done = system.call(["kubeadm", *arguments])
    if done.code:
        shown = " ".join(itertools.takewhile(lambda word: not word.startswith("-"), arguments))
        raise Stop(f"kubeadm {shown} failed: {reason(done.errors or done.output)}.")


def kubectl(system: System, *arguments: str, seconds: int = 15) -> Done:
    """Run kubectl.

    :param seconds: after which it gives up a request; 0 for never.
    :raises Stop: when it is not installed.
    """
    done = system.call(["kubectl", "--kubeconfig", ADMIN, f"--request-timeout={seconds}s", *arguments])
    if done.code == _NOT_FOUND:
        raise Stop(f"{done.errors}.")
    return done


def api_trouble(system: System, seconds: float) -> str:
    """Wait until the API server says that it is ready.

    :returns: what it said last instead; empty when it is ready.
    """
    deadline = time.monotonic() + seconds
    while True:
        done = kubectl(system, "get", "--raw", "/readyz", seconds=10)
        if done.code == 0:
            return ""
        if time.monotonic() >= deadline:
            return (done.errors or done.output).strip() or "no answer"
        time.sleep(1)
