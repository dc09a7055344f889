"""A drill: what is started with which flags, that nothing of it stays, and what is noted."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import signal
import socket
import subprocess
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.backup import archive, drill, machine
from ansible_collections.bramble.kube.plugins.module_utils.backup.archive import (
    SNAPSHOT,
    Description,
    pack,
    saved_files,
)
from ansible_collections.bramble.kube.plugins.module_utils.backup.restore import Machine
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.http1 import Garbled
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done, System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.etcd import EtcdPod

PORTS = drill.Ports(11, 12, 13)


def test_etcd_differs_in_where_it_listens_and_where_its_data_is() -> None:
    pod = EtcdPod(
        "etcd:1",
        {
            "name": "k8s-master",
            "data-dir": "/var/lib/etcd",
            "cert-file": "/etc/kubernetes/pki/etcd/server.crt",
            "client-cert-auth": "true",
            "initial-cluster": "k8s-master=https://192.168.13.7:2380",
            "listen-metrics-urls": "http://127.0.0.1:2381",
            "quota-backend-bytes": "4294967296",
        },
    )
    assert drill.etcd_of(pod, PORTS, "/d").flags == {
        "name": "k8s-master",
        "data-dir": "/d/etcd",
        "cert-file": "/d/kubernetes/pki/etcd/server.crt",
        "client-cert-auth": "true",
        "initial-cluster": "k8s-master=https://127.0.0.1:12",
        "listen-client-urls": "https://127.0.0.1:11",
        "advertise-client-urls": "https://127.0.0.1:11",
        "listen-peer-urls": "https://127.0.0.1:12",
        "initial-advertise-peer-urls": "https://127.0.0.1:12",
        "quota-backend-bytes": "4294967296",
    }


def test_the_api_server_listens_on_loopback_writes_nowhere_and_calls_no_webhook() -> None:
    flags = {
        "advertise-address": "192.168.13.7",
        "audit-log-path": "/var/log/kubernetes/audit.log",
        "audit-policy-file": "/etc/kubernetes/audit.yaml",
        "client-ca-file": "/etc/kubernetes/pki/ca.crt",
        "enable-admission-plugins": "NodeRestriction,MutatingAdmissionWebhook",
        "disable-admission-plugins": "DefaultStorageClass",
        "encryption-provider-config": "/etc/kubernetes/encryption.json",
        "etcd-servers": "https://127.0.0.1:2379",
        "secure-port": "6443",
    }
    assert drill.api_flags(flags, PORTS) == {
        "advertise-address": "192.168.13.7",
        "bind-address": "127.0.0.1",
        "client-ca-file": "/etc/kubernetes/pki/ca.crt",
        "enable-admission-plugins": "NodeRestriction",
        "disable-admission-plugins": "DefaultStorageClass,MutatingAdmissionWebhook,ValidatingAdmissionWebhook",
        "encryption-provider-config": "/etc/kubernetes/encryption.json",
        "endpoint-reconciler-type": "none",
        "etcd-servers": "https://127.0.0.1:11",
        "secure-port": "13",
    }
    only = drill.api_flags({"enable-admission-plugins": "ValidatingAdmissionWebhook"}, PORTS)
    assert "enable-admission-plugins" not in only


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, ""),
        ({"ca": ""}, "this machine is in no cluster"),
        ({"ca": "sha256:11"}, "not of the cluster of this machine"),
        ({"free_memory": 599}, "needs 600 MiB of memory, and 599 MiB are available"),
        ({"free_disk": 499}, "needs 500 MiB on the disk of /var/lib/bramble.kube/drill, and 499 MiB are free"),
    ],
)
def test_refusal(of: Description, changed: dict, words: str) -> None:
    given = {"ca": of.cluster_ca_sha256, "free_memory": 600, "free_disk": 500, "needed": 100, **changed}
    assert words in drill.refusal(of, **given)
    assert bool(drill.refusal(of, **given)) == bool(words)


def test_ports_are_three() -> None:
    ports = set(vars(drill.free_ports()).values())
    assert len(ports) == 3
    given_away = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    assert max(ports) < min(30000, given_away)  # neither a NodePort nor a port that a connection may have by then


def test_ports_in_use_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        monkeypatch.setattr(drill, "_PORTS", range(port, port + 1))
        with pytest.raises(archive.BackupError, match="not even three are free on this Pi"):
            drill.free_ports()


KUBECONFIG = {
    "current-context": "a",
    "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}],
    "users": [
        {
            "name": "u",
            "user": {f"client-{part}-data": base64.b64encode(b"pem").decode() for part in ("certificate", "key")},
        }
    ],
}
API_SERVER = """spec:
  containers:
  - command:
    - kube-apiserver
    - --etcd-servers=https://127.0.0.1:2379
    image: registry.k8s.io/kube-apiserver:v1.37.2
