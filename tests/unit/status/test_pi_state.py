"""What is read on a Pi: here a folder of files and programs that print what the test says."""

from __future__ import annotations

import base64
import os
import socket
import struct
import threading
import time

import pytest
from folders import Folder
from scenes import ca

from ansible_collections.bramble.kube.plugins.module_utils.status import gather_pi as pi
from ansible_collections.bramble.kube.plugins.module_utils.status import read_pi, security


def kubeconfig(pem: str, user: str) -> str:
    """A kubeconfig as kubeadm writes it."""
    data = base64.b64encode(pem.encode()).decode()
    return f"""apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {data}
    server: https://192.168.13.7:6443
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: u
  name: c
current-context: c
kind: Config
users:
- name: u
  user:
    {user}
"""


def test_an_empty_machine_gives_empty_answers(folder: Folder) -> None:
    state = pi.gather(folder, laptop_time=0)
    assert state["services"] == {}
    assert state["control_plane"] == {}
    assert state["certificates"] == []
    assert state["membership"]["joined"] is False
    assert state["api"]["outcome"] == "none"
    assert state["temperature_c"] is None
    read = security.gather(folder)
    assert [entry["path"] for entry in read["files"]] == []
    assert (read["programs"], read["encryption"], read["listening"]) == ({}, {}, None)


def test_services(folder: Folder) -> None:
    folder.programs["systemctl show"] = (
        "Id=containerd.service\nNRestarts=0\nLoadState=loaded\nActiveState=active\nSubState=running\nResult=success\n"
        "UnitFileState=enabled\n\nId=kubelet.service\nLoadState=loaded\nActiveState=activating\n"
        "SubState=auto-restart\nResult=exit-code\nUnitFileState=disabled\n"
    )
    found = pi.services(folder)
    assert found["containerd"]["state"] == "active"
    assert found["kubelet"] == {
        "loaded": True,
        "state": "activating",
        "substate": "auto-restart",
        "result": "exit-code",
        "restarts": 0,
        "up_s": 0,
        "enabled": False,
    }


def test_a_container_is_quoted_by_its_last_run(folder: Folder) -> None:
    log = "/var/log/pods/kube-system_etcd-k8s-master_0123/etcd"
    folder.put(f"{log}/0.log", "2026-06-01T12:00:00Z stderr F all is well\n")
    folder.put(
        f"{log}/3.log",
        "2026 stderr F panic: the disk is gone\n2026 stderr F goroutine 1\n",
    )
    (found,) = pi.containers(folder)
    assert found["container"] == "etcd"
    assert found["pod"] == "etcd-k8s-master"
    assert found["restarts"] == 3
    assert found["said"] == "panic: the disk is gone"


def test_an_empty_log_leaves_the_word_to_the_one_before(folder: Folder) -> None:
    folder.put("/var/log/pods/n_p_u/c/1.log", "2026-06-01T12:00:00Z stdout F token abcdef.0123456789abcdef is bad\n")
    folder.put("/var/log/pods/n_p_u/c/2.log", "")
    assert pi.containers(folder)[0]["said"] == "token abcdef.**************** is bad"


def test_the_last_image_failure_counts() -> None:
    journal = (
        'E0601 12:00:00.0 1 log.go:32] "PullImage from image service failed" err="x"\n'
        'E0601 12:00:00.0 1 pod_workers.go:1] "Error" err="Failed to pull image \\"reg.example/a:1\\": no such host"\n'
        'E0601 12:00:09.0 1 pod_workers.go:1] "Error" err="Failed to pull image \\"reg.example/a:1\\": not found"\n'
    )
    assert pi.image_failures(journal) == [{"image": "reg.example/a:1", "reason": "not found"}]


def test_pod_network(folder: Folder) -> None:
    folder.put("/etc/cni/net.d/10-flannel.conflist", '{"plugins": [{"type": "flannel"}, {"type": "portmap"}]}')
    folder.put("/opt/cni/bin/flannel", "")
    folder.put("/run/flannel/subnet.env", "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n")
    found = pi.pod_network(folder)
    assert found["network"] == "flannel"
    assert found["plugins_missing"] == ["portmap"]
    assert found["subnet"] == "10.244.1.1/24"


