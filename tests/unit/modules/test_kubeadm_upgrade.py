# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control plane whose manifest a cut has taken in the middle of kubeadm's work."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.modules import kubeadm_upgrade

NAMES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


def manifest(name: str, tag: str) -> str:
    return f"spec:\n  containers:\n  - image: registry.k8s.io/{name}:{tag}\n"


@pytest.fixture
def kubernetes(tmp_path, monkeypatch):
    """/etc/kubernetes of a control plane with 1.36.3."""
    for name in ("KUBERNETES", "MANIFESTS", "COPIES", "MARK", "ADMIN"):
        moved = getattr(kubeadm_upgrade, name).replace("/etc/kubernetes", str(tmp_path))
        monkeypatch.setattr(kubeadm_upgrade, name, moved)
    # Files of a test cannot be given to root by everybody who runs it.
    monkeypatch.setattr(place.os, "fchown", lambda *arguments: None)
    (tmp_path / "manifests").mkdir()
    for name in NAMES:
        (tmp_path / "manifests" / f"{name}.yaml").write_text(manifest(name, "v1.36.3"))
    return tmp_path


def copy(kubernetes, time: str, name: str, text: str) -> None:
    folder = kubernetes / "tmp" / f"kubeadm-backup-manifests-{time}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(text)


def test_the_newest_copy_comes_back(kubernetes):
    (kubernetes / "kubeadm-upgrade.unfinished").write_text("1.37.2\n")
    (kubernetes / "manifests" / "etcd.yaml").unlink()
    copy(kubernetes, "2026-01-01-10-00-00", "etcd", manifest("etcd", "3.5.0-0"))
    copy(kubernetes, "2026-07-01-10-00-00", "etcd", manifest("etcd", "3.6.8-0"))
    assert kubeadm_upgrade.mend(check=False) == ["etcd"]
    assert kubeadm_upgrade.tags()["etcd"] == "3.6.8-0"
    assert (kubernetes / "manifests" / "etcd.yaml").stat().st_mode & 0o777 == 0o600
    assert kubeadm_upgrade.mend(check=False) == []


@pytest.mark.parametrize("damaged", ["", "\x00" * 100])
def test_a_damaged_manifest_is_replaced_and_a_damaged_copy_passed_over(kubernetes, damaged):
    (kubernetes / "kubeadm-upgrade.unfinished").write_text("1.37.2\n")
    (kubernetes / "manifests" / "kube-apiserver.yaml").write_text(damaged)
    copy(kubernetes, "2026-07-01-10-00-00", "kube-apiserver", manifest("kube-apiserver", "v1.36.3"))
    copy(kubernetes, "2026-07-01-11-00-00", "kube-apiserver", "")
    assert kubeadm_upgrade.mend(check=False) == ["kube-apiserver"]
    assert kubeadm_upgrade.tags()["kube-apiserver"] == "1.36.3"


def test_without_a_copy_the_way_out_is_named(kubernetes):
    (kubernetes / "kubeadm-upgrade.unfinished").write_text("1.37.2\n")
    (kubernetes / "manifests" / "etcd.yaml").unlink()
    with pytest.raises(kubeadm_upgrade.Stop, match=r"restore\.yml"):
        kubeadm_upgrade.mend(check=False)


def test_check_mode_puts_nothing_back(kubernetes):
    (kubernetes / "kubeadm-upgrade.unfinished").write_text("1.37.2\n")
    (kubernetes / "manifests" / "etcd.yaml").unlink()
    copy(kubernetes, "2026-07-01-10-00-00", "etcd", manifest("etcd", "3.6.8-0"))
    assert kubeadm_upgrade.mend(check=True) == ["etcd"]
    assert not (kubernetes / "manifests" / "etcd.yaml").exists()


def test_what_no_upgrade_of_ours_took_is_not_ours_to_put_back(kubernetes):
    (kubernetes / "manifests" / "etcd.yaml").unlink()
    copy(kubernetes, "2026-07-01-10-00-00", "etcd", manifest("etcd", "3.6.8-0"))
    assert kubeadm_upgrade.mend(check=False) == []
    assert not (kubernetes / "manifests" / "etcd.yaml").exists()


def test_old_copies_of_etcds_data_do_not_fill_the_card(kubernetes):
    for time in ("2026-01-01-10-00-00", "2026-04-01-10-00-00", "2026-07-01-10-00-00"):
        (kubernetes / "tmp" / f"kubeadm-backup-etcd-{time}" / "etcd").mkdir(parents=True)
    kubeadm_upgrade.tidy()
    assert [path.name for path in (kubernetes / "tmp").iterdir()] == ["kubeadm-backup-etcd-2026-07-01-10-00-00"]
