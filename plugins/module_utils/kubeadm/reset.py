# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that takes away what Kubernetes, its Pod network and this collection have left on a machine."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import leftovers
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.command import ADMIN, kubeadm
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.init import SOCKET
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import (
    KubeconfigError,
    of_users,
    parse_kubeconfig,
)
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubelet import KUBELET_CONF
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.machine_lock import alone

OPTIONS = {"users": {"type": "list", "elements": "str", "default": []}}
#: What the packages themselves bring; it goes with them.
OF_PACKAGES = {"/etc/kubernetes/manifests", "/etc/kubernetes/manifests/.kubelet-keep", "/var/lib/kubelet/.kubelet-keep"}


class Reset:
    """One machine and what is on it."""

    def __init__(self, system: System, check: bool) -> None:
        self.system, self.check = system, check
        self.removed: list[str] = []

    def run(self, users: Iterable[str]) -> None:
        """Take everything away, kubeadm's part first."""
        self.user_kubeconfigs(users)
        self.address()
        self.kubeadm()
        # Volumes of Pods that are no more.
        for point in leftovers.mounts(self.system.text("/proc/mounts")):
            self.do(f"mount {point}", "umount", "--lazy", point)
        for name in leftovers.links(self.output("ip", "-json", "link")):
            self.do(f"link {name}", "ip", "link", "delete", name)
        for name in leftovers.network_namespaces(self.system.names("/run/netns")):
            self.do(f"network namespace {name}", "ip", "netns", "delete", name)
        for program in ("iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy"):
            removal = leftovers.iptables_removal(self.output(program + "-save"))
            if removal:
                self.do(f"chains of {program}", program + "-restore", "--noflush", "--wait", "30", data=removal)
        for family, name in leftovers.nft_tables(self.output("nft", "list", "tables")):
            self.do(f"nft table {family} {name}", "nft", "delete", "table", family, name)
        self.files()

    def do(self, what: str, *command: str, data: str = "") -> None:
        """Note what goes, and let it go."""
        self.removed.append(what)
        if not self.check:
            done = self.system.call(command, data=data)
            if done.code:
                told = (done.errors or done.output).strip().splitlines() or [f"{command[0]} ended with {done.code}"]
                raise Stop(f"{what} could not be removed: {told[-1].rstrip('.')}")

    def output(self, *command: str) -> str:
        """What a program says; empty when it is not installed or has nothing to say."""
        done = self.system.call(command)
        return done.output if done.code == 0 else ""

    def user_kubeconfigs(self, users: Iterable[str]) -> None:
        """Kubeconfigs for this cluster, as long as it is known which one that is."""
        servers = {self.server_of(path) for path in (ADMIN, KUBELET_CONF)} - {""}
        for path, _user in of_users(users):
            if self.server_of(path) in servers:
                self.take(path)

    def take(self, path: str) -> None:
        """Remove a file."""
        self.removed.append(path)
        if not self.check:
            self.system.write(path, None)

    def server_of(self, path: str) -> str:
        """The API server in a kubeconfig; empty without one."""
        try:
            return parse_kubeconfig(self.system.read(path)).server
        except KubeconfigError:
            return ""

    def entries(self, folder: str) -> list[str]:
        """What is in a folder and was not brought by a package."""
        return [path for path in (f"{folder}/{name}" for name in self.system.names(folder)) if path not in OF_PACKAGES]

    def address(self) -> None:
        """The API server's address, if it is the role master that has keepalived keep it; other masters take it."""
        if not self.system.exists(leftovers.API_READY):
            return
        if self.system.program("keepalived"):
            self.do("service keepalived", "systemctl", "disable", "--now", "keepalived")
        for path in filter(self.system.exists, (*leftovers.KEEPALIVED, leftovers.API_READY)):
            self.take(path)

    def kubeadm(self) -> None:
        """What init or join did: containers, certificates, etcd's data."""
        folders = ("/etc/kubernetes", "/etc/kubernetes/manifests", "/var/lib/etcd", "/var/lib/kubelet")
        if not any(map(self.entries, folders)) or not self.system.program("kubeadm"):
            return
        self.removed.append("files and containers of kubeadm")
        if not self.check:
            kubeadm(self.system, "reset", "--force", "--cri-socket", SOCKET)

    def files(self) -> None:
        """Folders of the cluster, and the Pod network's files in folders of others."""
        snapshots = sorted(glob.glob(self.system.path(leftovers.SNAPSHOTS)))
        inside = [path for folder in leftovers.FOLDERS for path in self.entries(folder)]
        for path in [*inside, *leftovers.FILES, *(path[len(self.system.path("/")) - 1 :] for path in snapshots)]:
            there = self.system.path(path)
            if not os.path.lexists(there):
                continue
            self.removed.append(path)
            if self.check:
                continue
            if os.path.isdir(there) and not os.path.islink(there):
                shutil.rmtree(there)
            else:
                os.unlink(there)


@alone
def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Look, take away, report."""
    reset = Reset(system, check)
    try:
        reset.run(options["users"])
    except Stop as error:
        told = str(error).rstrip(".")
        raise Stop(f"{told}. Run this again once the cause is gone.", removed=reset.removed) from None
    except OSError as error:
        raise Stop(f"{error.filename or 'A file'}: {error.strerror}.", removed=reset.removed) from None
    before = "".join(f"{what}\n" for what in reset.removed)
    diff = {"before_header": "what the cluster has left", "after_header": "nothing", "before": before, "after": ""}
    return {"changed": bool(reset.removed), "removed": reset.removed, "diff": diff}
