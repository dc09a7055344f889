# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kubernetes has left on a machine goes, in which order, and what is somebody else's stays."""

from __future__ import annotations

import json
import pwd
from types import SimpleNamespace

import pytest
from kubeconfigs import kubeconfig
from played_machine import Played

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import reset

SAVED = "*filter\n:INPUT ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n-A INPUT -j KUBE-SERVICES\nCOMMIT\n"
MOUNTS = "tmpfs /var/lib/kubelet/pods/1/volumes/token tmpfs rw 0 0\n/dev/sda1 / ext4 rw 0 0\n"
RESET = "kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock"
#: Which files go, and what they are called.
FILES = (
    "/etc/kubernetes/admin.conf",
    "/etc/kubernetes/pki",
    "/var/lib/etcd/member",
    "/var/lib/kubelet/config.yaml",
    "/var/lib/bramble.kube/restoring",
    "/var/lib/bramble.kube/one.db",
    "/var/lib/bramble.kube/two.db",
)


@pytest.fixture
def member(played: Played, monkeypatch: pytest.MonkeyPatch) -> Played:
    """A machine in a cluster, with a kubeconfig of a user's."""
    played.put("/usr/bin/kubeadm", "#!", 0o755)
    played.put("/etc/kubernetes/admin.conf", kubeconfig("CA"))
    played.put("/etc/kubernetes/pki/ca.key")
    played.put("/etc/kubernetes/manifests/.kubelet-keep")
    played.put("/var/lib/kubelet/.kubelet-keep")
    played.put("/var/lib/kubelet/config.yaml")
    played.put("/var/lib/etcd/member/snap/db")
    for name in ("restoring", "two.db", "one.db", "status.json"):
        played.put(f"/var/lib/bramble.kube/{name}")
    played.put("/home/me/.kube/config", kubeconfig("CA"))
    played.put("/proc/mounts", MOUNTS)
    played.at("/run/netns/cni-1").mkdir(parents=True)
    played.at("/run/netns/other").mkdir()
    played.says("ip -json link", json.dumps([{"ifname": "cni0"}, {"ifname": "eth0"}]))
    played.says("iptables-save", SAVED)
    played.says("ip6tables-save", Done(127, "", "no such program"))
    played.says("iptables-legacy-save", Done(1, SAVED, "it fails"))
    played.says("nft list tables", "table ip kube-proxy\ntable ip mine\n")
    monkeypatch.setattr(pwd, "getpwnam", lambda name: {"me": SimpleNamespace(pw_dir="/home/me")}[name])
    return played


def options(*users: str) -> dict:
    return {"users": list(users)}


REMOVED = [
    "/home/me/.kube/config",
    "files and containers of kubeadm",
    "mount /var/lib/kubelet/pods/1/volumes/token",
    "link cni0",
    "network namespace cni-1",
    "chains of iptables",
    "nft table ip kube-proxy",
    *FILES,
]
DID = [
    RESET,
    "umount --lazy /var/lib/kubelet/pods/1/volumes/token",
    "ip link delete cni0",
    "ip netns delete cni-1",
    "iptables-restore --noflush --wait 30",
    "nft delete table ip kube-proxy",
]


def did(played: Played) -> list[str]:
    looks = ("ip -json", "iptables-save", "ip6tables", "iptables-legacy", "nft list")
    return [line for line in played.asked if not line.startswith(looks)]


def test_all_goes_kubeadms_part_first(member: Played) -> None:
    result = reset.run(member, options("nobody-here", "me"), False)
    before = "".join(f"{what}\n" for what in REMOVED)
    assert result == {
        "changed": True,
        "removed": REMOVED,
        "diff": {
            "before_header": "what the cluster has left",
            "after_header": "nothing",
            "before": before,
            "after": "",
        },
    }
    assert did(member) == DID
    fed = member.fed[member.asked.index("iptables-restore --noflush --wait 30")]
    assert fed == "*filter\n-D INPUT -j KUBE-SERVICES\n-F KUBE-SERVICES\n-X KUBE-SERVICES\nCOMMIT\n"
    kept = ("/etc/kubernetes/manifests/.kubelet-keep", "/var/lib/kubelet/.kubelet-keep", "/usr/bin/kubeadm")
    assert set(member.files()) == {
        *(*kept, "/var/lib/bramble.kube/status.json", "/proc/mounts", "/run/bramble.kube/kubeadm.lock")
    }


@pytest.mark.parametrize("check", [True, False])
def test_the_address_of_all_masters_goes_to_another_first(member: Played, check: bool) -> None:
    member.put("/usr/sbin/keepalived", "#!", 0o755)
    files = ("/etc/keepalived/keepalived.conf", "/etc/keepalived/api-ready")
    for path in files:
        member.put(path)
    removed = reset.run(member, options(), check)["removed"]
    assert removed[:3] == ["service keepalived", *files]
    assert [member.exists(path) for path in files] == [check] * 2
    stop = "systemctl disable --now keepalived"
    assert [line for line in member.asked if line in (stop, RESET)] == ([] if check else [stop, RESET])


