# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian trixie's cloud-init and netplan, unpacked alone: installed, they would take over this machine's network."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from lab_cluster import CACHE

#: cloud-init, and what it imports that the virtual environment lacks: Python without compiled parts.
_CLOUD_INIT = ("cloud-init", "python3-configobj", "python3-json-pointer", "python3-jsonpatch", "python3-oauthlib")
#: What makes the configuration of NetworkManager from netplan's, with every library down to the C library.
_NETPLAN = (
    *("netplan-generator", "libnetplan1", "libc6", "libglib2.0-0t64", "libyaml-0-2", "libuuid1", "libpcre2-8-0"),
    *("libffi8", "zlib1g", "libmount1", "libblkid1", "libselinux1", "libatomic1"),
)
_SOURCE = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main\n"


def _unpacked() -> Path:
    """The packages' files, fetched on first use (half a minute), kept in the lab's cache."""
    packages = (*_CLOUD_INIT, *_NETPLAN)
    home = CACHE / "artifacts" / "cloud-init"
    unpacked = home / f"trixie-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:12]}"
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
        subprocess.run([*apt, "download", *packages], check=True, cwd=home / "debs")
        for package in (home / "debs").glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, home / "new"], check=True)
        (home / "new").rename(unpacked)
    return unpacked


def cloud_init(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Python with cloud-init's packages at hand."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(_unpacked() / "usr/lib/python3/dist-packages")},
        capture_output=True,
        text=True,
        check=False,
    )


def netplan(root: Path) -> subprocess.CompletedProcess[str]:
    """Have netplan make the configuration of a root folder's network managers from its etc/netplan."""
    usr = _unpacked() / "usr"
    libraries = next(usr.glob("lib/*-linux-gnu"))
    # By its own linker: this machine's C library may be older.
    command = [next(libraries.glob("ld-linux-*.so.*")), "--library-path", libraries, usr / "libexec/netplan/generate"]
    return subprocess.run([*command, "--root-dir", root], capture_output=True, text=True, check=False)
