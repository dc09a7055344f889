"""Which machine a backup fits, and where a restored etcd begins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.backup.archive import Description
from ansible_collections.bramble.kube.plugins.module_utils.backup.back_up import release_of
from ansible_collections.bramble.kube.plugins.module_utils.backup.restore import (
    LEAST_BUMP,
    Machine,
    first_revision,
    refusal,
    restore_arguments,
)
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.etcd import EtcdPod

BLANK = Machine("k8s-master", "192.168.13.7", ("192.168.13.7",))


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (BLANK, ""),
        (replace(BLANK, kubelet="1.37.2"), ""),
        (replace(BLANK, kubelet="1.37.2", ca="sha256:" + "00" * 32, server="https://192.168.13.7:6443"), ""),
        (replace(BLANK, address="192.168.13.9"), "at 192.168.13.7, and this machine has 192.168.13.9"),
        (replace(BLANK, addresses=("192.168.13.9",)), "this machine has another address"),
        (replace(BLANK, node_name="pi-master"), "the node k8s-master, and the inventory calls this machine pi-master"),
        (
            replace(BLANK, ca="sha256:11", server="https://10.0.0.1:6443"),
            "another cluster, the one at https://10.0.0.1",
        ),
        (replace(BLANK, kubelet="1.36.3"), "Kubernetes 1.37.2, and 1.36.3 is installed"),
    ],
)
def test_refusal(of: Description, machine: Machine, words: str) -> None:
    told = refusal(of, machine)
    assert words in told
    assert bool(words) == bool(told)


@pytest.mark.parametrize("elapsed", [60, 0, -400 * 86400])
def test_each_restore_begins_above_the_writes_of_the_one_before(elapsed: float) -> None:
    snapshot = 1234
    first = first_revision([snapshot], elapsed)
    assert first >= snapshot + LEAST_BUMP
    # Onto the same card, whose data tells; and onto a blank one, for which the laptop has noted the first one's begin.
    written = first + LEAST_BUMP // 2
    assert first_revision([snapshot, written], elapsed) > written
    assert first_revision([snapshot, first], elapsed) > written


def test_time_counts_where_nothing_else_tells() -> None:
    assert first_revision([1], 3660) - first_revision([1], 60) >= 3600 * 1000


def test_the_member_gets_the_name_and_address_of_the_static_pod() -> None:
    pod = EtcdPod("img", {"name": "k8s-master", "initial-advertise-peer-urls": "https://192.168.13.7:2380"})
    arguments = restore_arguments(pod, "/s/etcd.db", "/var/lib/etcd/new", 7)
    assert arguments[:4] == ["etcdutl", "snapshot", "restore", "/s/etcd.db"]
    assert "--initial-cluster=k8s-master=https://192.168.13.7:2380" in arguments
    assert {"--bump-revision=7", "--mark-compacted"} <= set(arguments)
    assert "--skip-hash-check" not in " ".join(arguments)


@pytest.mark.parametrize(
    ("image", "release"),
    [
        ("registry.k8s.io/kube-apiserver:v1.37.2", "1.37.2"),
        ('"192.168.1.5:5000/k8s/kube-apiserver:v1.36.0-rc.1"', "1.36.0-rc.1"),
        ("registry.k8s.io/kube-scheduler:v1.37.2", ""),
    ],
)
def test_release(image: str, release: str) -> None:
    assert release_of(f"spec:\n  containers:\n    image: {image}\n") == release
