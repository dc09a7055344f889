# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian trixie's cloud-init and netplan, unpacked alone: installed, they would take over this machine's network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from debian_packages import program, unpacked

#: cloud-init, and what it imports that the virtual environment lacks: Python without compiled parts.
_CLOUD_INIT = ("cloud-init", "python3-configobj", "python3-json-pointer", "python3-jsonpatch", "python3-oauthlib")
#: What makes the configuration of NetworkManager from netplan's, with every library down to the C library.
_NETPLAN = (
    *("netplan-generator", "libnetplan1", "libc6", "libglib2.0-0t64", "libyaml-0-2", "libuuid1", "libpcre2-8-0"),
    *("libffi8", "zlib1g", "libmount1", "libblkid1", "libselinux1", "libatomic1"),
)


def _unpacked() -> Path:
    return unpacked("cloud-init", (*_CLOUD_INIT, *_NETPLAN))


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
    command = [*program(_unpacked(), "usr/libexec/netplan/generate"), "--root-dir", root]
    return subprocess.run(command, capture_output=True, text=True, check=False)
