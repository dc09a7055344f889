#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_reset
short_description: A machine as it was before kubeadm
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Takes a machine out of its cluster with C(kubeadm reset), and takes away what that leaves behind; chains and tables
    of kube-proxy, the kubelet, flannel and the CNI plugins, their network interfaces, mounts, namespaces and files,
    and the kubeconfigs of users for this cluster.
  - Only what belongs to the cluster goes. Rules, interfaces, mounts and files of others stay, and so do the container
    engine with its images.
  - The cluster's API server is not asked; M(bramble.kube.node_removed) makes it forget the node.
  - A run that was cut short is finished by the next one. On a machine without remains nothing is changed.
  - Runs on the machine, as root.
options:
  users:
    description: Users whose C(~/.kube/config) is removed when it is for this machine's cluster.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Lists what would be taken away.
    support: full
  diff_mode:
    description: Shows what goes, a line each.
    support: full
"""

EXAMPLES = r"""
- name: Take the machine out of its cluster
  bramble.kube.kubeadm_reset:
    users: [pi]
  become: true
"""

RETURN = r"""
removed:
  description: What was found and taken away, each as kind and name.
  returned: always
  type: list
  elements: str
  sample: [files of kubeadm, link flannel.1, chains of iptables, nft table ip kube-proxy]
"""

import contextlib
import glob
import os
import pwd
import shutil

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.redact import redact
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import leftovers as remains
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.init_rules import reason
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import KubeconfigError, parse_kubeconfig
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.machine_lock import busy

SOCKET = "unix:///run/containerd/containerd.sock"
KUBECONFIGS = ("/etc/kubernetes/admin.conf", "/etc/kubernetes/kubelet.conf")
NETNS = "/run/netns"
#: What the packages themselves bring; it goes with them.
OF_PACKAGES = {"/etc/kubernetes/manifests", "/etc/kubernetes/manifests/.kubelet-keep", "/var/lib/kubelet/.kubelet-keep"}


class Reset:
    """One machine and what is on it."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.removed: list[str] = []
        self.servers = {server for server in map(server_of, KUBECONFIGS) if server}

    def run(self) -> None:
        """Take everything away, kubeadm's part first."""
        self.user_kubeconfigs()
        self.kubeadm()
        self.mounts()
        self.links()
        self.namespaces()
        self.iptables()
        self.nft()
        self.files()

    def do(self, what: str, *command: str) -> None:
        """Note what goes, and let it go."""
        self.removed.append(what)
        if not self.module.check_mode:
            code, output, error = self.module.run_command(list(command))
            if code:
                raise Stop(f"{what} could not be removed: {(error or output).strip().splitlines()[-1:] or code}")

    def output(self, *command: str) -> str:
        """What a program says; empty when it is not installed or has nothing to say."""
        if not shutil.which(command[0], path="/usr/sbin:/usr/bin:/sbin:/bin"):
            return ""
        code, output, _error = self.module.run_command(list(command))
        return output if code == 0 else ""

    def user_kubeconfigs(self) -> None:
        """Kubeconfigs for this cluster, as long as it is known which one that is."""
        for user in self.module.params["users"]:
            with contextlib.suppress(KeyError):
                path = os.path.join(pwd.getpwnam(user).pw_dir, ".kube", "config")
                if server_of(path) in self.servers:
                    self.removed.append(path)
                    if not self.module.check_mode:
                        place.write(place.Wanted(path, None))

    def kubeadm(self) -> None:
        """What init or join did: containers, certificates, etcd's data."""
        present = [path for path in self._cluster_files() if path not in OF_PACKAGES]
        if not present or not shutil.which("kubeadm", path="/usr/bin:/usr/local/bin"):
            return
        self.removed.append("files and containers of kubeadm")
        if self.module.check_mode:
            return
        code, output, error = self.module.run_command(
            ["kubeadm", "reset", "--force", "--cri-socket", SOCKET], environ_update={"LC_ALL": "C"}
        )
        if code:
            raise Stop(f"kubeadm reset failed: {redact(reason(error or output))}")

    def _cluster_files(self) -> list[str]:
        found = []
        for folder in ("/etc/kubernetes", "/etc/kubernetes/manifests", "/var/lib/etcd", "/var/lib/kubelet"):
            found += remains.entries(folder)
        return found

    def mounts(self) -> None:
        """Volumes of Pods that are no more."""
        for point in remains.mounts(place.read("/proc/mounts").decode("utf-8", "replace")):
            self.do(f"mount {point}", "umount", "--lazy", point)

    def links(self) -> None:
        """Network interfaces of the Pod network."""
        for name in remains.links(self.output("ip", "-json", "link")):
            self.do(f"link {name}", "ip", "link", "delete", name)

    def namespaces(self) -> None:
        """Network namespaces of Pods."""
        names = os.listdir(NETNS) if os.path.isdir(NETNS) else []
        for name in remains.network_namespaces(names):
            self.do(f"network namespace {name}", "ip", "netns", "delete", name)

    def iptables(self) -> None:
        """Chains, and the rules that jump to them, in each family and variant that this machine has."""
        for program in ("iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy"):
            removal = remains.iptables_removal(self.output(program + "-save"))
            if not removal:
                continue
            self.removed.append(f"chains of {program}")
            if not self.module.check_mode:
                code, _output, error = self.module.run_command(
                    [program + "-restore", "--noflush", "--wait", "30"], data=removal
                )
                if code:
                    raise Stop(f"the cluster's chains of {program} could not be removed: {error.strip()}")

    def nft(self) -> None:
        """Tables of kube-proxy's mode nftables."""
        for family, name in remains.nft_tables(self.output("nft", "list", "tables")):
            self.do(f"nft table {family} {name}", "nft", "delete", "table", family, name)

    def files(self) -> None:
        """Folders of the cluster, and flannel's files in folders of others."""
        for folder in remains.FOLDERS:
            for path in remains.entries(folder):
                if path in OF_PACKAGES:
                    continue
                self.removed.append(path)
                if not self.module.check_mode:
                    remove(path)
        for path in [*remains.FILES, *glob.glob(remains.SNAPSHOTS)]:
            if os.path.lexists(path):
                self.removed.append(path)
                if not self.module.check_mode:
                    os.unlink(path)


def remove(path: str) -> None:
    """Remove a file, a link or a folder with all that is in it."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def server_of(path: str) -> str:
    """The API server in a kubeconfig; empty without one."""
    try:
        return parse_kubeconfig((place.read(path) or b"").decode("utf-8", "replace")).server
    except (KubeconfigError, OSError):
        return ""


def main() -> None:
    """Look, take away, report."""
    module = AnsibleModule(
        argument_spec={"users": {"type": "list", "elements": "str", "default": []}},
        supports_check_mode=True,
    )
    reset = Reset(module)
    try:
        with busy("kubeadm"):
            reset.run()
    except TimeoutError as error:
        module.fail_json(msg=str(error))
    except Stop as error:
        module.fail_json(msg=f"{error}. Run this again once the cause is gone.", removed=reset.removed)
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'A file'}: {error.strerror}.", removed=reset.removed)
    before = "".join(f"{what}\n" for what in reset.removed)
    diff = {"before_header": "what the cluster has left", "after_header": "nothing", "before": before, "after": ""}
    module.exit_json(changed=bool(reset.removed), removed=reset.removed, diff=diff)


if __name__ == "__main__":
    main()
