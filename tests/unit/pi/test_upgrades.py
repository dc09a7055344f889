# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt says about newer packages, as data."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.pi import upgrades

PRINTED = """\
Reading package lists...
The following packages will be upgraded:
  containerd.io kubelet libc6 tzdata
Inst libc6 [2.41-12] (2.41-12+deb13u1 Debian:13.3/stable [amd64])
Conf libc6 (2.41-12+deb13u1 Debian:13.3/stable [amd64])
Inst tzdata [2025b-4] (2026a-0 Debian:13.3/stable, Debian-Security:13/stable-security [all])
Inst linux-image-6.12.60+deb13-rpi-2712 (6.12.60-1 Raspberry Pi Foundation:stable/stable [arm64])
Inst containerd.io [2.0.7-0~debian.13~trixie] (2.1.9-1~debian.13~trixie Docker CE:trixie [amd64])
Inst kubelet [1.36.3-1.1] (1.36.4-1.1 isv:kubernetes:core:stable:v1.36:deb [amd64])
"""


def test_packages_are_read_with_their_versions():
    found = upgrades.newer(PRINTED)
    assert [str(package) for package in found] == [
        "libc6 2.41-12 -> 2.41-12+deb13u1",
        "tzdata 2025b-4 -> 2026a-0",
        "linux-image-6.12.60+deb13-rpi-2712 (new) -> 6.12.60-1",
        "containerd.io 2.0.7-0~debian.13~trixie -> 2.1.9-1~debian.13~trixie",
        "kubelet 1.36.3-1.1 -> 1.36.4-1.1",
    ]


def test_engine_and_kubernetes_are_told_from_the_os():
    engine, others = upgrades.split(upgrades.newer(PRINTED), ["containerd.io", "docker-ce"], ["kubelet"])
    assert [package.name for package in engine] == ["containerd.io"]
    assert [package.name for package in others] == ["libc6", "tzdata", "linux-image-6.12.60+deb13-rpi-2712"]


@pytest.mark.parametrize(
    ("name", "boots"),
    [
        ("libc6", True),
        ("systemd", True),
        ("linux-image-6.12.60+deb13-rpi-2712", True),
        ("raspi-firmware", True),
        ("rpi-eeprom", True),
        ("libssl3t64", True),
        ("libc6-dev", False),
        ("systemd-timesyncd", False),
        ("tzdata", False),
    ],
)
def test_what_takes_effect_with_a_reboot_alone(name, boots):
    assert upgrades.Newer(name, "1", "2", "").boots is boots


def test_packages_of_the_next_release_are_noticed():
    assert upgrades.of_other_release(upgrades.newer(PRINTED), "13") == []
    strangers = upgrades.of_other_release(upgrades.newer(PRINTED), "12")
    assert [package.name for package in strangers] == ["libc6", "tzdata"]
