# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control plane as kubeadm makes it in a folder, and a machine that runs programs of images without containers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from apiserver import program

from ansible_collections.bramble.kube.plugins.module_utils.backup import drill
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done, System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import etcd

NODE, ADDRESS = "k8s-master", "192.0.2.7"
CONFIGURATION = f"""apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: {ADDRESS}, bindPort: 6443}}
nodeRegistration: {{name: {NODE}}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: RELEASE
apiServer:
  extraArgs:
  - {{name: encryption-provider-config, value: /etc/kubernetes/encryption.json}}
"""
PHASES = ("certs all", "kubeconfig admin", "kubeconfig super-admin", "etcd local", "control-plane apiserver")


def make_files(root: Path, encryption: bytes) -> None:
    """The files of a control plane below a folder, by kubeadm itself."""
    (root / "etc/kubernetes").mkdir(parents=True)
    (root / "etc/kubernetes/encryption.json").touch(0o600)
    (root / "etc/kubernetes/encryption.json").write_bytes(encryption)
    release = subprocess.run([program("kubeadm"), "version", "-o", "short"], capture_output=True, text=True, check=True)
    (root / "kubeadm.yaml").write_text(CONFIGURATION.replace("RELEASE", release.stdout.strip()))
    for phase in PHASES:
        command = [program("kubeadm"), "init", "phase", *phase.split(), "--config=/kubeadm.yaml", f"--rootfs={root}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


class Programs(System):
    """Runs what `ctr` is asked to run as a process of its own, and everything else not at all.

    :param folders: by a folder in which a container sees it, where it is.
    """

    def __init__(self, root: Path, folders: dict[str, str] | None = None) -> None:
        super().__init__(str(root))
        self.folders = folders or {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.asked: list[list[str]] = []

    def call(self, arguments: Iterable[str], timeout: float | None = None, **environment: str) -> Done:
        """As System does."""
        words = list(arguments)
        self.asked.append(words)
        verb = words[3:5] if words[0] == "ctr" else []
        if verb[:1] == ["run"]:
            return self._run(words)
        if verb == ["tasks", "list"]:
            alive = [name for name, process in self.processes.items() if process.poll() is None]
            return Done(0, "TASK PID STATUS\n" + "".join(f"{name} 1 RUNNING\n" for name in alive), "")
        if verb == ["tasks", "delete"] and words[-1] in self.processes:
            process = self.processes.pop(words[-1])
            process.kill()
            process.wait()
        if verb == ["images", "list"]:
            pods = (etcd.parse_pod(self.read(f"/etc/kubernetes/manifests/{name}.yaml")) for name in STATIC)
            return Done(0, "\n".join(pod.image for pod in pods), "")
        return Done(0, "", "")

    def _run(self, words: list[str]) -> Done:
        at = next(number for number, word in enumerate(words) if word.startswith("registry.k8s.io/"))
        # The lab's image of the API server has the program as its entrypoint, etcd's has none.
        command = [*(["kube-apiserver"] if "kube-apiserver:" in words[at] else []), *words[at + 2 :]]
        folders = dict(self.folders)
        for mount in (word for word in words if word.startswith("type=bind")):
            parts = dict(part.split("=", 1) for part in mount.split(",")[1:3])
            if parts["src"].startswith(drill.FOLDER):
                folders[parts["dst"]] = self.path(parts["src"])
        for inside in sorted(folders, key=len, reverse=True):
            command = [word.replace(f"={inside}/", f"={folders[inside]}/") for word in command]
            command = [
                f"{folders[inside]}{word[len(inside) :]}" if word.startswith(inside) else word for word in command
            ]
        command[0] = program(command[0])
        if "--detach" not in words:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return Done(done.returncode, done.stdout, done.stderr)
        log = self.path(words[words.index("--log-uri") + 1].removeprefix("file://"))
        with open(log, "wb") as file:
            self.processes[words[at + 1]] = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
        return Done(0, "", "")

    def stop(self) -> None:
        """End what still runs."""
        for process in self.processes.values():
            process.kill()
            process.wait()


STATIC = ("etcd", "kube-apiserver")


def flags_at(flags: dict[str, str], root: Path, **changed: str) -> list[str]:
    """A static Pod's flags with its files below a folder."""
    given = {**flags, **{name.replace("_", "-"): value for name, value in changed.items()}}
    return [f"--{name}={v.replace('/etc/kubernetes/', f'{root}/etc/kubernetes/')}" for name, v in given.items()]


def is_root() -> bool:
    """kubeadm changes its root folder."""
    return os.geteuid() == 0
