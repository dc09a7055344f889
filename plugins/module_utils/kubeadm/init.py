# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that makes a control plane, joins one to others, or finishes that."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import coredns, encryption, kubelet_journal
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import init_rules as rules
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.ca import CertificateError
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.command import ADMIN, kubeadm, kubectl
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.join import JOIN_CONFIG
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import KubeconfigError, identity
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubelet import KUBELET_CONF
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.machine_lock import alone
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.static_pods import API_SERVER

OPTIONS = {
    "config": {"type": "str", "required": True},
    "config_path": {"type": "path", "default": "/etc/kubernetes/kubeadm-init.yaml"},
    "node_name": {"type": "str", "required": True},
    "skip_addons": {"type": "list", "elements": "str", "choices": ["coredns", "kube-proxy"], "default": []},
    "schedulable": {"type": "bool"},
    "encryption_config": {"type": "path"},
    "join_config": {"type": "str", "default": "", "no_log": True},
    "shared_files": {"type": "dict", "default": {}, "no_log": True},
    "api_timeout": {"type": "int", "default": 240},
}
#: For pi_due: further results that say that there is something to do or show, and those that later tasks want to know.
UNFINISHED = ("settings_differ", "warned")
TOLD = ("cluster_ca_sha256", "admin_kubeconfig_sha256", "server")
KUBERNETES = "/etc/kubernetes"
SUPER_ADMIN = KUBERNETES + "/super-admin.conf"
ETCD = "/var/lib/etcd"
SOCKET = "unix:///run/containerd/containerd.sock"
WRITTEN_BY_INIT = (
    ADMIN,
    SUPER_ADMIN,
    KUBELET_CONF,
    API_SERVER,
    KUBERNETES + "/manifests/etcd.yaml",
    KUBERNETES + "/pki/ca.key",
)
#: Seconds that the API server of an init that was cut short may take to answer.
CUT = 20


