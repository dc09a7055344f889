# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian trixie's cloud-init, unpacked and not installed: an installed one would take over this machine's network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lab_cluster import CACHE

#: cloud-init, and what it imports that the virtual environment lacks. All of it is Python without compiled parts.
_PACKAGES = ("cloud-init", "python3-configobj", "python3-json-pointer", "python3-jsonpatch", "python3-oauthlib")
_SOURCE = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main\n"


def _packages() -> Path:
    """The folder of Python packages, fetched on first use (half a minute), kept in the lab's cache."""
    home = CACHE / "artifacts" / "cloud-init"
    unpacked = home / "trixie"
    if not unpacked.exists():
        for name in ("lists/partial", "cache/archives/partial", "debs", "new"):
            (home / name).mkdir(parents=True, exist_ok=True)
        (home / "sources.list").write_text(_SOURCE)
        options = [
            f"Dir::State::Lists={home}/lists",
            f"Dir::Cache={home}/cache",
            f"Dir::Etc::SourceList={home}/sources.list",
            "Dir::Etc::SourceParts=/dev/null",
            "APT::Sandbox::User=",
        ]
        apt = ["apt-get", "-q", *(word for option in options for word in ("-o", option))]
        subprocess.run([*apt, "update"], check=True)
        subprocess.run([*apt, "download", *_PACKAGES], check=True, cwd=home / "debs")
        for package in (home / "debs").glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, home / "new"], check=True)
        (home / "new").rename(unpacked)
    return unpacked / "usr/lib/python3/dist-packages"


def cloud_init(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Python with cloud-init's packages at hand."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(_packages())},
        capture_output=True,
        text=True,
        check=False,
    )
