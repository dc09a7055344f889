# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's stand-ins for swapon, swapoff and rpi-swap behave as the originals do where roles look."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

FILES = Path(__file__).resolve().parents[3] / "lab" / "node" / "files"
HEADER = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


@pytest.fixture
def swap(tmp_path):
    """Call the stand-in under either name; returns the exit code and the names in the node's list."""
    swaps = tmp_path / "swaps"
    swaps.write_text(HEADER)
    for name in ("swapon", "swapoff"):
        (tmp_path / name).symlink_to(FILES / "swap")

    def call(name, *arguments):
        result = subprocess.run(
            [tmp_path / name, *arguments],
            env={"LAB_SWAPS": str(swaps), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            check=False,
        )
        lines = swaps.read_text().splitlines(keepends=True)
        assert lines[0] == HEADER
        return result.returncode, [line.split()[0] for line in lines[1:]]

    return call


def test_swapon_and_swapoff_of_a_file(swap, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"\0" * 1024 * 1024)
    assert swap("swapon", str(file)) == (0, [str(file)])
    assert swap("swapoff", str(file)) == (0, [])


def test_swapoff_of_all(swap):
    swap("swapon", "/dev/zram0")
    swap("swapon", "/dev/zram1")
    assert swap("swapoff", "-a") == (0, [])


def test_swapon_twice_is_refused(swap):
    swap("swapon", "/dev/zram0")
    assert swap("swapon", "/dev/zram0") == (255, ["/dev/zram0"])


def test_swapoff_of_what_is_not_on_is_refused(swap):
    swap("swapon", "/dev/zram0")
    assert swap("swapoff", "/dev/zram1") == (255, ["/dev/zram0"])


def test_swapon_of_a_missing_file_is_refused(swap, tmp_path):
    assert swap("swapon", str(tmp_path / "missing")) == (255, [])


@pytest.fixture
def units(tmp_path):
    """Run the generator on configuration files (path → text); returns the units of swap.target and their text."""

    def run(files):
        for path, text in files.items():
            target = tmp_path / "root" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        out = tmp_path / "units"
        subprocess.run(
            [FILES / "rpi-swap-generator", out],
            env={"LAB_ROOT": str(tmp_path / "root"), "PATH": "/usr/bin:/bin"},
            check=True,
            capture_output=True,
        )
        return {unit.name: unit.read_text() for unit in (out / "swap.target.wants").iterdir()}

    return run


ZRAM = "systemd-zram-setup@zram0.service"
FILE = "rpi-resize-swap-file.service"


@pytest.mark.parametrize(
    ("mechanism", "expected"),
    [
        ("none", set()),
        ("zram", {ZRAM}),
        ("zram+file", {ZRAM}),
        ("swapfile", {FILE}),
        ("auto", {ZRAM}),
        ("nonsense", {ZRAM}),
        ("", {ZRAM}),
    ],
)
def test_mechanism(units, mechanism, expected):
    assert set(units({"etc/rpi/swap.conf": f"[Main]\nMechanism={mechanism}\n"})) == expected


def test_comments_say_nothing(units):
    assert set(units({"etc/rpi/swap.conf": "[Main]\n#Mechanism=none\n"})) == {ZRAM}


def test_key_counts_in_its_section_only(units):
    assert set(units({"etc/rpi/swap.conf": "[Zram]\nMechanism=none\n"})) == {ZRAM}


def test_last_drop_in_by_name_wins_wherever_it_lies(units):
    files = {
        "etc/rpi/swap.conf": "[Main]\nMechanism=zram\n",
        "etc/rpi/swap.conf.d/10-first.conf": "[Main]\nMechanism=none\n",
        "usr/lib/rpi/swap.conf.d/90-last.conf": "[Main]\nMechanism=swapfile\n",
    }
    assert set(units(files)) == {FILE}


def test_administrators_drop_in_hides_the_vendors_of_the_same_name(units):
    files = {
        "usr/lib/rpi/swap.conf.d/50-same.conf": "[Main]\nMechanism=swapfile\n",
        "etc/rpi/swap.conf.d/50-same.conf": "[Main]\nMechanism=none\n",
    }
    assert set(units(files)) == set()


def test_size_of_zram(units):
    wanted = units({"etc/rpi/swap.conf.d/50.conf": "[Zram]\nFixedSizeMiB=1024\n"})
    assert "--size-mib 1024" in wanted[ZRAM]
