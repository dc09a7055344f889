#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_init
short_description: The control plane of a cluster, made once and completely
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Makes the control plane with C(kubeadm init), unless the API server says that it is complete.
  - After an init that was cut short, takes away what it wrote and begins again, or makes the add-ons that are still
    missing.
    It does so only when the cluster was never complete, so that nothing of a user's is lost.
  - A control plane whose API server does not answer is waited for, and never rebuilt.
  - Lets CoreDNS answer for 20 seconds after it was told to end, in place of kubeadm's 5, unless its Corefile has
    another C(lameduck). In that time every node has to hear that it is asked no more.
  - Deletes C(/etc/kubernetes/super-admin.conf) from a complete control plane. Its holder passes by RBAC, nobody uses
    it, and C(kubeadm init phase kubeconfig super-admin) makes it again for an emergency.
  - Runs on the machine of the control plane, as root. Prints no token.
options:
  config:
    description: The configuration for C(kubeadm init --config), as text.
    type: str
    required: true
  config_path:
    description:
      - Where the configuration is kept on the machine, mode 0600. While init runs its name ends in C(.unfinished),
        which tells a
        later run that the control plane was never complete.
    type: path
    default: /etc/kubernetes/kubeadm-init.yaml
  node_name:
    description: Name of the machine's own node in the cluster.
    type: str
    required: true
  skip_addons:
    description: Add-ons of kubeadm that are not wanted, for people who bring another proxy or name server.
    type: list
    elements: str
    choices: [coredns, kube-proxy]
    default: []
  schedulable:
    description:
      - Whether Pods that do not belong to the control plane may run on this node, too. Unset leaves it as it is.
    type: bool
  encryption_config:
    description:
      - Where the API server's EncryptionConfiguration is kept, mode 0600. When init begins and there is none, one with
        a new key is made, by which Secrets are encrypted in etcd. The arguments of the API server have to name it.
    type: path
  api_timeout:
    description: Seconds to wait for the API server of a control plane that is there, after a reboot for example.
    type: int
    default: 240
attributes:
  check_mode:
    description: Tells what would be done, also where kubeadm is not installed yet.
    support: full
  diff_mode:
    description: What kubeadm writes is new as a whole, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Make the control plane
  bramble.kube.kubeadm_init:
    config: "{{ lookup('ansible.builtin.template', 'kubeadm-init.yaml.j2') }}"
    node_name: k8s-master
"""

RETURN = r"""
did:
  description: What was done, C(nothing), C(init), C(reset) (and init) or C(addons).
  returned: always
  type: str
why:
  description: The reason for it.
  returned: always
  type: str
version:
  description: Release of the control plane. Empty in check mode where there is none.
  returned: always
  type: str
  sample: 1.37.2
cluster_ca_sha256:
  description: Hash of the cluster CA's public key, as kubeadm writes it. Empty in check mode where there is none.
  returned: always
  type: str
admin_kubeconfig_sha256:
  description: SHA-256 of the administrator's kubeconfig file, to see whether a copy is current.
  returned: always
  type: str
server:
  description: The API server's address in that kubeconfig.
  returned: always
  type: str
  sample: https://192.168.13.7:6443
settings_differ:
  description: Whether the cluster was made with another configuration than O(config) is now.
  returned: always
  type: bool
