# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The releases of operating systems that the roles work on: all that differs between them, for roles, checks and lab.

Another one is an entry here. The lab reads this file as it is, so it imports nothing of the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Release:
    """What one release has, and where.

    :ivar kind: "debian" (Raspberry Pi OS among them) or "ubuntu": os-release's ID, and the name of Docker's repository.
    :ivar version: os-release's VERSION_ID.
    :ivar codename: its VERSION_CODENAME, the suite in package sources.
    :ivar tested: "lab" when virtual Pis run it, "unit" when unit tests alone know it, "" for one that is not here.
    :ivar boot: where the firmware reads cmdline.txt and config.txt.
    :ivar swap: what may switch swap on at boot, in the order in which it is asked.
    :ivar network: what manages the network; on a plain image the first.
    :ivar time: the time service that it comes with, which is a package of this name.
    :ivar archive: where its packages are once its mirrors have dropped it; "" while it is supported.
    :ivar docker_packages: its own packages of Docker (docker_edition distro).
    :ivar containerd: the version of its own containerd, which it keeps for life.
    """

    kind: str
    version: str
    codename: str
    tested: str
    boot: str = "/boot/firmware"
    swap: tuple[str, ...] = ("fstab",)
    network: tuple[str, ...] = ("NetworkManager",)
    time: str = "systemd-timesyncd"
    archive: str = ""
    docker_packages: tuple[str, ...] = ("docker.io", "containerd")
    containerd: str = "2"


#: Of each kind from the oldest to the newest.
RELEASES = (
    Release(
        kind="debian",
        version="11",
        codename="bullseye",
        tested="lab",
        boot="/boot",
        swap=("dphys-swapfile", "fstab"),
        network=("wpa_supplicant",),  # with dhcpcd
        archive="http://archive.debian.org",
        containerd="1.4",
    ),
    Release(
        kind="debian",
        version="12",
        codename="bookworm",
        tested="lab",
        swap=("dphys-swapfile", "fstab"),
        containerd="1.6",
    ),
    Release(
        kind="debian",
        version="13",
        codename="trixie",
        tested="lab",
        swap=("rpi-swap", "zram-generator", "fstab"),
        network=("NetworkManager", "netplan"),  # netplan beside it on images that Imager has set up
        docker_packages=("docker.io", "containerd", "docker-cli"),
        containerd="1.7",
    ),
    Release(kind="ubuntu", version="22.04", codename="jammy", tested="unit", network=("netplan",), containerd="1.7"),
    Release(kind="ubuntu", version="24.04", codename="noble", tested="unit", network=("netplan",), containerd="1.7"),
    Release(kind="ubuntu", version="26.04", codename="resolute", tested="unit", network=("netplan",), time="chrony"),
)


def of_kind(kind: str) -> list[Release]:
    """The releases of a kind, the newest last."""
    return [release for release in RELEASES if release.kind == kind]


def known() -> str:
    """All of them in words."""
    ubuntu = [release.version for release in of_kind("ubuntu")]
    debian = of_kind("debian")
    return (
        f"Raspberry Pi OS or Debian {debian[0].version} to {debian[-1].version}, "
        f"Ubuntu {', '.join(ubuntu[:-1])} or {ubuntu[-1]}"
    )


def find(os: Mapping[str, Any]) -> Release:
    """The release that a machine runs; for an unknown one the newest of its kind (else of Debian), with tested "".

    :param os: the fact pi_os: id, version_id and codename as in os-release.
    """
    kind = str(os.get("id") or "").lower().replace("raspbian", "debian")  # as 32-bit Raspberry Pi OS calls itself
    version, codename = str(os.get("version_id") or ""), str(os.get("codename") or "")
    for release in of_kind(kind):
        if release.version == version:
            return release
    nearest = (of_kind(kind) or of_kind("debian"))[-1]
    return replace(nearest, kind=kind, version=version, codename=codename, tested="")


def is_outdated(release: Release) -> bool:
    """Whether an unknown release is older than all that are known of its kind."""
    number = release.version.partition(".")[0]
    siblings = of_kind(release.kind)
    return bool(siblings) and number.isdigit() and int(number) < int(siblings[0].version.partition(".")[0])


def as_data(os: Mapping[str, Any]) -> dict[str, Any]:
    """What :func:`find` finds, for roles.

    :return: also ``docker``, the name of Docker's repository for it, and ``known``, all releases in words.
    """
    release = find(os)
    fields = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(release).items()}
    return {**fields, "docker": release.kind if of_kind(release.kind) else "debian", "known": known()}
