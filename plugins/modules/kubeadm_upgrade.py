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
  - Runs C(kubeadm upgrade apply) on the control plane or C(kubeadm upgrade node) on another machine, with the kubeadm
    that is installed.
  - Writes down what it has begun, so that an upgrade that was cut short is known and finished by the next run.
  - A cut can fall between kubeadm taking away the old manifest of a static Pod and putting down the new one, and then
    there is no etcd or API server. The old manifest is brought back from kubeadm's own copy.
  - Where kubeadm can do it apart (from 1.32 on), CoreDNS is upgraded when kube-proxy has the new release on every
    machine. Both at once would lose look-ups, for a machine whose kube-proxy is being replaced does not hear where
    CoreDNS has moved.
  - kubeadm leaves a copy of etcd's data with each upgrade; all but the newest are removed after a success, for they
    fill the card.
  - Runs on that machine, as root.
options:
  state:
    description:
      - V(mended) brings back manifests that a cut has taken, waits for the API server and tells what there is. It
        changes nothing on a machine on which no upgrade was cut short.
      - V(applied) upgrades the control plane.
      - V(node) upgrades another machine's configuration.
    type: str
    choices: [mended, applied, node]
    required: true
  version:
    description: The wanted release, for O(state=applied).
    type: str
  ignore_preflight_errors:
    description: Checks of kubeadm whose verdict is ignored.
    type: list
    elements: str
    default: []
  api_timeout:
    description: Seconds to wait for the API server before anything is done.
    type: int
    default: 240
  addon_timeout:
    description: Seconds that kube-proxy and CoreDNS may each take to come with the new release, for O(state=applied).
    type: int
    default: 600
attributes:
  check_mode:
    description: Tells what would be done.
    support: full
  diff_mode:
    description: kubeadm decides what it writes, so there is nothing to compare beforehand.
    support: none
"""

EXAMPLES = r"""
- name: Bring back what a cut has taken
  bramble.kube.kubeadm_upgrade:
    state: mended
  register: upgrade_control_plane

- name: Upgrade the control plane
  bramble.kube.kubeadm_upgrade:
    state: applied
    version: "1.37.2"
"""

RETURN = r"""
mended:
  description: Static Pods whose manifest was brought back.
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

import glob
import shutil
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.redact import redact
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import coredns as dns
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.init_rules import reason
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.machine_lock import carry_out
from ansible_collections.bramble.kube.plugins.module_utils.nodes import upgrade_plan as rules
from ansible_collections.bramble.kube.plugins.module_utils.nodes.readiness import last_errors

KUBERNETES = "/etc/kubernetes"
MANIFESTS = KUBERNETES + "/manifests"
COPIES = KUBERNETES + "/tmp"
MARK = KUBERNETES + "/kubeadm-upgrade.unfinished"
ADMIN = KUBERNETES + "/admin.conf"


def unfinished() -> str:
    """The release that an earlier run began to bring and did not finish."""
    return place.text(MARK).strip()


def tags() -> dict[str, str]:
    """Image tag of each static Pod."""
    return {name: rules.image_tag(place.text(f"{MANIFESTS}/{name}.yaml")) for name in rules.STATIC_PODS}


def newest_copy(name: str) -> str:
    """kubeadm's newest copy of a static Pod's manifest; "" when there is none that is whole."""
    found = glob.glob(f"{COPIES}/kubeadm-backup-manifests-*/{name}.yaml")
    for path in sorted(found, reverse=True):  # the folders' names end with the time
        text = place.text(path)
        if rules.image_tag(text):
            return text
    return ""


def mend(check: bool) -> list[str]:
    """Bring back the manifests that a cut upgrade has taken away or left damaged.

    :returns: the static Pods that were missing.
    """
    if not unfinished():
        return []
    missing = [name for name, tag in tags().items() if not tag]
    for name in missing:
        copy = newest_copy(name)
        if not copy:
            raise Stop(
                f"{MANIFESTS}/{name}.yaml is missing, and kubeadm has left no copy of it in {COPIES}:"
                " playbooks/restore.yml brings the control plane back from a backup."
            )
        if not check:
            place.write(place.Wanted(f"{MANIFESTS}/{name}.yaml", copy.encode(), 0o600))
    return missing