"""

import hashlib
import os
import secrets
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.redact import redact
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import coredns as dns
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import encryption
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import init_rules as rules
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.ca import CertificateError, ca_cert_hashes
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import KubeconfigError, parse_kubeconfig
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.machine_lock import carry_out
from ansible_collections.bramble.kube.plugins.module_utils.nodes.readiness import last_errors

KUBERNETES = "/etc/kubernetes"
ADMIN = KUBERNETES + "/admin.conf"
SUPER_ADMIN = KUBERNETES + "/super-admin.conf"
ETCD = "/var/lib/etcd"
WRITTEN_BY_INIT = (
    ADMIN,
    SUPER_ADMIN,
    KUBERNETES + "/kubelet.conf",
    KUBERNETES + "/manifests/kube-apiserver.yaml",
    KUBERNETES + "/manifests/etcd.yaml",
    KUBERNETES + "/pki/ca.key",
)


def lost_files(config_path: str) -> list[str]:
    """Files that are missing on a control plane which this module has finished earlier."""
    if not os.path.exists(config_path):
        return []
    present = {name for name in rules.ESSENTIAL if os.path.exists(f"{KUBERNETES}/{name}")}
    return [f"{KUBERNETES}/{name}" for name in rules.lost(present)] if present else []


def _text(path: str) -> str:
    return (place.read(path) or b"").decode("utf-8", "replace")


def unfinished(config_path: str) -> str:
    """Name of the configuration while init runs."""
    return config_path + ".unfinished"


def read_remains(config_path: str) -> rules.Remains:
    """Look at what init writes."""
    return rules.Remains(
        any=any(os.path.exists(path) for path in WRITTEN_BY_INIT),
        manifests=bool(_text(KUBERNETES + "/manifests/kube-apiserver.yaml")),
        admin=bool(_text(ADMIN)),
        finalized=rules.finalized(_text(KUBERNETES + "/kubelet.conf")),
        own=os.path.exists(unfinished(config_path)),
    )


class Node:
    """The machine's kubeadm and kubectl."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self.name = module.params["node_name"]

    def kubectl(self, *arguments: str) -> tuple[int, str, str]:
        """Run kubectl as the administrator."""
        command = ["kubectl", "--kubeconfig", ADMIN, "--request-timeout", "15s", *arguments]
        return self._module.run_command(command, handle_exceptions=False)

    def ask(self, skipped: tuple[str, ...]) -> rules.Answer | None:
        """Ask the API server once; None when it does not answer."""
        code, output, _error = self.kubectl(
            *("get", "--namespace", "kube-system", "--ignore-not-found", "--output", "json"),
            *(
                "configmap/kubeadm-config",
                "configmap/coredns",
                "deployment/coredns",
                "daemonset/kube-proxy",
                f"node/{self.name}",
            ),
        )
        if code:
            return None
        answer = rules.read_answer(output, self.name, skipped)
        if answer.config and not answer.missing:
            return answer
        code, names, _error = self.kubectl("get", "nodes", "--output", "name")
        if code:
            return None
        return rules.Answer(answer.config, answer.missing, answer.node, answer.tainted, len(names.split()))

    def wait(self, skipped: tuple[str, ...], seconds: float) -> rules.Answer | None:
        """Ask until the API server answers."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self.ask(skipped)
            if answer is not None or time.monotonic() >= deadline:
                return answer
            time.sleep(1)

    def kubelet_errors(self) -> str:
        """The kubelet's last errors as a sentence, because kubeadm itself can only say that it waited in vain."""
        journal = ["journalctl", "--unit", "kubelet", "--boot", "--no-pager", "--lines", "200", "--output", "cat"]
        _code, output, _error = self._module.run_command(journal)
        errors = last_errors(redact(output), 2)
        return f" The kubelet's last errors: {' / '.join(errors)}" if errors else ""

    def kubeadm(self, *arguments: str) -> None:
        """Run kubeadm; its error is for the user."""
        command = ["kubeadm", *arguments]
        code, output, error = self._module.run_command(command, environ_update={"LC_ALL": "C"})
        if code:
            raise Stop(
                f"kubeadm {arguments[0]} failed: {redact(rules.reason(error or output))}.{self.kubelet_errors()}"
            )


def describe(module: AnsibleModule) -> dict:
    """What later tasks want to know about the cluster."""
    admin = _text(ADMIN)
    empty = {"cluster_ca_sha256": "", "admin_kubeconfig_sha256": "", "server": ""}
    if not admin:
        return empty
    try:
        cluster = parse_kubeconfig(admin)
        return {
            "cluster_ca_sha256": ca_cert_hashes(cluster.ca_pem or _text(cluster.ca_file))[0],
            "admin_kubeconfig_sha256": hashlib.sha256(admin.encode()).hexdigest(),
            "server": cluster.server,
        }
    except (KubeconfigError, CertificateError) as error:
        raise Stop(f"{ADMIN} is not a usable kubeconfig: {error}.") from None


def make_encryption_config(path: str | None) -> None:
    """Have a key for Secrets, unless there is one already: with a new one, old Secrets could not be read."""
    if path and not os.path.exists(path):
        content = encryption.configuration(secrets.token_bytes(encryption.KEY_BYTES))
        place.write(place.Wanted(path, content, 0o600, secret=True))


def close_etcd_folder(module: AnsibleModule, make: bool) -> bool:
    """Let nobody but root into etcd's folder, where all Secrets are, as kubeadm does when it makes it itself.

    :param make: whether to make it if it is not there.
    :returns: whether something had to be changed.
    """
    if not os.path.isdir(ETCD) and not make:
        return False
    if not module.check_mode:
        os.makedirs(ETCD, mode=0o700, exist_ok=True)
    open_to_others = os.path.isdir(ETCD) and bool(os.stat(ETCD).st_mode & 0o077)
    if open_to_others and not module.check_mode:
        os.chmod(ETCD, 0o700)
    return open_to_others


