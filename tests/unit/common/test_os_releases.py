# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of OS releases: how a machine finds its entry, and that no second list stands beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.bramble.kube.plugins.filter.os_release import os_release
from ansible_collections.bramble.kube.plugins.module_utils.common.os_releases import (
    RELEASES,
    find,
    is_outdated,
    known,
    of_kind,
)

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.codename)
def test_a_machine_finds_its_release(release) -> None:
    os = {"id": release.kind, "version_id": release.version, "codename": release.codename}
    assert find(os) == release
    assert os_release(os)["docker"] == release.kind


def test_32_bit_raspberry_pi_os_has_debians_releases() -> None:
    assert find({"id": "raspbian", "version_id": "12"}).codename == "bookworm"


@pytest.mark.parametrize(
    ("os", "like", "outdated"),
    [
        ({"id": "debian", "version_id": "10", "codename": "buster"}, "debian", True),
        ({"id": "debian", "version_id": "99", "codename": "later"}, "debian", False),
        ({"id": "debian", "version_id": "", "codename": "sid"}, "debian", False),
        ({"id": "ubuntu", "version_id": "20.04", "codename": "focal"}, "ubuntu", True),
        ({"id": "fedora", "version_id": "42"}, "debian", False),
        ({}, "debian", False),
    ],
)
def test_an_unknown_release_is_described_as_the_newest_of_its_kind_and_is_not_tested(os, like, outdated) -> None:
    release, nearest = find(os), of_kind(like)[-1]
    assert (release.tested, release.codename) == ("", os.get("codename", ""))
    assert (release.boot, release.time, release.containerd) == (nearest.boot, nearest.time, nearest.containerd)
    assert is_outdated(release) is outdated
    assert os_release(os)["docker"] == nearest.kind


def test_each_kind_is_sorted_and_said_in_words() -> None:
    for kind in ("debian", "ubuntu"):
        versions = [float(release.version) for release in of_kind(kind)]
        assert versions == sorted(versions)
        assert {str(versions[0]).removesuffix(".0"), str(versions[-1]).removesuffix(".0")} <= set(
            known().replace(",", "").split()
        )


def test_what_is_no_fact_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="wants the fact pi_os"):
        os_release("trixie")


def test_no_role_has_a_list_of_its_own() -> None:
    for path in ROOT.glob("roles/*/meta/main.yml"):
        assert "platforms" not in yaml.safe_load(path.read_text())["galaxy_info"], path
    names = {release.codename for release in RELEASES}
    for path in [*ROOT.glob("roles/*/vars/**/*.yml"), *ROOT.glob("roles/*/tasks/*.yml")]:
        assert not [name for name in names if name in str(yaml.safe_load(path.read_text()))], path
