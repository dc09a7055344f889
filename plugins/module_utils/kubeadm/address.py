# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step by which a cluster that was created without an address for all masters gets one.

It can be cut at any moment: the configuration that init was given names the address last, and until then all is done
again. What knows the master's own address goes on with it, which the certificate keeps.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done, System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import etcd, renew
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.command import ADMIN, api_trouble, kubeadm, kubectl
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import (
    KubeconfigError,
    of_users,
    parse_kubeconfig,
)
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubelet import KUBELET_CONF
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.machine_lock import alone
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.static_pods import API_SERVER, image_tag

OPTIONS = {
    "address": {"type": "str", "required": True},
    "users": {"type": "list", "elements": "str", "default": []},
    "config_path": {"type": "path", "default": "/etc/kubernetes/kubeadm-init.yaml"},
    "timeout": {"type": "int", "default": 400},
}
#: Seconds in which the API server has taken up its new certificate, and keepalived the address.
TAKEN_UP = 90
#: Seconds for which a request is repeated: the kubelet may see etcd's new manifest only after the API server was ready.
RESTARTING = 120
CERTIFICATE = "/etc/kubernetes/pki/apiserver"
#: Where the API server's address is written in the cluster: namespace, ConfigMap, key.
MAPS = (
    ("kube-system", "kubeadm-config", "ClusterConfiguration"),
    ("kube-public", "cluster-info", "kubeconfig"),
    ("kube-system", "kube-proxy", "kubeconfig.conf"),
)


def configuration(kept: str, address: str) -> str:
    """The configuration that init was given, as the role master renders it with the address."""
    text = re.sub(
        r"^(kubernetesVersion: .*\n)", rf'\1controlPlaneEndpoint: "{address}:6443"\n', kept, flags=re.MULTILINE
    )
    text = re.sub(r"^(  certSANs: \[.*)\]$", rf'\1, "{address}"]', text, flags=re.MULTILINE)
    return re.sub(
        r"^etcd:\n  local:\n(?:    #.*\n)?    extraArgs: .*listen-peer-urls.*\n", "", text, flags=re.MULTILINE
    )


def of_release(config: str, release: str) -> str:
    """The same configuration for the release that runs by now, below which kubeadm goes only one step."""
    return re.sub(r"^kubernetesVersion: .*$", f'kubernetesVersion: "v{release}"', config, flags=re.MULTILINE)


def cluster_configuration(text: str, address: str) -> str:
    """ClusterConfiguration as kubeadm keeps it in the cluster, with the address."""
    if re.search(r"^controlPlaneEndpoint: ", text, re.MULTILINE):
        return text
    text = re.sub(r"^(  certSANs:\n(?:  - .*\n)*)", rf"\1  - {address}\n", text, flags=re.MULTILINE)
    # A list of name and value from v1beta4 on, a mapping before.
    text = re.sub(
        r"^    extraArgs:\n(?:    - name: listen-peer-urls\n      value: .*\n|      listen-peer-urls: .*\n)",
        "",
        text,
        flags=re.MULTILINE,
    )
    return f"{text.rstrip()}\ncontrolPlaneEndpoint: {address}:6443\n"


def open_to_peers(manifest: str) -> str:
    """etcd's static Pod, so that other members reach it at the address that it tells them."""
    told = etcd.parse_pod(manifest).flags["initial-advertise-peer-urls"]
    return re.sub(r"--listen-peer-urls=\S+", f"--listen-peer-urls={told}", manifest)


def moved(kubeconfig: str, server: str) -> str:
    """A kubeconfig with another server, else the same."""
    return re.sub(r"^(\s*server: ).*$", rf"\g<1>{server}", kubeconfig, flags=re.MULTILINE)


