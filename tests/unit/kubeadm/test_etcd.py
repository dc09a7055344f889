"""What etcd's static Pod says, the programs of its image, and which snapshots are refused."""

from __future__ import annotations

import hashlib
import io
import json

import pytest
from played_machine import Played

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import etcd_snapshot
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.etcd import (
    EtcdError,
    EtcdPod,
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


@pytest.mark.parametrize(
    ("urls", "local"),
    [
        ("https://192.168.13.7:2379,https://[::1]:2379", "https://[::1]:2379"),
        ("https://192.168.13.7:2379,https://127.0.0.1:2379", "https://127.0.0.1:2379"),
        ("https://192.168.13.7:2379,https://10.0.0.7:2379", "https://192.168.13.7:2379"),
    ],
)
def test_etcd_is_reached_on_the_machine_itself_where_it_listens_there(urls: str, local: str) -> None:
    assert EtcdPod("etcd:1", {"listen-client-urls": urls}).local_endpoint == local


def test_what_kubeadm_leaves_out_is_as_it_always_has_it() -> None:
    pod = EtcdPod("etcd:1", {})
    assert (pod.data_dir, pod.local_endpoint) == ("/var/lib/etcd", "https://127.0.0.1:2379")
    folder = "/etc/kubernetes/pki/etcd"
    assert pod.tls == (f"--cacert={folder}/ca.crt", f"--cert={folder}/server.crt", f"--key={folder}/server.key")
    assert pod.certificates_folder == folder
    own = EtcdPod("etcd:1", {"trusted-ca-file": "/a/ca", "cert-file": "/a/cert", "key-file": "/a/key"})
    assert own.tls == ("--cacert=/a/ca", "--cert=/a/cert", "--key=/a/key")
    assert own.certificates_folder == "/a"


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
        (lambda whole: whole[:100] + b"x" + whole[101:], "does not match"),
        (lambda whole: whole[:512] + whole[-32:], "does not match"),
        (lambda whole: whole[:-1] + b"\0", "does not match"),
    ],
)
def test_checksum(damage, words: str) -> None:
    trouble = checksum_error(io.BytesIO(damage(snapshot())))
    assert words in trouble
    assert bool(words) == bool(trouble)


def test_status() -> None:
    status = parse_status('{"hash":2887654321,"revision":1234,"totalKey":567,"totalSize":2371584,"version":"3.7.0"}')
    assert (status.revision, status.key_count, status.size, status.hash) == (1234, 567, 2371584, "ac1e1bb1")
    with pytest.raises(EtcdError, match="cannot be read"):
        parse_status("no such file")


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ('{"level":"info","msg":"created"}\nError: snapshot file integrity check failed.\n', "integrity check failed"),
        ('{"level":"warn","error":"context deadline exceeded"}', "context deadline exceeded"),
        ('ctr: image "registry.k8s.io/etcd:3": not found\n', 'image "registry.k8s.io/etcd:3": not found'),
        ("Error: unknown flag: --x\n\nUsage:\n\n--help\n-h, --help  help for status\n", "unknown flag: --x"),
        ("", "no reason"),
    ],
)
def test_reason(output: str, expected: str) -> None:
    assert expected in reason(output)


def machine(played: Played, written: bytes, code: int = 0) -> Played:
    """Answers like ctr; etcdctl writes `written` to the path that it is given."""

    def save(command: list[str]) -> Done:
        played.put(command[command.index("save") + 1], written)
        return Done(code, "", "Error: context deadline exceeded")

    played.says("containers list", "bramble-etcd-1\nother\n")
    played.says("snapshot save", save)
    played.says("snapshot status", json.dumps({"hash": 1, "revision": 7, "totalKey": 3, "totalSize": 4096}))
    return played


