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
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop

FOLDER = "/run/bramble.kube"


@contextlib.contextmanager
def busy(name: str, seconds: float = 900, folder: str = FOLDER) -> Iterator[None]:
    """Hold the machine's lock of this name; the kernel frees it when the process ends, however it does.

    :param seconds: how long another holder is waited for.
    :raises TimeoutError: with a sentence for the user, when it has not ended.
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
                    raise TimeoutError(
                        f"A {name} that an earlier run has started is still at work after {seconds:.0f} seconds:"
                        f" look at it with 'ps -ef | grep {name}', and run this again when it has ended."
                    ) from None
                time.sleep(1)
        yield
    finally:
        os.close(number)


def carry_out(module: Any, work: Callable[[Any], dict[str, Any]], name: str = "kubeadm") -> None:
    """Do a module's work while nothing else of this name is at work on the machine, and end the module.

    :param work: takes the module and returns its result; raises Stop or OSError.
    """
    try:
        with busy(name):
            result = work(module)
    except (Stop, TimeoutError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'A program'}: {error.strerror}.")
    module.exit_json(**result)