def wait_for_api(module: AnsibleModule) -> None:
    """Wait until the API server says that it is ready."""
    deadline = time.monotonic() + module.params["api_timeout"]
    while True:
        code, _output, error = module.run_command(
            ["kubectl", "--kubeconfig", ADMIN, "--request-timeout", "10s", "get", "--raw", "/readyz"]
        )
        if code == 0:
            return
        if time.monotonic() >= deadline:
            break
        time.sleep(1)
    journal = ["journalctl", "--unit", "kubelet", "--boot", "--no-pager", "--lines", "200", "--output", "cat"]
    _code, output, _error = module.run_command(journal)
    told = " / ".join(last_errors(redact(output), 2)) or (error.strip().splitlines() or ["no answer"])[-1]
    raise Stop(
        f"The API server has not been ready for {module.params['api_timeout']} seconds, so nothing can be upgraded. The"
        f" kubelet says: {told}"
    )


def tidy() -> None:
    """Remove kubeadm's copies of etcd's data but the newest."""
    for path in sorted(glob.glob(COPIES + "/kubeadm-backup-etcd*"))[:-1]:
        shutil.rmtree(path, ignore_errors=True)


def kubeadm(module: AnsibleModule, *arguments: str) -> None:
    """Run kubeadm upgrade; its error is for the user."""
    code, output, error = module.run_command(["kubeadm", "upgrade", *arguments], environ_update={"LC_ALL": "C"})
    if code:
        command = " ".join(word for word in arguments if not word.startswith("-"))
        raise Stop(f"kubeadm upgrade {command} failed: {redact(reason(error or output))}.")


def ignored(module: AnsibleModule) -> list[str]:
    """kubeadm's arguments about checks whose verdict is ignored."""
    checks = module.params["ignore_preflight_errors"]
    return ["--ignore-preflight-errors=" + ",".join(checks)] if checks else []


def wait_for_rollout(module: AnsibleModule, kind: str, name: str) -> None:
    """Wait until all Pods of a part of the cluster are new and ready; nothing to wait for without that part."""
    kubectl = ["kubectl", "--kubeconfig", ADMIN, "--namespace", "kube-system"]
    _code, found, _error = module.run_command([*kubectl, "get", kind, name, "--ignore-not-found", "--output=name"])
    if not found.strip():
        return
    seconds = module.params["addon_timeout"]
    command = [*kubectl, "rollout", "status", f"{kind}/{name}", f"--timeout={seconds}s"]
    code, output, error = module.run_command(command)
    if code:
        told = (output + error).strip().splitlines() or ["kubectl says nothing"]
        raise Stop(
            f"{name} has not come with the new release on every machine within {seconds} seconds ({told[-1]}):"
            f" 'kubectl -n kube-system describe {kind} {name}' and its Pods tell why. Mend that and run this again."
        )


def apply(module: AnsibleModule, version: str) -> None:
    """Upgrade the control plane, then kube-proxy, then CoreDNS."""

    def kubectl(*arguments: str) -> tuple[int, str, str]:
        return module.run_command(["kubectl", "--kubeconfig", ADMIN, *arguments])

    # Of a cluster that was made without; CoreDNS has taken it over until its own turn comes.
    dns.let_it_end_slowly(kubectl, dns.read(kubectl))
    _code, known, _error = module.run_command(["kubeadm", "upgrade", "apply", "--help"])
    apart = "--skip-phases" in known
    later = ["--skip-phases=addon/coredns"] if apart else []
    kubeadm(module, "apply", f"v{version}", "--yes", *later, *ignored(module))
    wait_for_rollout(module, "daemonset", "kube-proxy")
    if apart:
        kubeadm(module, "apply", "phase", "addon", "coredns", f"v{version}")
    dns.let_it_end_slowly(kubectl, dns.read(kubectl))  # kubeadm may have brought its own back
    wait_for_rollout(module, "deployment", "coredns")


def run(module: AnsibleModule) -> dict:
    """Mend, and upgrade if asked to."""
    state, version, check = module.params["state"], module.params["version"], module.check_mode
    mended: list[str] = []
    if state != "node":
        mended = mend(check)
        if not check:
            wait_for_api(module)
    changed = bool(mended)
    if state != "mended":
        changed = True
        if state == "node" and not check:
            kubeadm(module, "node", *ignored(module))
        elif not check:
            place.write(place.Wanted(MARK, version.encode() + b"\n", 0o600))
            apply(module, version)
            tidy()
            place.write(place.Wanted(MARK, None))
    return {"changed": changed, "mended": mended, "tags": tags(), "unfinished": unfinished()}


def main() -> None:
    """Read the options, act, report."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["mended", "applied", "node"], "required": True},
            "version": {"type": "str"},
            "ignore_preflight_errors": {"type": "list", "elements": "str", "default": []},
            "api_timeout": {"type": "int", "default": 240},
            "addon_timeout": {"type": "int", "default": 600},
        },
        required_if=[("state", "applied", ["version"])],
        supports_check_mode=True,
    )
    carry_out(module, run)


if __name__ == "__main__":
    main()