class Init:
    """One machine and what is to be a control plane on it."""

    def __init__(self, system: System, options: Mapping[str, Any], check: bool) -> None:
        self.system, self.options, self.check = system, options, check
        self.name, self.skipped = options["node_name"], tuple(options["skip_addons"])
        self.config, self.kept = options["config"].encode(), options["config_path"]
        #: Name of the configuration while init runs.
        self.unfinished = self.kept + ".unfinished"
        #: Its name while a join is at work: another one, because keepalived gives an unfinished init the address.
        self.joining = self.kept + ".joining"

    # What there is ----------------------------------------------------------------------------------------------------

    def lost_files(self) -> list[str]:
        """Files that are missing on a control plane which this step has finished earlier."""
        if not self.system.exists(self.kept):
            return []
        present = {name for name in rules.ESSENTIAL if self.system.exists(f"{KUBERNETES}/{name}")}
        return [f"{KUBERNETES}/{name}" for name in rules.lost(present)] if present else []

    def remains(self) -> rules.Remains:
        """What init has written."""
        return rules.Remains(
            any=any(map(self.system.exists, WRITTEN_BY_INIT)),
            manifests=bool(self.system.text(API_SERVER)),
            admin=bool(self.system.text(ADMIN)),
            finalized=rules.finalized(self.system.text(KUBELET_CONF)),
            own=self.system.exists(self.joining if self.is_to_join() else self.unfinished),
        )

    def is_to_join(self) -> bool:
        """Whether this is to be one of several control planes, and is not yet one of them."""
        begun = self.system.exists(self.joining)
        return begun or (bool(self.options["join_config"]) and not self.system.exists(self.kept))

    def ask(self) -> rules.Answer | None:
        """Ask the API server once; None when it does not answer."""
        done = kubectl(
            self.system,
            *("get", "--namespace", "kube-system", "--ignore-not-found", "--output", "json"),
            *("configmap/kubeadm-config", "configmap/coredns", "deployment/coredns", "daemonset/kube-proxy"),
            f"node/{self.name}",
        )
        if done.code:
            return None
        answer = rules.read_answer(done.output, self.name, self.skipped)
        if answer.config and not answer.missing:
            return answer
        nodes = kubectl(self.system, "get", "nodes", "--output", "name")
        if nodes.code:
            return None
        return rules.Answer(answer.config, answer.missing, answer.node, answer.tainted, len(nodes.output.split()))

    def wait(self, seconds: float) -> rules.Answer | None:
        """Ask until the API server answers."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self.ask()
            if answer is not None or time.monotonic() >= deadline:
                return answer
            time.sleep(1)

    def describe(self) -> dict[str, str]:
        """What later tasks want to know about the cluster."""
        admin = self.system.text(ADMIN)
        if not admin:
            return {"cluster_ca_sha256": "", "admin_kubeconfig_sha256": "", "server": ""}
        try:
            server, ca = identity(self.system, ADMIN)
        except (KubeconfigError, CertificateError) as error:
            raise Stop(f"{ADMIN} is not a usable kubeconfig: {error}.") from None
        digest = hashlib.sha256(admin.encode()).hexdigest()
        return {"cluster_ca_sha256": ca, "admin_kubeconfig_sha256": digest, "server": server}

    # What is done -----------------------------------------------------------------------------------------------------

    def kubeadm(self, *arguments: str) -> None:
        """Run kubeadm, which can itself often only say that it waited for the kubelet in vain."""
        try:
            kubeadm(self.system, *arguments)
        except Stop as error:
            errors = kubelet_journal.last_errors(kubelet_journal.read(self.system), 2)
            told = f" The kubelet's last errors: {' / '.join(errors)}" if errors else ""
            raise Stop(f"{error}{told}") from None

    def make_encryption_config(self) -> None:
        """Have a key for Secrets, unless there is one already: with a new one, old Secrets could not be read."""
        path = self.options["encryption_config"]
        if path and not self.system.exists(path):
            content = encryption.configuration(secrets.token_bytes(encryption.KEY_BYTES))
            self.system.write(path, content, 0o600, secret=True)

    def make_etcd_folder(self) -> None:
        """Have it before kubeadm does, closed from the first."""
        os.makedirs(self.system.path(ETCD), mode=0o700, exist_ok=True)
        self.close_etcd_folder()

    def close_etcd_folder(self) -> bool:
        """Let nobody but root into etcd's folder, where all Secrets are, as kubeadm does when it makes it itself.

        :returns: whether something had to be changed.
        """
        folder = self.system.path(ETCD)
        if not os.path.isdir(folder) or not os.stat(folder).st_mode & 0o077:
            return False
        if not self.check:
            os.chmod(folder, 0o700)
        return True

    def remove_super_admin(self) -> bool:
        """Leave no credential on the card that RBAC does not bind.

        kubeadm needs it for nothing but the binding of admin.conf at init (kubernetes/cmd/kubeadm/app/phases/
        kubeconfig), and its renewal and upgrade pass over it where it is not there.

        :returns: whether it was there.
        """
        there = os.path.lexists(self.system.path(SUPER_ADMIN))
        if there and not self.check:
            self.system.write(SUPER_ADMIN, None)
        return there

    def set_schedulable(self, answer: rules.Answer) -> bool:
        """Put the control plane's taint on its node, or take it away.

        :returns: whether something had to be changed.
        """
        wanted = self.options["schedulable"]
        if wanted is None or bool(answer.tainted) != wanted:
            return False
        taints = [f"{key}:NoSchedule-" for key in answer.tainted] if wanted else [rules.TAINTS[0] + "=:NoSchedule"]
        if not self.check:
            done = kubectl(self.system, "taint", "nodes", self.name, *taints, "--overwrite")
            if done.code:
                raise Stop(f"The taint of node {self.name} could not be changed: {done.errors.strip()}.")
        return True

    def join(self) -> None:
        """Join the other control planes, with what is the same on all of them."""
        if not self.options["join_config"]:
            raise Stop("An earlier join of this control plane was interrupted, and this run does not say what to join.")
        self.system.write(self.joining, self.config, 0o600)
        for path, content in sorted(self.options["shared_files"].items()):
            public = path.endswith((".crt", ".pub"))
            self.system.write(path, base64.b64decode(content), 0o644 if public else 0o600, secret=not public)
        self.make_etcd_folder()
        self.system.write(JOIN_CONFIG, self.options["join_config"].encode(), 0o600, secret=True)
        try:
            self.kubeadm("join", "--config", JOIN_CONFIG)
        finally:
            os.unlink(self.system.path(JOIN_CONFIG))
        os.rename(self.system.path(self.joining), self.system.path(self.kept))

    def carry_out(self, step: rules.Step) -> None:
        """Do what there is to do."""
        if step.do == "reset":
            self.kubeadm("reset", "--force", "--cri-socket", SOCKET)
        if self.is_to_join():
            self.join()
        elif step.do in ("init", "reset"):
            self.make_encryption_config()
            self.make_etcd_folder()
            self.system.write(self.unfinished, self.config, 0o600)
            skips = ",".join(f"addon/{name}" for name in self.skipped)
            phases = ["--skip-phases", skips] if skips else []
            self.kubeadm("init", "--config", self.unfinished, "--skip-token-print", *phases)
        present = self.kept if self.system.exists(self.kept) else self.unfinished
        for name in step.addons:
            self.kubeadm("init", "phase", "addon", name, "--config", present)
        if self.system.exists(self.unfinished):
            os.rename(self.system.path(self.unfinished), self.system.path(self.kept))
        if step.do != "nothing":
            coredns.let_it_end_slowly(self.system, coredns.read(self.system))


def decide(init: Init) -> tuple[rules.Step, rules.Answer | None]:
    """Look, and say what is to be done.

    :raises Stop: when nothing may be.
    """
    if init.system.exists(rules.RESTORING):
        raise Stop(
            "A restore was interrupted on this control plane: run the playbook restore.yml again, which finishes it."
        )
    lost = init.lost_files()
    if lost:
        raise Stop(
            f"This is a control plane, and files that it needs are missing: {', '.join(lost)}."
            " The playbook restore.yml restores them from a backup."
        )
    remains, answer = init.remains(), None
    if init.is_to_join():
        step = rules.next_join_step(remains)
        if step.do == "refuse":
            raise Stop(
                f"{step.why[0].upper()}{step.why[1:]}. If nothing on this machine is worth keeping, the playbook "
                "reset.yml with --limit and its name removes them, and the next run of site.yml joins it."
            )
        return step, None
    if remains.manifests and remains.admin:
        # Before kubelet-finalize nothing but a cut init can have left this, so a short wait is enough.
        seconds = init.options["api_timeout"] if remains.finalized else CUT
        answer = init.wait(0 if init.check else seconds)
    step = rules.next_step(remains, answer)
    if step.do == "refuse" and not (init.check and answer is None):
        raise Stop(
            f"{step.why[0].upper()}{step.why[1:]}. 'journalctl -u kubelet -n 50' and 'crictl ps -a' on it show more. "
            "If nothing on it is worth keeping, 'kubeadm reset --force' there removes it, and the next run creates "
            "it again."
        )
    return step, answer


@alone
def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Find out what is to be done, and do it."""
    init, warned = Init(system, options, check), []
    step, answer = decide(init)
    if step.do == "refuse":
        warned.append(f"{step.why}: check mode does not wait for it.")
        step = rules.Step("nothing", step.why)
    if not check:
        init.carry_out(step)
    changed = [step.do != "nothing", init.remove_super_admin()]
    if step.do == "nothing" and answer is not None:
        slowed = coredns.let_it_end_slowly(system, answer.corefile, check)
        changed += [init.set_schedulable(answer), init.close_etcd_folder(), slowed]
    kept = system.text(init.kept)
    return {
        "changed": any(changed),
        "did": step.do,
        "why": step.why,
        "version": answer.version if answer else "",
        "settings_differ": step.do == "nothing" and bool(kept) and kept.encode() != init.config,
        **init.describe(),
        "warned": warned,
    }