def test_certificates_come_without_keys(folder: Folder) -> None:
    pem, key = ca().sign("x"), "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
    folder.put("/var/lib/kubelet/pki/kubelet-client-current.pem", pem + key)
    folder.put("/etc/kubernetes/pki/ca.crt", ca().pem)
    data = base64.b64encode(pem.encode()).decode()
    folder.put("/etc/kubernetes/admin.conf", kubeconfig(ca().pem, f"client-certificate-data: {data}"))
    found = {entry["file"]: entry["pem"] for entry in pi.certificates(folder)}
    assert found["/var/lib/kubelet/pki/kubelet-client-current.pem"] == pem
    assert found["/etc/kubernetes/admin.conf"] == pem
    assert "PRIVATE" not in str(found)


def test_an_unfinished_join_shows_the_tokens_public_half_alone(folder: Folder) -> None:
    folder.put("/etc/kubernetes/bootstrap-kubelet.conf", kubeconfig(ca().pem, "token: abcdef.0123456789abcdef"))
    certificate = "client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem"
    folder.put("/etc/kubernetes/kubelet.conf", kubeconfig(ca().pem, certificate))
    member = pi.membership(folder)
    assert member["joined"] is False
    assert member["token_id"] == "abcdef"
    assert member["server"] == "https://192.168.13.7:6443"
    assert "0123456789abcdef" not in str(member)


def test_reach_tells_how_it_failed() -> None:
    assert pi.reach("https://127.0.0.1:1", ca().pem)["outcome"] == "refused"
    assert pi.reach("", "")["outcome"] == "none"


