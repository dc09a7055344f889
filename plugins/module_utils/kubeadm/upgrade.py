# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that brings a control plane, or a node's kubelet, to another release."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import coredns, kubelet_journal
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.command import api_trouble, kubeadm, kubectl
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.machine_lock import alone
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.static_pods import MANIFESTS, STATIC_PODS, image_tag

OPTIONS = {
    "state": {"type": "str", "choices": ["repaired", "applied", "node"], "required": True},
    "version": {"type": "str"},
    "ignore_preflight_errors": {"type": "list", "elements": "str", "default": []},
    "api_timeout": {"type": "int", "default": 240},
    "addon_timeout": {"type": "int", "default": 600},
}
RULES = {"required_if": [("state", "applied", ["version"]), ("state", "node", ["version"])]}
#: Where kubeadm leaves copies of what it replaces.
COPIES = "/etc/kubernetes/tmp"
#: Holds the release while an upgrade is at work, and when one was cut short.
MARK = "/etc/kubernetes/kubeadm-upgrade.unfinished"


def unfinished(system: System) -> str:
    """The release that an earlier run began to bring and did not finish."""
    return system.text(MARK).strip()


def tags(system: System) -> dict[str, str]:
    """Image tag of each static Pod."""
    return {name: image_tag(system.text(f"{MANIFESTS}/{name}.yaml")) for name in STATIC_PODS}


def newest_copy(system: System, name: str) -> str:
    """kubeadm's newest copy of a static Pod's manifest; "" when there is none that is whole."""
    folders = [folder for folder in system.names(COPIES) if folder.startswith("kubeadm-backup-manifests-")]
    texts = (system.text(f"{COPIES}/{folder}/{name}.yaml") for folder in reversed(folders))  # they end with the time
    return next(filter(image_tag, texts), "")


def repair(system: System, check: bool) -> list[str]:
    """Bring back the manifests that a cut upgrade has taken away or left damaged.

    :returns: the static Pods that were missing.
    """
    if not unfinished(system):
        return []
    missing = [name for name, tag in tags(system).items() if not tag]
    for name in missing:
        copy = newest_copy(system, name)
        if not copy:
            raise Stop(
                f"{MANIFESTS}/{name}.yaml is missing, and kubeadm has left no copy of it in {COPIES}:"
                " playbooks/restore.yml restores the control plane from a backup."
            )
        if not check:
            system.write(f"{MANIFESTS}/{name}.yaml", copy.encode(), 0o600)
    return missing


def wait_for_api(system: System, seconds: int) -> None:
    """Wait until the API server says that it is ready."""
    trouble = api_trouble(system, seconds)
    if trouble:
        told = " / ".join(kubelet_journal.last_errors(kubelet_journal.read(system), 2)) or trouble.splitlines()[-1]
        raise Stop(
            f"The API server has not been ready for {seconds} seconds, so nothing can be upgraded. The kubelet says:"
            f" {told}"
        )


def tidy(system: System) -> None:
    """Remove kubeadm's copies of etcd's data but the newest."""
    copies = [name for name in system.names(COPIES) if name.startswith("kubeadm-backup-etcd")]
    for name in copies[:-1]:
        shutil.rmtree(system.path(f"{COPIES}/{name}"), ignore_errors=True)


def wait_for_rollout(system: System, kind: str, name: str, seconds: int) -> None:
    """Wait until all Pods of a part of the cluster are new and ready; nothing to wait for without that part."""
    where = ("--namespace", "kube-system")
    if not kubectl(system, *where, "get", kind, name, "--ignore-not-found", "--output=name").output.strip():
        return
    status = (*where, "rollout", "status", f"{kind}/{name}", f"--timeout={seconds}s")
    done = kubectl(system, *status, seconds=0)
    if done.code:
        told = (done.output + done.errors).strip().splitlines() or ["kubectl says nothing"]
        raise Stop(
            f"{name} does not run in the new release on every machine after {seconds} seconds ({told[-1]}):"
            f" 'kubectl -n kube-system describe {kind} {name}' and its Pods show why. Fix that and run this again."
        )


def bring(system: System, command: list[str], version: str, ignored: list[str], seconds: int) -> None:
    """Upgrade a control plane, then kube-proxy, then CoreDNS. Of several masters, kubeadm leaves these two to the last.

    :param command: of `kubeadm upgrade`, by its name and with its arguments.
    :param version: which the phases of that command are told, if at all.
    :param ignored: kubeadm's arguments about checks whose verdict is ignored.
    :param seconds: which kube-proxy and CoreDNS may take, each.
    """
    # Of a cluster that was made without; CoreDNS has taken it over until its own turn comes.
    coredns.let_it_end_slowly(system, coredns.read(system))
    apart = "/coredns" in system.call(["kubeadm", "upgrade", command[0], "--help"]).output
    later = ["--skip-phases=addon/coredns"] if apart else []
    kubeadm(system, "upgrade", *command, *later, *ignored)
    wait_for_rollout(system, "daemonset", "kube-proxy", seconds)
    if apart:
        kubeadm(system, "upgrade", command[0], "phase", "addon", "coredns", *([version] if version else []))
    coredns.let_it_end_slowly(system, coredns.read(system))  # kubeadm may have brought its own back
    wait_for_rollout(system, "deployment", "coredns", seconds)


@alone
def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Repair, and upgrade if asked to."""
    state, checks = options["state"], options["ignore_preflight_errors"]
    ignored = ["--ignore-preflight-errors=" + ",".join(checks)] if checks else []
    repaired: list[str] = []
    member = bool(unfinished(system) or any(tags(system).values()))
    if state == "applied" or member:
        repaired = repair(system, check)
        if not check:
            wait_for_api(system, options["api_timeout"])
    if state == "node" and not member and not check:
        kubeadm(system, "upgrade", "node", *ignored)
    elif state != "repaired" and not check:
        version = f"v{options['version']}"
        system.write(MARK, options["version"].encode() + b"\n", 0o600)
        command, told = (["apply", version, "--yes"], version) if state == "applied" else (["node"], "")
        bring(system, command, told, ignored, options["addon_timeout"])
        tidy(system)
        system.write(MARK, None)
    changed = state != "repaired" or bool(repaired)
    return {"changed": changed, "repaired": repaired, "tags": tags(system), "unfinished": unfinished(system)}