def test_a_whole_snapshot_comes_to_its_place_readable_by_root_alone(played: Played, synced: list[str]) -> None:
    tools = EtcdTools(machine(played, snapshot()), parse_pod(MANIFEST))
    assert tools.save("/deep/er/etcd.db").revision == 7
    assert played.at("/deep/er/etcd.db").read_bytes() == snapshot()
    assert [played.mode(path) for path in ("/deep/er/etcd.db", "/deep/er", "/deep")] == [0o600, 0o700, 0o700]
    removed = [line for line in played.asked if "delete" in line]
    assert [line.split()[-1] for line in removed] == ["bramble-etcd-1", "bramble-etcd-1"]
    assert list(played.files()) == ["/deep/er/etcd.db"]
    assert synced == [played.path("/deep/er/etcd.db.part"), played.path("/deep/er")]
    saved = next(line for line in played.asked if "snapshot save" in line)
    assert "--endpoints=https://127.0.0.1:2379" in saved
    assert "src=/deep/er,dst=/deep/er,options=rbind:rw" in saved
    assert "src=/etc/kubernetes/pki/etcd,dst=/etc/kubernetes/pki/etcd,options=rbind:ro" in saved
    read = next(line for line in played.asked if "snapshot status" in line)
    assert "src=/deep/er,dst=/deep/er,options=rbind:rw" in read


@pytest.mark.parametrize(("written", "code"), [(snapshot()[:-5], 0), (snapshot(), 1)])
def test_a_broken_one_leaves_the_earlier_one(played: Played, written: bytes, code: int) -> None:
    played.put("/b/etcd.db", b"earlier")
    played.put("/b/etcd.db.part", b"of a cut run")
    with pytest.raises(EtcdError):
        EtcdTools(machine(played, written, code), parse_pod(MANIFEST)).save("/b/etcd.db")
    assert played.files() == {"/b/etcd.db": "earlier"}


def test_a_program_that_fails_is_named_with_its_reason(played: Played) -> None:
    played.says("snapshot status", Done(1, "Error: on the wrong channel", ""))
    with pytest.raises(EtcdError, match=r"etcdutl snapshot status of registry.*failed: on the wrong channel"):
        EtcdTools(played, parse_pod(MANIFEST)).status("/b/etcd.db")
    played.says("snapshot status", Done(1, "something", "Error: no space"))
    with pytest.raises(EtcdError, match="failed: no space"):
        EtcdTools(played, parse_pod(MANIFEST)).status("/b/etcd.db")


def test_a_machine_without_etcd(played: Played) -> None:
    with pytest.raises(EtcdError, match="not the control plane"):
        read_pod(played)


def test_the_module_takes_a_snapshot_and_says_what_is_in_it(played: Played) -> None:
    with pytest.raises(Stop, match=r"No snapshot was taken: there is no etcd on this machine"):
        etcd_snapshot.run(played, {"dest": "/b/etcd.db"}, True)
    played.put("/etc/kubernetes/manifests/etcd.yaml", MANIFEST)
    machine(played, snapshot())
    image = parse_pod(MANIFEST).image
    would = {"changed": True, "path": "/b/etcd.db", "image": image}
    assert etcd_snapshot.run(played, {"dest": "/b/etcd.db"}, True) == would
    assert played.asked == [] and "/b/etcd.db" not in played.files()
    told = etcd_snapshot.run(played, {"dest": "/b/etcd.db"}, False)
    assert told == {**would, "revision": 7, "key_count": 3, "size": 4096}
    assert "/b/etcd.db" in played.files()
    with pytest.raises(Stop, match=r"^dest is etcd\.db; use an absolute path\.$"):
        etcd_snapshot.run(played, {"dest": "etcd.db"}, False)


def test_a_disk_that_takes_no_snapshot_is_named(played: Played) -> None:
    played.put("/etc/kubernetes/manifests/etcd.yaml", MANIFEST)
    played.put("/b", "a file")
    machine(played, snapshot())
    with pytest.raises(Stop, match=r"^No snapshot was taken: .*/b: File exists\.$"):
        etcd_snapshot.run(played, {"dest": "/b/etcd.db"}, False)