def test_somebody_elses_keepalived_stays(member: Played) -> None:
    member.put("/usr/sbin/keepalived", "#!", 0o755)
    member.put("/etc/keepalived/keepalived.conf")
    reset.run(member, options(), False)
    assert member.exists("/etc/keepalived/keepalived.conf")
    assert not any("keepalived" in line for line in member.asked)


def test_check_mode_takes_nothing(member: Played) -> None:
    before = member.files()
    assert reset.run(member, options("me"), True)["removed"] == REMOVED
    assert did(member) == []
    assert member.files() == {**before, "/run/bramble.kube/kubeadm.lock": ""}


def test_a_machine_without_remains_is_left(played: Played) -> None:
    played.put("/usr/bin/kubeadm", "#!", 0o755)
    played.put("/etc/kubernetes/manifests/.kubelet-keep")
    result = reset.run(played, options(), False)
    assert (result["changed"], result["removed"]) == (False, [])
    assert did(played) == []


def test_a_kubeconfig_for_another_cluster_is_the_users(member: Played) -> None:
    member.put("/home/me/.kube/config", kubeconfig("CA", "https://192.0.2.1:6443"))
    assert "/home/me/.kube/config" not in reset.run(member, options("me"), False)["removed"]
    member.put("/home/me/.kube/config", "no kubeconfig")
    assert "/home/me/.kube/config" not in reset.run(member, options("me"), False)["removed"]
    assert member.exists("/home/me/.kube/config")


def test_a_node_knows_its_cluster_by_its_kubelet(member: Played) -> None:
    member.at("/etc/kubernetes/admin.conf").rename(member.at("/etc/kubernetes/kubelet.conf"))
    assert "/home/me/.kube/config" in reset.run(member, options("me"), False)["removed"]


def test_without_kubeadm_the_rest_goes(member: Played) -> None:
    member.at("/usr/bin/kubeadm").unlink()
    result = reset.run(member, options(), False)
    assert did(member) == DID[1:]
    assert result["removed"] == REMOVED[2:]


@pytest.mark.parametrize("path", ["/etc/kubernetes/x", "/etc/kubernetes/manifests/x", "/var/lib/etcd/x"])
def test_any_file_of_the_cluster_is_kubeadms_to_take(played: Played, path: str) -> None:
    played.put("/usr/local/bin/kubeadm", "#!", 0o755)
    played.put(path)
    reset.run(played, options(), False)
    assert did(played) == [RESET]


def test_a_link_goes_and_what_it_leads_to_stays(member: Played) -> None:
    member.put("/disk/ca.key")
    member.at("/etc/kubernetes/link").symlink_to(member.at("/disk"))
    member.at("/etc/kubernetes/dangling").symlink_to("/nowhere")
    removed = reset.run(member, options(), False)["removed"]
    assert {"/etc/kubernetes/link", "/etc/kubernetes/dangling"} <= set(removed)
    assert member.exists("/disk/ca.key") and not member.at("/etc/kubernetes/dangling").is_symlink()


@pytest.mark.parametrize(
    ("words", "answer", "sentence", "last"),
    [
        ("kubeadm reset", Done(1, "", "error: no"), "kubeadm reset failed: error: no", 2),
        ("umount", Done(1, "a\n", "b\nbusy.\n"), "mount .*token could not be removed: busy", 3),
        ("iptables-restore", Done(4, "locked\n", ""), "chains of iptables could not be removed: locked", 6),
        ("nft delete", Done(3, "", ""), "nft table ip kube-proxy could not be removed: nft ended with 3", 7),
    ],
)
def test_what_does_not_go_is_told_with_what_was_gone_by_then(
    member: Played, words: str, answer: Done, sentence: str, last: int
) -> None:
    member.says(words, answer)
    with pytest.raises(Stop, match=rf"^{sentence}\. Run this again once the cause is gone\.$") as stopped:
        reset.run(member, options("me"), False)
    assert stopped.value.result == {"removed": REMOVED[:last]}
    assert member.exists("/etc/kubernetes/admin.conf")


def test_a_disk_that_fails_is_told(member: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(path: str) -> None:
        raise OSError(30, "Read-only file system", path)

    monkeypatch.setattr(reset.shutil, "rmtree", fails)
    with pytest.raises(Stop, match=r"/etc/kubernetes/pki: Read-only file system\.$") as stopped:
        reset.run(member, options(), False)
    assert stopped.value.result["removed"][-1] == "/etc/kubernetes/pki"