class Mover:
    """One machine that is to use the address.

    :ivar server: the API server's address as kubeconfigs have it.
    """

    def __init__(self, system: System, options: Mapping[str, Any]) -> None:
        self.system, self.address, self.seconds = system, options["address"], options["timeout"]
        self.kept, self.users = options["config_path"], options["users"]
        self.server = f"https://{self.address}:6443"

    def is_due(self) -> bool:
        """Whether anything has to be done: nothing on a machine of which init or join are not finished."""
        if self.system.exists(API_SERVER):
            kept = self.system.text(self.kept)
            return bool(kept) and "\ncontrolPlaneEndpoint: " not in kept
        try:
            return parse_kubeconfig(self.system.text(KUBELET_CONF)).server != self.server
        except KubeconfigError:
            return False

    def move_node(self) -> None:
        """Let the kubelet use the address; its Pods go on."""
        self.system.write(KUBELET_CONF, moved(self.system.text(KUBELET_CONF), self.server).encode(), 0o600, secret=True)
        done = self.system.call(["systemctl", "restart", "kubelet"])
        if done.code:
            raise Stop(f"The kubelet does not start: {done.errors.strip()}.")

    def move_master(self) -> None:
        """Certificate, etcd, what the cluster says about itself, kubeconfigs; the configuration last."""
        new, release = self.kept + ".address", image_tag(self.system.text(API_SERVER))
        config = configuration(self.system.text(self.kept), self.address)
        old = parse_kubeconfig(self.system.text(ADMIN)).server
        self.system.write(new, of_release(config, release).encode(), 0o600)
        for part in ("crt", "key"):
            self.system.write(f"{CERTIFICATE}.{part}", None)
        kubeadm(self.system, "init", "phase", "certs", "apiserver", "--config", new)
        manifest = self.system.text(etcd.MANIFEST)
        if open_to_peers(manifest) != manifest:
            self.system.write(etcd.MANIFEST, open_to_peers(manifest).encode(), 0o600)
        self.wait()
        for where in MAPS:
            self.change_map(*where)
        done = self.ask("--namespace", "kube-system", "rollout", "restart", "daemonset/kube-proxy")
        if done.code and "not found" not in done.errors.lower():
            raise Stop(f"kube-proxy could not be restarted: {done.errors.strip()}.")
        self.move_users(old)
        self.system.write(ADMIN, moved(self.system.text(ADMIN), self.server).encode(), 0o600, secret=True)
        # The API server takes up new certificates by itself; its end, while etcd restarts, would take a minute.
        if api_trouble(self.system, TAKEN_UP):
            renew.restart(self.system, "kube-apiserver", self.seconds)
            self.wait()
        self.system.write(self.kept, config.encode(), 0o600)
        self.system.write(new, None)

    def wait(self) -> None:
        """Wait until the API server answers as the administrator's kubeconfig names it."""
        trouble = api_trouble(self.system, self.seconds)
        if trouble:
            raise Stop(f"The API server has not been ready for {self.seconds} seconds: {trouble.splitlines()[-1]}.")

    def ask(self, *arguments: str) -> Done:
        """What kubectl says, asked again while etcd restarts."""
        deadline = time.monotonic() + RESTARTING
        while True:
            done = kubectl(self.system, *arguments)
            if not done.code or "not found" in done.errors.lower() or time.monotonic() >= deadline:
                return done
            time.sleep(1)

    def change_map(self, namespace: str, name: str, key: str) -> None:
        """Write the address into a ConfigMap, if that is there."""
        where = ("--namespace", namespace, "configmap", name)
        told = self.ask("get", *where, "--ignore-not-found", "--output=json")
        if told.code:
            raise Stop(f"The ConfigMap {namespace}/{name} cannot be read: {told.errors.strip()}.")
        text = (json.loads(told.output).get("data") or {}).get(key, "") if told.output.strip() else ""
        cluster = key == "ClusterConfiguration"
        wanted = cluster_configuration(text, self.address) if cluster and text else moved(text, self.server)
        if wanted == text:
            return
        patch = json.dumps({"data": {key: wanted}})
        done = self.ask("patch", *where, "--type=merge", "--patch", patch)
        if done.code:
            raise Stop(f"The ConfigMap {namespace}/{name} could not be changed: {done.errors.strip()}.")

    def move_users(self, old: str) -> None:
        """Kubeconfigs of users on the master that are for this cluster by its old address."""
        for path, user in of_users(self.users):
            text = self.system.read(path)
            if f"server: {old}\n" in text:
                content = text.replace(f"server: {old}\n", f"server: {self.server}\n").encode()
                owner = (user.pw_uid, user.pw_gid)
                place.write(place.Wanted(self.system.path(path), content, 0o600, owner, secret=True))


def is_due(system: System, options: Mapping[str, Any]) -> bool:
    """Whether the machine does not use the address yet."""
    return Mover(system, options).is_due()


@alone
def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Look, and move."""
    mover = Mover(system, options)
    due = mover.is_due()
    if due and not check:
        if system.exists(API_SERVER):
            mover.move_master()
        else:
            mover.move_node()
    return {"changed": due}