def remove_super_admin(module: AnsibleModule) -> bool:
    """Leave no credential on the card that RBAC does not bind.

    kubeadm needs it for nothing but the binding of admin.conf at init (kubernetes/cmd/kubeadm/app/phases/kubeconfig),
    and its renewal and upgrade pass over it where it is not there.

    :returns: whether it was there.
    """
    there = os.path.lexists(SUPER_ADMIN)
    if there and not module.check_mode:
        place.write(place.Wanted(SUPER_ADMIN, None))
    return there


def set_schedulable(module: AnsibleModule, node: Node, answer: rules.Answer) -> bool:
    """Put the control plane's taint on its node, or take it away.

    :returns: whether something had to be changed.
    """
    wanted = module.params["schedulable"]
    if wanted is None or bool(answer.tainted) != wanted:
        return False
    taints = [f"{key}:NoSchedule-" for key in answer.tainted] if wanted else [rules.TAINTS[0] + "=:NoSchedule"]
    if not module.check_mode:
        code, _output, error = node.kubectl("taint", "nodes", node.name, *taints, "--overwrite")
        if code:
            raise Stop(f"The taint of node {node.name} could not be changed: {error.strip()}.")
    return True


def run(module: AnsibleModule) -> dict:
    """Find out what is to be done, and do it."""
    parameters = module.params
    skipped = tuple(parameters["skip_addons"])
    config, config_path = parameters["config"].encode(), parameters["config_path"]
    node = Node(module)
    remains = read_remains(config_path)
    if os.path.exists(rules.RESTORING):
        raise Stop(
            "A restore was cut short on this control plane: run the playbook restore.yml again, which finishes it."
        )
    lost = lost_files(config_path)
    if lost:
        raise Stop(
            f"This is a control plane, and files that it cannot do without are missing: {', '.join(lost)}."
            " The playbook restore.yml brings them back from a backup."
        )
    answer = None
    if remains.manifests and remains.admin:
        # Before kubelet-finalize nothing but a cut init can have left this, so a short wait is enough.
        seconds = parameters["api_timeout"] if remains.finalized else 20
        answer = node.wait(skipped, 0 if module.check_mode else seconds)
    step = rules.next_step(remains, answer)
    if step.do == "refuse" and module.check_mode and answer is None:
        module.warn(f"{step.why}: check mode does not wait for it.")
        step = rules.Step("nothing", step.why)
    if step.do == "refuse":
        raise Stop(
            f"{step.why[0].upper()}{step.why[1:]}. 'journalctl -u kubelet -n 50' and 'crictl ps -a' on it tell more."
            " If nothing on it is worth keeping, 'kubeadm reset --force' there removes it, and the next run makes it"
            " anew."
        )
    if not module.check_mode:
        if step.do == "reset":
            node.kubeadm("reset", "--force", "--cri-socket", "unix:///run/containerd/containerd.sock")
        if step.do in ("init", "reset"):
            make_encryption_config(parameters["encryption_config"])
            close_etcd_folder(module, make=True)
            place.write(place.Wanted(unfinished(config_path), config, 0o600))
            skips = [f"addon/{name}" for name in skipped]
            node.kubeadm(
                *("init", "--config", unfinished(config_path), "--skip-token-print"),
                *(["--skip-phases", ",".join(skips)] if skips else []),
            )
        present = config_path if os.path.exists(config_path) else unfinished(config_path)
        for name in step.addons:
            node.kubeadm("init", "phase", "addon", name, "--config", present)
        if os.path.exists(unfinished(config_path)):
            os.rename(unfinished(config_path), config_path)
        if step.do != "nothing":
            dns.let_it_end_slowly(node.kubectl, dns.read(node.kubectl))
    removed = remove_super_admin(module)
    retainted = closed = slowed = False
    if step.do == "nothing" and answer is not None:
        retainted = set_schedulable(module, node, answer)
        closed = close_etcd_folder(module, make=False)
        slowed = dns.let_it_end_slowly(node.kubectl, answer.corefile, check=module.check_mode)
    kept = place.read(config_path)
    return {
        "changed": step.do != "nothing" or removed or retainted or closed or slowed,
        "did": step.do,
        "why": step.why,
        "version": answer.version if answer else "",
        "settings_differ": step.do == "nothing" and kept is not None and kept != config,
        **describe(module),
    }


def main() -> None:
    """Read the options, act, report."""
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "str", "required": True},
            "config_path": {"type": "path", "default": "/etc/kubernetes/kubeadm-init.yaml"},
            "node_name": {"type": "str", "required": True},
            "skip_addons": {"type": "list", "elements": "str", "choices": ["coredns", "kube-proxy"], "default": []},
            "schedulable": {"type": "bool"},
            "encryption_config": {"type": "path"},
            "api_timeout": {"type": "int", "default": 240},
        },
        supports_check_mode=True,
    )
    carry_out(module, run)


if __name__ == "__main__":
    main()
