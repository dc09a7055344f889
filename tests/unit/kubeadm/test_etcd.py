"""What etcd's static Pod says, the programs of its image, and which snapshots are refused."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.etcd import (
    EtcdError,
    checksum_error,
    leftovers,
    parse_pod,
    parse_status,
    reason,
    tool_command,
)
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.etcd_tools import EtcdTools, read_pod

#: As kubeadm 1.37 writes it, shortened.
MANIFEST = """\
apiVersion: v1
kind: Pod
metadata:
  name: etcd
spec:
  containers:
  - command:
    - etcd
    - --advertise-client-urls=https://192.168.13.7:2379
    - --cert-file=/etc/kubernetes/pki/etcd/server.crt
    - --data-dir=/var/lib/etcd
    - --initial-advertise-peer-urls=https://192.168.13.7:2380
    - --initial-cluster=k8s-master=https://192.168.13.7:2380
    - --key-file=/etc/kubernetes/pki/etcd/server.key
    - --listen-client-urls=https://127.0.0.1:2379,https://192.168.13.7:2379
    - --name=k8s-master
    - --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
    image: registry.k8s.io/etcd:3.7.0-0
    imagePullPolicy: IfNotPresent
    name: etcd
"""


def snapshot(pages: int = 8) -> bytes:
    """A file with etcd's checksum at its end."""
    content = bytes(range(256)) * 16 * pages
    return content + hashlib.sha256(content).digest()


def test_the_pod_as_kubeadm_writes_it() -> None:
    pod = parse_pod(MANIFEST)
    assert pod.image == "registry.k8s.io/etcd:3.7.0-0"
    assert pod.data_dir == "/var/lib/etcd"
    assert pod.local_endpoint == "https://127.0.0.1:2379"
    assert pod.flags["initial-cluster"] == "k8s-master=https://192.168.13.7:2380"
    assert pod.certificates_folder == "/etc/kubernetes/pki/etcd"


@pytest.mark.parametrize("text", ["", "kind: Pod\n", MANIFEST.replace("image:", "picture:"), MANIFEST[:60]])
def test_half_a_manifest_is_refused(text: str) -> None:
    with pytest.raises(EtcdError):
        parse_pod(text)


def test_the_command_mounts_what_it_needs_and_no_more() -> None:
    command = tool_command("img:1", ["etcdctl", "version"], {"/a": True, "/b": False}, "bramble-etcd-1")
    assert command[:6] == ["ctr", "--namespace", "k8s.io", "run", "--rm", "--net-host"]
    assert "type=bind,src=/a,dst=/a,options=rbind:rw" in command
    assert "type=bind,src=/b,dst=/b,options=rbind:ro" in command
    assert command[-4:] == ["img:1", "bramble-etcd-1", "etcdctl", "version"]


def test_only_its_own_leftovers_are_removed() -> None:
    commands = leftovers("0123456789ab\nbramble-etcd-12-34\nmy-bramble-etcd-1\n")
    assert {command[-1] for command in commands} == {"bramble-etcd-12-34"}


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda whole: whole, ""),
        (lambda whole: whole[:-1], "cut off"),
        (lambda whole: whole[:-32], "cut off"),
        (lambda whole: b"", "cut off"),
        (lambda whole: whole[:100] + b"x" + whole[101:], "does not fit"),
        (lambda whole: whole[:512] + whole[-32:], "does not fit"),
        (lambda whole: whole[:-1] + b"\0", "does not fit"),
    ],
)
def test_checksum(damage, words: str) -> None:
    trouble = checksum_error(io.BytesIO(damage(snapshot())))
    assert words in trouble
    assert bool(words) == bool(trouble)


def test_status() -> None:
    status = parse_status('{"hash":2887654321,"revision":1234,"totalKey":567,"totalSize":2371584,"version":"3.7.0"}')
    assert (status.revision, status.key_count, status.size, status.hash) == (1234, 567, 2371584, "ac1e1bb1")
    with pytest.raises(EtcdError, match="can be read"):
        parse_status("no such file")


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ('{"level":"info","msg":"created"}\nError: snapshot file integrity check failed.\n', "integrity check failed"),
        ('{"level":"warn","error":"context deadline exceeded"}', "context deadline exceeded"),
        ('ctr: image "registry.k8s.io/etcd:3": not found\n', 'image "registry.k8s.io/etcd:3": not found'),
        ("", "no reason"),
    ],
)
def test_reason(output: str, expected: str) -> None:
    assert expected in reason(output)


class FakeMachine:
    """Answers like ctr; etcdctl writes `written` to the path that it is given."""

    def __init__(self, written: bytes, code: int = 0) -> None:
        self.written, self.code, self.commands = written, code, []

    def __call__(self, command: list[str]) -> tuple[int, str, str]:
        self.commands.append(command)
        if "list" in command:
            return 0, "bramble-etcd-1\n", ""
        if "save" in command:
            Path(command[command.index("save") + 1]).write_bytes(self.written)
            return self.code, "", "Error: context deadline exceeded"
        return 0, json.dumps({"hash": 1, "revision": 7, "totalKey": 3, "totalSize": 4096}), ""


def test_a_whole_snapshot_comes_to_its_place_readable_by_root_alone(tmp_path: Path) -> None:
    machine = FakeMachine(snapshot())
    path = tmp_path / "deep" / "etcd.db"
    assert EtcdTools(machine, parse_pod(MANIFEST)).save(str(path)).revision == 7
    assert path.read_bytes() == snapshot()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert next(c for c in machine.commands if "delete" in c)[-1] == "bramble-etcd-1"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("written", "code"), [(snapshot()[:-5], 0), (snapshot(), 1)])
def test_a_broken_one_leaves_the_earlier_one(tmp_path: Path, written: bytes, code: int) -> None:
    path = tmp_path / "etcd.db"
    path.write_bytes(b"earlier")
    with pytest.raises(EtcdError):
        EtcdTools(FakeMachine(written, code), parse_pod(MANIFEST)).save(str(path))
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_a_machine_without_etcd(tmp_path: Path) -> None:
    with pytest.raises(EtcdError, match="not the control plane"):
        read_pod(str(tmp_path / "etcd.yaml"))