def test_etcds_sizes(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pi.etcd(folder) == {}
    folder.put("/var/lib/etcd/member/snap/db", "12345")
    monkeypatch.setattr(pi, "ETCD_METRICS", "http://127.0.0.1:1/metrics")
    assert pi.etcd(folder) == {"size": 5}
    text = b"# HELP x\netcd_mvcc_db_total_size_in_bytes 2.5e+07\netcd_server_quota_backend_bytes 2.147483648e+09\n"
    monkeypatch.setattr(pi, "fetch", lambda url, most, timeout: text)
    assert pi.etcd(folder) == {"size": 25_000_000, "quota": 2_147_483_648}


ETCD_POD = """\
    - --listen-peer-urls=https://192.168.13.7:2380
    - --peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt
    - --peer-key-file=/etc/kubernetes/pki/etcd/peer.key
    - --peer-trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
    image: registry.k8s.io/etcd:3.7.0-0
"""
#: As etcd's peers tell each other (server/etcdserver/api/etcdhttp/peer.go).
MEMBERS = """[
  {"id": 9372538179322589801, "peerURLs": ["https://192.168.13.7:2380"], "name": "k8s-master",
   "clientURLs": ["https://192.168.13.7:2379"]},
  {"id": 1, "peerURLs": ["https://192.168.13.8:2380"], "isLearner": true, "clientURLs": null}
]"""


def test_etcds_members_are_asked_for_with_its_own_certificate(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pi.etcd_members(folder) == []
    folder.put("/etc/kubernetes/manifests/etcd.yaml", ETCD_POD)
    assert pi.etcd_members(folder) == [], "it has no certificates"
    asked, answers = [], [(200, MEMBERS), (200, "{}"), (404, "404 page not found\n"), (200, '[{"peerURLs": []}]')]

    class Peer:
        def __init__(self, *how: object, **where: str) -> None:
            asked.append((*how, where))

        def get(self, path: str, timeout: float) -> tuple[int, str]:
            asked.append((path, timeout))
            return answers.pop(0)

    monkeypatch.setattr(pi, "Loopback", Peer)
    assert pi.etcd_members(folder) == [
        {"name": "k8s-master", "address": "192.168.13.7", "learner": False},
        {"name": "", "address": "192.168.13.8", "learner": True},
    ]
    files = [folder.path(f"/etc/kubernetes/pki/etcd/{name}") for name in ("ca.crt", "peer.crt", "peer.key")]
    assert asked == [(2380, "192.168.13.7", *files, {"address": "192.168.13.7"}), ("/members", 3)]
    assert [pi.etcd_members(folder) for _answer in answers[:]] == [[], [], []]


def test_addresses_that_are_listened_on() -> None:
    table = (
        "  sl  local_address rem_address   st\n"
        "   0: 0100007F:094B 00000000:0000 0A\n"
        "   1: 00000000:0016 00000000:0000 0A\n"
        "   2: 070DA8C0:094B 00000000:0000 01\n"
    )
    table6 = f"  sl\n 0: 0000000000000000FFFF00000100007F:192B 00:0 0A\n 1: {'0' * 32}:280A 0:0 0A\n"
    assert security.listening(table, table6) == [
        {"port": 22, "address": "0.0.0.0"},
        {"port": 2379, "address": "127.0.0.1"},
        {"port": 6443, "address": "127.0.0.1"},
        {"port": 10250, "address": "::"},
    ]


def test_a_read_only_disk_would_be_told(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(folder.root)
    values = list(real)
    values[8] = real.f_flag | os.ST_RDONLY
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(values))
    assert pi.disks(folder)[0]["read_only"] is True


class LyingServer(threading.Thread):
    """An SNTP server whose clock is off by so many seconds."""

    def __init__(self, off: float) -> None:
        super().__init__(daemon=True)
        self.off = off
        self.channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.channel.bind(("127.0.0.1", 0))
        self.port = self.channel.getsockname()[1]

    def run(self) -> None:
        """Answer once."""
        _request, asker = self.channel.recvfrom(512)
        now = time.time() + self.off + 2208988800
        stamp = struct.pack("!II", int(now), int(now % 1 * 2**32))
        self.channel.sendto(bytes([0x24, 1, 0, 0]) + 28 * b"\0" + stamp + stamp, asker)


@pytest.mark.parametrize("off", [7200.0, -300.0])
def test_a_clock_is_compared_with_its_time_server(off: float) -> None:
    server = LyingServer(off)
    server.start()
    measured = pi.ahead_of("127.0.0.1", server.port)
    assert measured is not None
    assert abs(measured + off) < 1


def test_a_silent_time_server_tells_nothing() -> None:
    assert pi.ahead_of("127.0.0.1", 9, timeout=0.2) is None
    assert pi.ahead_of("no.such.name.invalid") is None


@pytest.mark.parametrize(
    ("programs", "address"),
    [
        ({"chronyc": "^,+,10.0.0.1,2,6,377,1,0,0,0\n^,*,10.0.0.2,2,6,377,1,0,0,0\n"}, "10.0.0.2"),
        ({"chronyc": "^,?,10.0.0.1,0,6,0,1,0,0,0\n^,x,10.0.0.3,2,6,17,1,0,0,0\n"}, "10.0.0.3"),
        ({"timedatectl": "162.159.200.1\n"}, "162.159.200.1"),
        ({}, ""),
    ],
)
def test_the_time_server_is_found(folder: Folder, programs: dict, address: str) -> None:
    folder.programs.update(programs)
    assert pi.time_server(folder) == address


def test_the_module_reads_the_audits_files_only_for_an_audit(folder, monkeypatch) -> None:
    monkeypatch.setattr(
        read_pi.gather_pi, "gather", lambda _system, laptop_time: {"ahead": laptop_time, "text": "x" * 70000}
    )
    monkeypatch.setattr(read_pi.facts, "gather", lambda _system, packages: {"asked": list(packages)})
    monkeypatch.setattr(read_pi.security, "gather", lambda _system: {"files": {}})
    told = read_pi.run(folder, {"laptop_time": 1.5, "audit": False}, False)
    assert told["facts"] == {"asked": list(pi.PACKAGES)}
    assert told["state"]["ahead"] == 1.5
    assert 65000 < len(told["state"]["text"]) <= 65536
    assert not told["changed"] and "audit" not in told
    assert read_pi.run(folder, {"laptop_time": None, "audit": True}, True)["audit"] == {"files": {}}
