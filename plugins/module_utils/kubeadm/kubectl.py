# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""kubectl for this computer, of the cluster's release, with the checksum that the release has beside it."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.http import TransportError, fetch
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System

OPTIONS = {
    "version": {"type": "str", "required": True},
    "folder": {"type": "path", "default": "~/.local/bin"},
    "source": {"type": "str", "default": "https://dl.k8s.io"},
}
#: Bytes that it may have; 1.37's has 60 million.
_MOST = 200_000_000
#: What Kubernetes calls processors (release/v1.37.2/bin).
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "i386": "386"}


def place(system: str, machine: str) -> str:
    """The folder of a release for a computer.

    :param system: what ``uname -s`` says.
    :param machine: what ``uname -m`` says.
    """
    machine = machine.lower()
    return f"{system.lower()}/{_ARCHITECTURES.get(machine, machine)}"


def _get(url: str, most: int) -> bytes:
    try:
        return fetch(url, most)
    except TransportError as error:
        raise Stop(f"{url} cannot be fetched: {error}.") from None


def run(_system: System, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Fetch it, unless it is there already.

    :raises Stop: when it cannot be had, or has another checksum.
    """
    here = place(platform.system(), platform.machine())
    url = f"{options['source'].rstrip('/')}/release/v{options['version']}/bin/{here}/kubectl"
    said = _get(f"{url}.sha256", 4096).decode(errors="replace").split()
    if not said or not re.fullmatch(r"[0-9a-f]{64}", said[0]):
        raise Stop(f"{url}.sha256 is no checksum.")
    path = os.path.join(os.path.expanduser(options["folder"]), "kubectl")
    there = atomic_file.read(path)
    if there is not None and hashlib.sha256(there).hexdigest() == said[0]:
        return {"changed": False, "path": path}
    if not check_mode:
        content = _get(url, _MOST)
        found = hashlib.sha256(content).hexdigest()
        if found != said[0]:
            raise Stop(f"{url} has the SHA-256 checksum {found}, not {said[0]}, which its release has.")
        atomic_file.write(atomic_file.Wanted(path, content, 0o755, (os.getuid(), os.getgid())))
    return {"changed": True, "path": path}
