# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""A drill: a backup restored into a temporary etcd and API server, beside those of the cluster.

They are the programs of the backup's own images, with the flags of its static Pods and the keys in it; what differs is
where they listen (loopback, other ports), where their data is, and that the API server calls no webhook of the real
cluster. Nothing of them outlives the drill: not its end, however it comes, nor a module that is killed (a timer of
systemd's), nor a power cut (systemd-tmpfiles, at the next start).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..common.errors import stopping
from ..common.system import System
from ..kubeadm import etcd
from ..kubeadm.etcd_tools import EtcdTools
from ..kubeadm.kubeconfig import KubeconfigError, client_certificate
from . import archive, counting, machine, restore
from .restorer import Restorer

OPTIONS = {
    "src": {"type": "path", "required": True},
    "node_name": {"type": "str", "required": True},
    "timeout": {"type": "int", "default": 300},
    "backup": {"type": "dict"},
    "sha256": {"type": "str", "default": ""},
    "size": {"type": "int", "default": 0},
    "now": {"type": "int", "default": 0},
}
FOLDER = "/var/lib/bramble.kube/drill"
#: How the last drill ended, for status.yml.
RECORD = "/var/lib/bramble.kube/last-drill.json"
#: Containers of a drill that was cut; EtcdTools removes those of this prefix, too.
ETCD, API = etcd.TOOL_PREFIX + "drill", etcd.TOOL_PREFIX + "drill-api"
TIMER = "bramble-drill-end"
AT_BOOT = "/etc/tmpfiles.d/bramble-drill.conf"
#: MiB of memory that must be free: an API server with etcd's data in its cache, and etcd.
LEAST_MEMORY = 600
#: Neither a NodePort of Kubernetes nor a port that the kernel gives to connections.
_PORTS = range(20000, 30000)
#: Trusted certificates of the OS, which kubeadm gives to the API server.
TRUST = ("/etc/ssl/certs", "/etc/ca-certificates", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates")
#: Flags that are not for a drill: what would be written or asked outside of it.
_PLUGINS = ("enable-admission-plugins", "disable-admission-plugins")
_NOT_ETCD = ("listen-metrics-urls", "initial-cluster-state", "force-new-cluster", "wal-dir")
_NOT_API = ("audit-", "etcd-servers-overrides", "egress-selector-config-file", "tracing-config-file", "peer-advertise")
_WEBHOOKS = ("MutatingAdmissionWebhook", "ValidatingAdmissionWebhook")


@dataclass(frozen=True)
class Ports:
    """Where the drill listens on loopback."""

    client: int
    peer: int
    api: int


def free_ports() -> Ports:
    """Three ports that nobody uses, and that the kernel gives to no connection before they are listened on."""
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == 3:
            return Ports(*found)
    raise archive.BackupError(f"of the ports {_PORTS.start} to {_PORTS.stop - 1} not even three are free on this Pi")


def _files_of(flags: Mapping[str, str], folder: str) -> dict[str, str]:
    """Flags whose files in /etc/kubernetes are read in another folder."""
    before = machine.KUBERNETES + "/"
    return {name: f"{folder}/{v[len(before) :]}" if v.startswith(before) else v for name, v in flags.items()}


def etcd_of(pod: etcd.EtcdPod, ports: Ports, folder: str) -> etcd.EtcdPod:
    """The backup's etcd as a drill runs it.

    :param folder: of the drill.
    """
    client, peer = f"https://127.0.0.1:{ports.client}", f"https://127.0.0.1:{ports.peer}"
    flags = {name: value for name, value in pod.flags.items() if name not in _NOT_ETCD}
    flags.update(
        {
            "data-dir": f"{folder}/etcd",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"{flags['name']}={peer}",
        }
    )
    return etcd.EtcdPod(pod.image, _files_of(flags, f"{folder}/kubernetes"))


def api_flags(flags: Mapping[str, str], ports: Ports) -> dict[str, str]:
    """The backup's API server as a drill runs it: its flags."""
    kept = {name: value for name, value in flags.items() if not name.startswith(_NOT_API)}
    plugins = {name: [p for p in kept.get(name, "").split(",") if p] for name in _PLUGINS}
    enabled = [plugin for plugin in plugins[_PLUGINS[0]] if plugin not in _WEBHOOKS]
    kept.pop(_PLUGINS[0], None)
    if enabled:
        kept[_PLUGINS[0]] = ",".join(enabled)
    kept.update(
        {
            _PLUGINS[1]: ",".join(dict.fromkeys([*plugins[_PLUGINS[1]], *_WEBHOOKS])),
            "bind-address": "127.0.0.1",
            "secure-port": str(ports.api),
            "etcd-servers": f"https://127.0.0.1:{ports.client}",
            "endpoint-reconciler-type": "none",
        }
    )
    return kept


def refusal(backup: archive.Description, ca: str, free_memory: int, free_disk: int, needed: int) -> str:
    """Why no drill can be held on a machine, in a sentence; empty when it can.

    :param ca: hash of the CA of the machine's cluster; empty when it is in none.
    :param free_memory: MiB that are available.
    :param free_disk: MiB that are free where the drill's data comes.
    :param needed: MiB of the backup, unpacked.
    """
    if ca != backup.cluster_ca_sha256:
        return "it is not of the cluster of this machine" if ca else "this machine is in no cluster"
    if free_memory < LEAST_MEMORY:
        return f"a second API server needs {LEAST_MEMORY} MiB of memory, and {free_memory} MiB are available here"
    if free_disk < 2 * needed + 300:
        return f"its data needs {2 * needed + 300} MiB on the disk of {FOLDER}, and {free_disk} MiB are free"
    return ""


def record_of(text: str, ca: str) -> dict[str, Any]:
    """How the last drill of a cluster ended; empty when there was none, or only one of another cluster."""
    try:
        found = json.loads(text)
        return found if found["cluster_ca_sha256"] == ca else {}
    except (ValueError, KeyError, TypeError):
        return {}


class Drill:
    """Holds a drill.

    :param system: this machine.
    :param seconds: to wait for etcd and API server, each.
    :ivar steps: what was done, with the seconds it took.
    """

    def __init__(self, system: System, seconds: float) -> None:
        self._system, self._seconds = system, seconds
        self.steps: list[str] = []

    @contextlib.contextmanager
    def _step(self, what: str) -> Iterator[None]:
        begin = time.monotonic()
        yield
        self.steps.append(f"{what} ({time.monotonic() - begin:.1f} s)")

    # Nothing of it stays ----------------------------------------------------------------------------------------------

    def remove(self) -> None:
        """Take away what there is of a drill."""
        for command in etcd.leftovers(f"{ETCD}\n{API}"):
            self._system.call(command)
        shutil.rmtree(self._system.path(FOLDER), ignore_errors=True)

    def _arm(self) -> None:
        """Let systemd remove the drill, should this process not come to do it."""
        lines = [" ".join(command) for command in etcd.leftovers(f"{ETCD}\n{API}")]
        script = "; ".join([*lines, f"rm -rf {FOLDER} {machine.ARCHIVE}"])
        self._disarm()
        at_boot = f"R! {FOLDER}\nr! {machine.ARCHIVE}\nr! {AT_BOOT}\n"
        self._system.write(AT_BOOT, at_boot.encode())
        limit = f"--on-active={int(4 * self._seconds)}s"
        done = self._system.call(
            ["systemd-run", "--quiet", f"--unit={TIMER}", limit, "--collect", "/bin/sh", "-c", script]
        )
        if done.code:
            raise archive.BackupError(f"no timer can be set that would remove the drill: {etcd.reason(done.errors)}")

    def _disarm(self) -> None:
        self._system.call(["systemctl", "--quiet", "stop", f"{TIMER}.timer", f"{TIMER}.service"])
        self._system.write(AT_BOOT, None)

    @contextlib.contextmanager
    def _thrown_away(self) -> Iterator[None]:
        """All of a drill is gone in the end, also when this process is told to end."""

        def end(number: int, _frame: object) -> None:
            raise SystemExit(128 + number)

        before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
        try:
            self.remove()
            self._arm()
            yield
        finally:
            self.remove()
            self._disarm()
            for number, handler in before.items():
                signal.signal(number, handler)

    # What is done -----------------------------------------------------------------------------------------------------

    def hold(self, path: str, sha256: str) -> counting.Comparison:
        """Restore an archive, count what is there, and throw all of it away.

        :raises BackupError, EtcdError: with the reason for which it could not be restored.
        """
        ports = free_ports()
        with self._thrown_away():
            with open(self._system.path(path), "rb") as file, self._step("verified"):
                machine.check_sent(file, sha256)
                folder = self._system.path(FOLDER)
                os.makedirs(folder, 0o700)
                with tarfile.open(fileobj=file, mode="r:gz") as packed:
                    archive.unpack_file(packed, archive.SNAPSHOT, f"{folder}/{archive.SNAPSHOT}")
                    archive.unpack_files(packed, machine.KUBERNETES, f"{folder}/kubernetes")
            kubernetes = f"{FOLDER}/kubernetes"
            api = self._pod(f"{kubernetes}/manifests/kube-apiserver.yaml")
            pod = etcd_of(self._pod(f"{kubernetes}/manifests/etcd.yaml"), ports, FOLDER)
            tools = EtcdTools(self._system, pod)
            with self._step("images at hand"):
                for image in (pod.image, api.image):
                    Restorer(self._system).have_image(image)
                program = self._program(api.image, "kube-apiserver")
            with self._step("etcd's data made from the snapshot"):
                snapshot = f"{FOLDER}/{archive.SNAPSHOT}"
                tools.status(snapshot)
                command = restore.restore_arguments(pod, snapshot, pod.data_dir, restore.LEAST_BUMP)
                tools.call(command, {FOLDER: True})
            with self._step("etcd started"):
                member = self._etcd_client(pod, ports.client)
                self._start(ETCD, pod.image, ["etcd", *_words(pod.flags)], {FOLDER: True}, member, "/health")
            listing = ["etcdctl", "get", "/registry/", "--prefix", "--keys-only", "--command-timeout=60s"]
            keys = tools.call([*listing, f"--endpoints={pod.local_endpoint}", *pod.tls], {FOLDER: False})
            backup = counting.in_etcd(line for line in keys.splitlines() if line)
            with self._step("API server started"):
                client = self._client(ports.api)
                mounts = {f"{kubernetes}:{machine.KUBERNETES}": False}
                mounts.update({trust: False for trust in TRUST if self._system.exists(trust)})
                flags = _words(api_flags(api.flags, ports))
                self._start(API, api.image, [*program, *flags], mounts, client, "/readyz?verbose")
            with self._step("objects counted"):
                return counting.compare(backup, client.count())

    def _pod(self, manifest: str) -> etcd.EtcdPod:
        """A static Pod of the backup."""
        try:
            return etcd.parse_pod(self._system.read(manifest))
        except etcd.EtcdError:
            name = manifest[len(FOLDER) + 1 :]
            raise archive.BackupError(f"/etc/{name} in the backup is not as kubeadm writes it") from None

    def _program(self, image: str, name: str) -> list[str]:
        """The first word for an image whose entrypoint runs what it is given; none when that is the program itself."""
        return [] if self._system.call(etcd.tool_command(image, [name, "--version"], {})).code else [name]

    def _etcd_client(self, pod: etcd.EtcdPod, port: int) -> counting.Loopback:
        """Ask etcd with its own certificate, as etcdctl does."""
        flags = ("trusted-ca-file", "cert-file", "key-file")
        return self._trusting(port, "localhost", *(self._system.path(pod.flags.get(flag, "")) for flag in flags))

    def _trusting(self, port: int, name: str, *files: str) -> counting.Loopback:
        try:
            return counting.Loopback(port, name, *files)
        except OSError as error:  # ssl's errors are such
            raise archive.BackupError(f"{files[1]} of the backup is not a certificate with a key: {error}") from None

    def _client(self, port: int) -> counting.Loopback:
        """Ask as the administrator in the backup."""
        folder = self._system.path(f"{FOLDER}/kubernetes")
        try:
            parts = client_certificate(self._system.read(f"{FOLDER}/kubernetes/admin.conf"))
        except KubeconfigError as error:
            raise archive.BackupError(f"/etc/kubernetes/admin.conf in the backup is not usable: {error}") from None
        files = [f"{folder}/drill.{kind}" for kind in ("crt", "key")]
        for path, text in zip(files, parts):
            with open(path, "w", encoding="ascii", opener=lambda name, how: os.open(name, how, 0o600)) as file:
                file.write(text)
        return self._trusting(port, "kubernetes", f"{folder}/pki/ca.crt", *files)

    def _start(
        self,
        name: str,
        image: str,
        command: list[str],
        mounts: Mapping[str, bool],
        client: counting.Loopback,
        health: str,
    ) -> None:
        """Start a program that goes on, and wait until it says that it is well.

        :param health: the path by which it is asked for that.
        """
        log = f"{FOLDER}/{name}.log"
        done = self._system.call(etcd.tool_command(image, command, mounts, name, log))
        if done.code:
            raise archive.BackupError(f"{image} cannot be started: {etcd.reason(done.errors)}")
        deadline = time.monotonic() + self._seconds
        while True:
            # Should memory get short, this goes first, and not the cluster's own.
            for process in self._processes(name):
                with (
                    contextlib.suppress(OSError),
                    open(f"/proc/{process}/oom_score_adj", "w", encoding="ascii") as file,
                ):
                    file.write("1000")
            if not self._is_running(name):
                said = etcd.reason(self._system.read(log))
                raise archive.BackupError(f"{image} ended with the backup's data and flags: {said}")
            missing = _lack(client, health)
            if not missing:
                return
            if time.monotonic() > deadline:
                said = etcd.reason(self._system.read(log))
                raise archive.BackupError(
                    f"{image} is not ready after {self._seconds} s ({missing}); its last message was: {said}"
                )
            time.sleep(0.5)

    def _is_running(self, name: str) -> bool:
        tasks = self._system.call(["ctr", "--namespace", "k8s.io", "tasks", "list"]).output
        rows = [line.split() for line in tasks.splitlines()[1:]]
        return any(row[0] == name and row[2:] == ["RUNNING"] for row in rows)

    def _processes(self, name: str) -> list[str]:
        """Numbers of a container's processes."""
        listed = self._system.call(["ctr", "--namespace", "k8s.io", "tasks", "ps", name]).output
        return [line.split()[0] for line in listed.splitlines()[1:] if line.split()]


def _words(flags: Mapping[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]


def _lack(client: counting.Loopback, health: str) -> str:
    """What a program still lacks, in words; empty when it is well."""
    try:
        status, text = client.get(health, timeout=10)
    except OSError as error:
        return str(error)
    if status in (401, 403):
        return f"it does not accept the administrator's certificate from the backup ({status})"
    failed = [line for line in text.splitlines() if line.startswith("[-]")]
    return "" if status == 200 else " ".join(failed)[:200] or f"it answers {status}"


def memory_available(system: System) -> int:
    """MiB of memory that are available."""
    for line in system.read("/proc/meminfo").splitlines():
        name, _colon, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) >> 10
    return LEAST_MEMORY


def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Hold a drill with the archive that the action plugin of the same name has brought, and note how it ended.

    :param check: only tell whether it can be held.
    :raises Stop: with the reason for which there was none, or it failed.
    """
    with stopping(f"No drill with {options['src']}"):
        return _run(system, options, check)


def _run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    drill = Drill(system, options["timeout"])
    here = machine.look(system, options["node_name"], "")
    if not options["backup"]:  # asked by the action plugin, which looks for a backup of this cluster
        return {"changed": False, "cluster_ca_sha256": here.ca}
    description = archive.Description(**options["backup"])
    free = shutil.disk_usage(system.path("/var/lib")).free >> 20
    trouble = refusal(description, here.ca, memory_available(system), free, options["size"] >> 20)
    if trouble:
        raise archive.BackupError(trouble)
    if check:
        return {"changed": True}
    begin, reason, counted = time.monotonic(), "", None
    try:
        counted = drill.hold(machine.ARCHIVE, options["sha256"])
        if counted.lost:
            raise archive.BackupError(f"the restored API server reads only {', '.join(counted.lost)}")
    except (archive.BackupError, etcd.EtcdError, OSError) as error:
        reason = str(error)
        raise
    finally:
        machine.empty_spool(system)
        seconds = round(time.monotonic() - begin, 1)
        if counted or reason:  # a drill that was told to end says nothing about the backup
            _note(system, options, description, reason, counted, seconds)
    return {
        "changed": True,
        "kinds": counted.kinds,
        "objects": counted.objects,
        "counted": counted.lines(),
        "seconds": seconds,
        "steps": drill.steps,
    }


def _note(
    system: System,
    options: Mapping[str, Any],
    backup: archive.Description,
    reason: str,
    counted: counting.Comparison | None,
    seconds: float,
) -> None:
    """Note for status.yml how a drill ended."""
    record = {
        "at": options["now"],
        "backup": os.path.basename(options["src"]),
        "backup_created": backup.created,
        "cluster_ca_sha256": backup.cluster_ca_sha256,
        "objects": counted.objects if counted else 0,
        "reason": reason,
        "seconds": seconds,
    }
    system.write(RECORD, (json.dumps(record, indent=2) + "\n").encode(), 0o600)
