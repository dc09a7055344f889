# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt says about newer packages, as data."""

from __future__ import annotations

import pytest
from played_machine import Played

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done
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


APT = "apt-get -q -o DPkg::Lock::Timeout=600 "


@pytest.fixture
def machine(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Played:
    """A Pi with Debian 13, for which apt knows newer packages."""
    monkeypatch.setattr("os.fchown", lambda *_: None)
    played = Played(tmp_path)
    played.put("/etc/os-release", 'NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian 13"\n')
    played.put("/var/lib/dpkg/status", "Package: tzdata\nStatus: hold ok installed\nVersion: 1\n")
    played.says("--simulate", PRINTED)
    return played


def options(**changed) -> dict:
    return {"engine": ["containerd.io"], "ignore": ["kubelet"], "mark": False, **changed}


def test_newer_packages_are_told_apart(machine: Played) -> None:
    result = upgrades.run(machine, options(), False)
    assert (result["changed"], result["reboot"]) == (False, False)
    assert [text.split()[0] for text in result["os"]] == ["libc6", "linux-image-6.12.60+deb13-rpi-2712"]
    assert [text.split()[0] for text in result["engine"]] == ["containerd.io"]
    assert machine.asked == [
        APT + "update --error-on=any",
        APT + "--simulate --ignore-hold upgrade --with-new-pkgs",
    ]
    assert machine.environments[0] == {"DEBIAN_FRONTEND": "noninteractive"}


def test_check_mode_fetches_no_lists(machine: Played) -> None:
    assert upgrades.run(machine, options(mark=True), True)["changed"]
    assert machine.asked == [APT + "--simulate --ignore-hold upgrade --with-new-pkgs"]
    assert not machine.exists(upgrades.REBOOT_FILE)


def test_a_reboot_is_marked_once_and_only_if_something_wants_it(machine: Played) -> None:
    result = upgrades.run(machine, options(mark=True), False)
    assert (result["changed"], result["reboot"]) == (True, True)
    result = upgrades.run(machine, options(mark=True), False)
    assert (result["changed"], result["reboot"]) == (False, True)
    machine.at(upgrades.REBOOT_FILE).unlink()
    machine.says("--simulate", "\n".join(line for line in PRINTED.splitlines() if "tzdata" in line))
    machine.put("/var/lib/dpkg/status", "")
    assert not upgrades.run(machine, options(mark=True), False)["changed"]


def test_sources_of_another_release_are_refused(machine: Played) -> None:
    machine.put("/etc/os-release", 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n')
    with pytest.raises(Stop, match=r"^The package sources in /etc/apt offer libc6 of another release"):
        upgrades.run(machine, options(), False)


def test_apts_failure_is_told(machine: Played) -> None:
    machine.says("update", Done(100, "", "E: Could not open lock file /var/lib/apt/lists/lock\n"))
    with pytest.raises(Stop, match=r"^'apt-get update --error-on=any' failed: .*lock file"):
        upgrades.run(machine, options(), False)
