# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""One kubeadm at a time on a machine.

Ctrl-C on the laptop ends the SSH session, and not the kubeadm that was started by it. The next run has to wait until
that one is through, and then sees what it has done.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System

FOLDER = "/run/bramble.kube"
#: What a step does.
Run = Callable[[System, Mapping[str, Any], bool], "dict[str, Any]"]


@contextlib.contextmanager
def busy(name: str, seconds: float = 900, folder: str = FOLDER) -> Iterator[None]:
    """Hold the machine's lock of this name; the kernel frees it when the process ends, however it does.

    :param seconds: how long another holder is waited for.
    :raises Stop: when it has not ended.
    """
    os.makedirs(folder, mode=0o755, exist_ok=True)
    path = os.path.join(folder, f"{name}.lock")
    number = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Stop(
                        f"A {name} that an earlier run started is still running after {seconds:.0f} seconds:"
                        f" see 'ps -ef | grep {name}', and run this again once it has ended."
                    ) from None
                time.sleep(1)
        yield
    finally:
        os.close(number)


def alone(run: Run) -> Run:
    """A step that does its work while no other kubeadm is at work on the machine."""

    @functools.wraps(run)
    def locked(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
        with busy("kubeadm", folder=system.path(FOLDER)):
            return run(system, options, check)

    return locked