"""


class Pi(System):
    """A machine on which containers are only noted."""

    images = "registry.k8s.io/etcd:3.7.0-0\nregistry.k8s.io/kube-apiserver:v1.37.2\n"

    def __init__(self, root: Path, keys: str) -> None:
        super().__init__(str(root))
        self.keys, self.done, self.running = keys, [], set()
        self.fails = ""
        self.processes = ""
        self.stays = True

    def call(self, arguments, timeout=None, **environment) -> Done:
        words = list(arguments)
        line = " ".join(words)
        self.done.append(line)
        if self.fails and self.fails in line:
            return Done(1, "", "ctr: it does not go\n")
        if "tasks list" in line:
            return Done(0, "TASK PID STATUS\n" + "".join(f"{name} 1 RUNNING\n" for name in self.running), "")
        if "tasks ps" in line:
            return Done(0, self.processes, "")
        if "images list" in line:
            return Done(0, self.images, "")
        if "snapshot status" in line:
            return Done(0, '{"hash": 1, "revision": 7, "totalKey": 3, "totalSize": 4}', "")
        if "etcdctl get" in line:
            return Done(0, self.keys, "")
        if "--detach" in words and self.stays:
            self.running.add(next(word for word in words if word.startswith("bramble-etcd-drill")))
        if "tasks delete --force" in line:
            self.running.discard(words[-1])
        return Done(0, "", "")


class Answers:
    """An etcd and an API server that are well."""

    counts: dict = {}

    def __init__(self, *_files) -> None:
        for path in _files[2:]:
            assert os.path.exists(path), path
            assert "key" not in path or os.stat(path).st_mode & 0o077 == 0

    def get(self, _path: str, timeout: float = 1) -> tuple[int, str]:
        return 200, ""

    def count(self) -> dict:
        return self.counts


@pytest.fixture
def pi(machine: Path, of: Description, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pi:
    """A machine to which a backup has been sent."""
    for name in ("ca.crt", "server.crt", "server.key"):
        (machine / "etc/kubernetes/pki/etcd").mkdir(exist_ok=True)
        (machine / "etc/kubernetes/pki/etcd" / name).touch(0o600)
    (machine / "etc/kubernetes/manifests/kube-apiserver.yaml").write_text(API_SERVER)
    (machine / "etc/kubernetes/admin.conf").write_text(json.dumps(KUBECONFIG))
    manifest = machine / "etc/kubernetes/manifests/etcd.yaml"
    files = {"trusted-ca-file": "ca.crt", "cert-file": "server.crt", "key-file": "server.key"}
    flags = "".join(f"    - --{name}=/etc/kubernetes/pki/etcd/{file}\n" for name, file in files.items())
    manifest.write_text(manifest.read_text().replace("    - etcd\n", "    - etcd\n" + flags))
    content = io.BytesIO()
    pack(content, of, str(machine.parent / SNAPSHOT), saved_files(str(machine)))
    root = tmp_path / "pi"
    spool = root / "var/lib/bramble.kube/backup/archive.tar.gz"
    spool.parent.mkdir(parents=True)
    spool.write_bytes(content.getvalue())
    (root / "etc/tmpfiles.d").mkdir(parents=True)
    monkeypatch.setattr(drill.counting, "Loopback", Answers)
    monkeypatch.setattr(drill.machine, "look", lambda *_: Machine("k8s-master", "", ca=of.cluster_ca_sha256))
    monkeypatch.setattr(drill.machine, "empty_spool", spool.unlink)
    monkeypatch.setattr(Answers, "counts", {"pods": 2, "secrets": 1})
    return Pi(root, "/registry/pods/a/b\n\n/registry/pods/a/c\n/registry/secrets/a/d\n")


def options(pi: Pi, of: Description, **changed) -> dict:
    """As the action plugin fills them in."""
    digest = hashlib.sha256(Path(pi.path(machine.ARCHIVE)).read_bytes()).hexdigest()
    given = {"src": "/home/me/kept/b1", "node_name": "k8s-master", "timeout": 1, "backup": asdict(of)}
    return {**given, "sha256": digest, "size": 1, "now": 1_790_000_500, **changed}


def left(pi: Pi) -> list[str]:
    """Files on the machine."""
    return sorted(str(path.relative_to(pi.root)) for path in Path(pi.root).rglob("*") if path.is_file())


RECORD = "var/lib/bramble.kube/last-drill.json"


def noted(pi: Pi) -> dict:
    return json.loads((Path(pi.root) / RECORD).read_text())


def test_a_drill_counts_and_leaves_its_record_alone(pi: Pi, of: Description) -> None:
    result = drill.run(pi, options(pi, of), False)
    assert result["counted"] == ["pods: 2 read of 2", "secrets: 1 read of 1"]
    assert left(pi) == [RECORD]
    assert pi.running == set()
    assert noted(pi)["reason"] == ""
    assert noted(pi)["objects"] == 3
    assert noted(pi)["at"] == 1_790_000_500
    restore = next(line for line in pi.done if "snapshot restore" in line)
    assert "--data-dir=/var/lib/bramble.kube/drill/etcd" in restore
    assert "--initial-advertise-peer-urls=https://127.0.0.1:" in restore
    started = [line for line in pi.done if "--detach" in line]
    assert ["etcd " in line for line in started] == [True, False]
    assert "src=/var/lib/bramble.kube/drill/kubernetes,dst=/etc/kubernetes,options=rbind:ro" in started[1]
    armed = next(at for at, line in enumerate(pi.done) if line.startswith("systemd-run"))
    assert armed < pi.done.index(restore)
    assert "rm -rf /var/lib/bramble.kube/drill" in pi.done[armed]
    assert pi.done[-1].startswith("systemctl --quiet stop bramble-drill-end.timer")


def test_images_that_are_not_at_hand_are_pulled(pi: Pi, of: Description) -> None:
    pi.images = "registry.k8s.io/etcd:3.7.0-0\n"
    drill.run(pi, options(pi, of), False)
    (pull,) = [line for line in pi.done if "images pull" in line]
    assert pull.endswith(" registry.k8s.io/kube-apiserver:v1.37.2")


def test_a_dry_run_starts_nothing(pi: Pi, of: Description) -> None:
    before = left(pi)
    assert drill.run(pi, options(pi, of), True) == {"changed": True}
    assert (left(pi), pi.done) == (before, [])


def test_which_cluster_it_is_can_be_asked(pi: Pi, of: Description) -> None:
    asked = drill.run(pi, options(pi, of, backup=None), True)
    assert asked == {"changed": False, "cluster_ca_sha256": of.cluster_ca_sha256}


@pytest.mark.parametrize(
    ("fails", "words"),
    [
        ("systemd-run", "no timer can be set"),
        ("snapshot restore", "etcdutl snapshot restore of registry.k8s.io/etcd:3.7.0-0 failed: it does not go"),
        ("drill.log", "registry.k8s.io/etcd:3.7.0-0 cannot be started: it does not go"),
        ("drill-api.log", "registry.k8s.io/kube-apiserver:v1.37.2 cannot be started"),
    ],
)
def test_what_fails_is_named_and_noted_and_nothing_stays(pi: Pi, of: Description, fails: str, words: str) -> None:
    pi.fails = fails
    with pytest.raises(Exception, match=words):
        drill.run(pi, options(pi, of), False)
    assert left(pi) == [RECORD]
    assert pi.running == set()
    assert words.split("(")[0] in noted(pi)["reason"]


def test_lost_objects_are_a_failure(pi: Pi, of: Description, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Answers, "counts", {"pods": 1, "secrets": 1})
    with pytest.raises(Stop, match="reads only 1 of 2 pods"):
        drill.run(pi, options(pi, of), False)
    assert "1 of 2 pods" in noted(pi)["reason"]


def test_an_archive_that_is_not_whole_starts_nothing(pi: Pi, of: Description) -> None:
    with pytest.raises(Stop, match="did not arrive whole"):
        drill.run(pi, options(pi, of, sha256="0" * 64), False)
    assert not any("--detach" in line or "snapshot" in line for line in pi.done)


def test_a_module_that_is_told_to_end_leaves_nothing_and_says_nothing(
    pi: Pi, of: Description, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answers, "count", lambda _self: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(SystemExit):
        drill.run(pi, options(pi, of), False)
    assert left(pi) == []
    assert pi.running == set()


def test_what_a_cut_drill_has_left_goes_with_the_next(pi: Pi, of: Description) -> None:
    pi.running.update({drill.ETCD, drill.API})
    old = Path(pi.path(drill.FOLDER)) / "kubernetes"
    old.mkdir(parents=True)
    (old / "ca.key").touch()
    drill.run(pi, options(pi, of), False)
    assert left(pi) == [RECORD]


def test_a_record_of_another_cluster_is_none() -> None:
    text = json.dumps({"cluster_ca_sha256": "sha256:1", "at": 1})
    assert drill.record_of(text, "sha256:1")["at"] == 1
    assert drill.record_of(text, "sha256:2") == {}
    assert drill.record_of("", "sha256:1") == {}
    assert drill.record_of("[]", "sha256:1") == {}


@pytest.mark.parametrize(
    ("text", "memory"),
    [
        ("MemTotal: 4194304 kB\nMemAvailable:    1048576 kB\n", 1024),
        ("MemAvailable: 614399 kB\n", 599),
        ("MemTotal: 4194304 kB\n", drill.LEAST_MEMORY),
        ("", drill.LEAST_MEMORY),
    ],
)
def test_memory_that_is_available(played, text: str, memory: int) -> None:
    played.put("/proc/meminfo", text)
    assert drill.memory_available(played) == memory


def test_no_drill_where_its_data_or_its_api_server_have_no_room(
    pi: Pi, of: Description, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drill.shutil, "disk_usage", lambda _path: SimpleNamespace(free=500 << 20))
    assert drill.run(pi, options(pi, of, size=100 << 20), True)["changed"]
    with pytest.raises(Stop, match=r"^No drill with /home/me/kept/b1: its data needs 502 MiB .* 500 MiB are free\.$"):
        drill.run(pi, options(pi, of, size=101 << 20), True)
    (Path(pi.root) / "proc").mkdir()
    (Path(pi.root) / "proc/meminfo").write_text("MemAvailable: 614399 kB\n")
    with pytest.raises(Stop, match="needs 600 MiB of memory, and 599 MiB are available"):
        drill.run(pi, options(pi, of), False)
    assert not any("--detach" in line for line in pi.done)


def test_what_is_noted_is_the_owners_alone_and_says_which_backup_it_was(pi: Pi, of: Description) -> None:
    result = drill.run(pi, options(pi, of), False)
    assert noted(pi) == {
        "at": 1_790_000_500,
        "backup": "b1",
        "backup_created": of.created,
        "cluster_ca_sha256": of.cluster_ca_sha256,
        "objects": 3,
        "reason": "",
        "seconds": result["seconds"],
    }
    assert (Path(pi.root) / RECORD).stat().st_mode & 0o777 == 0o600
    assert (result["changed"], result["objects"]) == (True, 3)
    assert result["kinds"] == {"pods": {"in_backup": 2, "read": 2}, "secrets": {"in_backup": 1, "read": 1}}
    assert [step.partition(" (")[0] for step in result["steps"]] == [
        "verified",
        "images at hand",
        "etcd's data made from the snapshot",
        "etcd started",
        "API server started",
        "objects counted",
    ]


def test_nobody_else_reads_the_secrets_of_a_drill_and_a_timer_ends_it(
    pi: Pi, of: Description, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def count(_self) -> dict:
        seen.append(os.stat(pi.path(drill.FOLDER)).st_mode & 0o777)
        seen.append(Path(pi.path(drill.AT_BOOT)).read_text())
        return Answers.counts

    monkeypatch.setattr(Answers, "count", count)
    drill.run(pi, options(pi, of, timeout=30), False)
    mode, at_boot = seen
    assert mode == 0o700
    assert at_boot.splitlines() == [f"R! {drill.FOLDER}", f"r! {machine.ARCHIVE}", f"r! {drill.AT_BOOT}"]
    assert "--on-active=120s" in next(line for line in pi.done if line.startswith("systemd-run"))


def test_signals_end_what_they_ended_before(pi: Pi, of: Description) -> None:
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    drill.run(pi, options(pi, of), False)
    assert [signal.getsignal(number) for number in numbers] == before


def test_should_memory_get_short_the_drill_goes_first(pi: Pi, of: Description) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        pi.processes = f"PID INFO\n{process.pid} -\n\n999999999 -\n"
        drill.run(pi, options(pi, of), False)
        score = Path(f"/proc/{process.pid}/oom_score_adj").read_text().strip()
        process.kill()
    assert score == "1000"


@pytest.mark.parametrize(("fails", "word"), [("", "kube-apiserver --"), ("--version", "--")])
def test_an_image_is_given_the_programs_name_unless_its_entrypoint_is_the_program(
    pi: Pi, of: Description, fails: str, word: str
) -> None:
    pi.fails = fails
    drill.run(pi, options(pi, of), False)
    started = [line for line in pi.done if "--detach" in line][1]
    assert f" {drill.API} {word}" in started


def test_a_program_that_ends_is_told_with_its_last_words(pi: Pi, of: Description) -> None:
    pi.stays = False
    with pytest.raises(Stop, match=r"etcd:3\.7\.0-0 ended with the backup's data and flags"):
        drill.run(pi, options(pi, of), False)


def test_one_that_does_not_get_ready_is_waited_for_and_told_with_what_it_lacks(
    pi: Pi, of: Description, clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answers, "get", lambda *_arguments, **_more: (500, "[+]ping ok\n[-]etcd failed\n"))
    with pytest.raises(Stop, match=r"is not ready after 3 s \(\[-\]etcd failed\)"):
        drill.run(pi, options(pi, of, timeout=3), False)
    assert set(clock.slept) == {0.5}
    assert 3 < clock.now - 1000 <= 3.5


@pytest.mark.parametrize(
    ("answer", "lack"),
    [
        ((200, "[-]etcd failed"), ""),
        ((500, "[+]ping ok\n[-]etcd failed\n[-]poststart failed"), "[-]etcd failed [-]poststart failed"),
        ((500, "[-]" + "x" * 300), "[-]" + "x" * 197),
        ((503, ""), "it answers 503"),
        ((401, ""), "it does not accept the administrator's certificate from the backup (401)"),
        ((403, ""), "it does not accept the administrator's certificate from the backup (403)"),
        (ConnectionRefusedError("refused"), "refused"),
        (Garbled("the answer is not HTTP/1.1"), "the answer is not HTTP/1.1"),
    ],
)
def test_what_a_program_lacks(answer: object, lack: str) -> None:
    class Client:
        def get(self, path: str, timeout: float) -> tuple[int, str]:
            assert (path, timeout) == ("/readyz", 10)
            if isinstance(answer, Exception):
                raise answer
            return answer

    assert drill._lack(Client(), "/readyz") == lack
