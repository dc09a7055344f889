# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the image of a virtual Pi comes from; programs that the build calls only write down how they were called."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parents[3] / "lab" / "node" / "build"


@pytest.fixture
def build(tmp_path):
    """Run the build where no mirror answers; returns what it said and the calls of debootstrap."""
    calls = tmp_path / "calls"
    calls.touch()
    programs = {
        "id": "echo 0",
        "docker": "exit 1",
        "debootstrap": f'echo "$@" >> {calls}; echo "E: Failed getting release file"; exit 1',
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)

    def run(*arguments, **environment):
        done = subprocess.run(
            [BUILD, *arguments],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin", "BRAMBLE_LAB_CACHE": str(tmp_path / "cache"), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0
        return done.stderr, [line.split()[-1] for line in calls.read_text().splitlines()]

    return run


@pytest.mark.parametrize("release", ["trixie", "bookworm"])
def test_a_release_with_support_comes_from_a_mirror_alone(build, release):
    said, mirrors = build(release)
    assert mirrors == ["http://deb.debian.org/debian"]
    assert f"debootstrap of {release} from http://deb.debian.org/debian failed" in said
    assert "E: Failed getting release file" in said


def test_bullseye_which_mirrors_may_drop_is_looked_for_in_the_archive_too(build):
    _said, mirrors = build("bullseye")
    assert mirrors == ["http://deb.debian.org/debian", "http://archive.debian.org/debian"]


def test_mirror_and_archive_can_be_others(build):
    near = {"BRAMBLE_LAB_DEBIAN_MIRROR": "http://near/debian", "BRAMBLE_LAB_DEBIAN_ARCHIVE": "http://old/debian"}
    _said, mirrors = build("bullseye", **near)
    assert mirrors == ["http://near/debian", "http://old/debian"]


def test_an_unknown_release_is_refused(build):
    said, mirrors = build("buster")
    assert "'buster' is none of " in said and "trixie, bookworm, bullseye" in said
    assert mirrors == []
