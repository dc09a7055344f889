# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of Debian, unpacked alone with their libraries: nothing is installed on this machine."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab_cluster import CACHE

_SOURCE = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian {} main\n"


def unpacked(name: str, packages: Sequence[str], release: str = "trixie") -> Path:
    """The packages' files, fetched on first use (half a minute), kept in the lab's cache under a name."""
    home = CACHE / "artifacts" / name
    found = home / f"{release}-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:12]}"
    if not found.exists():
        for folder in ("lists/partial", "cache/archives/partial", "debs", "new"):
            (home / folder).mkdir(parents=True, exist_ok=True)
        (home / "sources.list").write_text(_SOURCE.format(release))
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
        (home / "new").rename(found)
    return found


def program(root: Path, path: str) -> list[str | Path]:
    """How the command of an unpacked program begins: by its own linker, as this machine's C library may be older."""
    libraries = [*root.glob("lib/*-linux-gnu"), *root.glob("usr/lib/*-linux-gnu")]
    [linker] = [found for folder in libraries for found in folder.glob("ld-linux-*.so.*")]
    return [linker, "--library-path", ":".join(map(str, libraries)), root / path]
