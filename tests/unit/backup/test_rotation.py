"""Which backups go, which is the newest, and which are none."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.backup.rotation import (
    Cluster,
    clusters,
    file_name,
    newer_of_another,
    newest,
    nodes,
    outlived,
)

DAY, NOW = 86400, 1_790_000_000
MINE = Cluster.of("k8s-master", "sha256:" + "ab" * 32)
OTHER = Cluster.of("k8s-master", "sha256:" + "cd" * 32)


def made(day: int, cluster: Cluster = MINE, release: str = "1.37.2") -> str:
    """Name of a backup that was made so many days from now."""
    return file_name(cluster, NOW + day * DAY, release)


NAMES = [made(day, release="1.36.3") for day in range(-8, 1)]
STRANGERS = [
    "k8s-master.txt",
    made(-50, Cluster("other", MINE.ca)),
    made(-50, OTHER),
    made(-50, Cluster("k8s-master", "")),
    "k8s-master_20260101T000000Z_v1.bramble-backup.part",
    f".k8s-master_{MINE.ca}_restored",
]


def test_a_name_tells_cluster_time_and_release() -> None:
    assert made(0) == "k8s-master_abababababab_20260921T141320Z_v1.37.2.bramble-backup"


@pytest.mark.parametrize(("keep", "gone"), [(0, 0), (1, 8), (7, 2), (9, 0), (20, 0)])
def test_the_oldest_go_and_others_stay(keep: int, gone: int) -> None:
    assert outlived([*reversed(NAMES), *STRANGERS], NAMES[-1], keep) == NAMES[:gone]


@pytest.mark.parametrize("keep", [1, 2, 7])
def test_what_was_just_written_stays_also_with_an_old_date(keep: int) -> None:
    """A computer whose clock is 400 days back; everything else is dated later then, and stays."""
    written = made(-400)
    assert outlived([*NAMES, written], written, keep) == []


def test_backups_dated_in_the_future_neither_go_nor_push_others_out() -> None:
    future = [made(day) for day in range(100, 120)]
    assert outlived([*NAMES, *future], NAMES[-1], 7) == NAMES[:2]
    assert outlived(future, made(0), 1) == []


def test_the_newest_is_by_date_and_not_dated_in_the_future() -> None:
    assert newest([*NAMES, *STRANGERS, made(9)], MINE, NOW) == NAMES[-1]
    assert newest([made(-1, release="1.9.0"), made(-2, release="1.36.3")], MINE, NOW) == made(-1, release="1.9.0")
    assert newest([made(9), made(8)], MINE, NOW) == made(9)  # then it is this computer's clock that is wrong


def test_the_clusters_of_a_folder() -> None:
    assert set(clusters([*NAMES, *STRANGERS], "k8s-master")) == {MINE, OTHER}
    assert clusters([made(0, Cluster("k8s-master", ""))], "k8s-master") == [Cluster("k8s-master", "")]
    assert clusters(NAMES, "other") == []


def test_a_newer_backup_by_another_master_of_the_cluster_is_found() -> None:
    second, third = (Cluster(f"k8s-master{number}", MINE.ca) for number in (2, 3))
    own, newer, newest_one = made(-3), made(-2, second), made(-1, third)
    names = [own, made(-9, third), newer, made(9, second), made(-1, Cluster("k8s-master2", OTHER.ca))]
    assert newer_of_another(names, own, NOW) == newer
    assert newer_of_another([*names, newest_one], own, NOW) == newest_one
    assert newer_of_another([*names, newest_one], newest_one, NOW) == ""
    assert newer_of_another([made(9, second)], own, NOW) == "", "one of the two dates is wrong"
    assert newer_of_another([made(-1, second)], made(-2, Cluster("k8s-master", "")), NOW) == ""
    assert nodes(names) == ["k8s-master", "k8s-master2", "k8s-master3"]
