# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cards are written onto a FAT file system, with its names, and are whole on the disk before they are taken out.

The kernel mounts the file system where it knows vfat, else Debian's fusefat does. mtools read what is on the disk.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail
from debian_packages import program, unpacked
from made_card import make_card

from ansible_collections.bramble.kube.plugins.action import pi_card

#: Of bookworm: trixie's fusefat cannot rename a file over another one, as the kernel's vfat can.
_PACKAGES = ("dosfstools", "mtools", "fusefat", "libfuse2", "libglib2.0-0", "libpcre2-8-0", "libc6")
BY_KERNEL = "\tvfat\n" in Path("/proc/filesystems").read_text()
STOCK = {
    "config.txt": "arm_64bit=1\n",
    "cmdline.txt": "console=tty1 root=PARTUUID=7d5a1b2c-02 rootwait init=/x/firstboot\n",
    "bcm2712-rpi-5-b.dtb": "",
}
RELEASES = {
    "trixie": {"user-data": "#cloud-config\n", "network-config": "", "meta-data": "dsmode: local\n"},
    "bookworm": {"initramfs8": ""},
}
WRITTEN = {
    "trixie": ["user-data", "network-config", "meta-data"],
    "bookworm": ["firstrun.sh", "cmdline.txt"],
}


@dataclass
class Fat:
    """A boot partition: its image, and where it is mounted."""

    image: Path
    folder: Path
    driver: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def tool(self, path: str, *arguments: str | Path) -> bytes:
        """What a program of Debian says."""
        environment = {**os.environ, "MTOOLS_SKIP_CHECK": "1"}  # fusefat marks the file system as in use
        command = [*program(unpacked("fat", _PACKAGES, "bookworm"), path), *arguments]
        return subprocess.run(command, check=True, capture_output=True, env=environment).stdout

    def on_disk(self) -> dict[str, bytes]:
        """The files that another computer would find, were the card taken out now."""
        out = self.image.with_name(f"out-{time.monotonic_ns()}")
        out.mkdir()
        self.tool("usr/bin/mcopy", "-n", "-i", self.image, "::*", out)
        return {path.name: path.read_bytes() for path in out.iterdir()}

    def mount(self) -> None:
        """Mount it."""
        if BY_KERNEL:
            subprocess.run(["mount", "-t", "vfat", "-o", "loop", self.image, self.folder], check=True)
            return
        command = [*program(unpacked("fat", _PACKAGES, "bookworm"), "usr/bin/fusefat"), "-f", "-s", "-o", "rw+"]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.driver.append(subprocess.Popen([*command, self.image, self.folder], **silent))
        deadline = time.monotonic() + 60
        while not os.path.ismount(self.folder):
            assert time.monotonic() < deadline and self.driver[-1].poll() is None
            time.sleep(0.1)

    def eject(self) -> None:
        """Unmount it."""
        if os.path.ismount(self.folder):
            subprocess.run(["umount", self.folder], check=True)
        for process in self.driver:
            process.wait(60)


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def fat(release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fat]:
    """A mounted boot partition of the release."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    card = Fat(tmp_path / "card.img", tmp_path / "boot fs")
    card.folder.mkdir()
    card.image.write_bytes(b"")
    os.truncate(card.image, 64 << 20)
    card.tool("sbin/mkfs.fat", "-n", "BOOTFS", card.image)
    (tmp_path / "stock").mkdir()
    for name, text in {**STOCK, **RELEASES[release]}.items():
        (tmp_path / "stock" / name).write_text(text)
        card.tool("usr/bin/mcopy", "-i", card.image, tmp_path / "stock" / name, "::")
    card.mount()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id"], check=True)
    seen = pi_card.mounted
    monkeypatch.setattr(pi_card, "mounted", lambda: seen().replace(" fuse.fusefat ", " vfat "))
    yield card
    card.eject()


def make(fat: Fat, release: str, **more: str | Path) -> dict:
    place = fat.folder.parent
    return make_card(
        {"folder": place / "cards", "boot": fat.folder, "public_key": place / "id.pub", "release": release, **more}
    )


def test_a_card_is_whole_before_it_is_taken_out(fat: Fat, release: str) -> None:
    before = fat.on_disk()
    result = make(fat, release)
    names = [Path(path).name for path in result["files"] if Path(path).parent == fat.folder]
    assert names == WRITTEN[release]
    there = {name: (fat.folder / name).read_bytes() for name in names}
    pulled = fat.on_disk()
    # Nothing else has changed, and nothing is left beside them.
    assert pulled == {**before, **there}
    assert not make(fat, release)["changed"]
    fat.eject()
    fat.mount()
    assert {name: (fat.folder / name).read_bytes() for name in names} == there
    assert not make(fat, release)["changed"]


def test_names_in_capitals_are_the_same_names(fat: Fat, release: str) -> None:
    """As some systems show names that are as short as DOS had them."""
    for name in ("config.txt", "cmdline.txt"):
        content = (fat.folder / name).read_bytes()
        os.unlink(fat.folder / name)
        (fat.folder / name.upper()).write_bytes(content)
    make(fat, release)
    found = {name.lower(): content for name, content in fat.on_disk().items()}
    assert len(found) == len(fat.on_disk()) and set(found) == {*STOCK, *RELEASES[release], *WRITTEN[release]}
    assert (b"systemd.run=" in found["cmdline.txt"]) == (release == "bookworm")


def test_another_partition_is_refused(fat: Fat, release: str) -> None:
    before = fat.on_disk()
    other = "bookworm" if release == "trixie" else "trixie"
    with pytest.raises(AnsibleActionFail, match="so its system"):
        make(fat, other)
    os.mkdir(fat.folder / "overlays")
    with pytest.raises(AnsibleActionFail, match="nothing is mounted at"):
        make(fat, release, boot=fat.folder / "overlays")
    os.rmdir(fat.folder / "overlays")
    os.unlink(fat.folder / "config.txt")
    with pytest.raises(AnsibleActionFail, match=r"has no config\.txt"):
        make(fat, release)
    del before["config.txt"]
    assert fat.on_disk() == before
