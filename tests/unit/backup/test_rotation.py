"""Which backups go, and which are none."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.backup.rotation import file_name, of_cluster, outlived

NAMES = [file_name("k8s-master", 1_790_000_000 + day * 86400, release) for day, release in enumerate(["1.36.3"] * 9)]
OTHERS = ["k8s-master.txt", file_name("other", 0, "1.37.2"), "k8s-master_20260101T000000Z_v1.bramble-backup.part"]


def test_a_name_tells_cluster_time_and_release() -> None:
    assert file_name("k8s-master", 1_790_000_000, "1.37.2") == "k8s-master_20260921T141320Z_v1.37.2.bramble-backup"


@pytest.mark.parametrize(("keep", "gone"), [(0, 0), (1, 8), (7, 2), (9, 0), (20, 0)])
def test_the_oldest_go_and_others_stay(keep: int, gone: int) -> None:
    assert outlived([*reversed(NAMES), *OTHERS], "k8s-master", keep) == NAMES[:gone]


def test_age_counts_not_the_release_in_the_name() -> None:
    newer = file_name("k8s-master", 1_799_000_000, "1.9.0")
    assert of_cluster([newer, *NAMES], "k8s-master")[-1] == newer
