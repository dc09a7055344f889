# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The checksum that lies beside a file which was made and kept: FILE.sha256, one line as sha256sum prints it.

The line has the file's name, too, so that a pair of files that was copied to another name does not pass.
"""

from __future__ import annotations

import hashlib
import os

SUFFIX = ".sha256"


def line(path: str, content: bytes) -> str:
    """What belongs into the file beside `path` when that has this content."""
    return f"{hashlib.sha256(content).hexdigest()}  {os.path.basename(path)}\n"


def fault(path: str, content: bytes, required: bool = False) -> str:
    """Why a file must not be used, in one sentence; "" when it is what its checksum says.

    :param content: what was read from `path`.
    :param required: whether a file without a checksum is a fault, too.
    """
    beside = path + SUFFIX
    try:
        with open(beside, "rb") as stream:
            said = stream.read(4096)
    except FileNotFoundError:
        return f"{path} has no checksum beside it ({beside}); delete it, so that it is built again" if required else ""
    except OSError as error:
        return f"{beside} cannot be read: {error.strerror}"
    # sha256sum marks binary files, as all are on some systems, by an asterisk
    if said.replace(b" *", b"  ", 1).strip() == line(path, content).strip().encode():
        return ""
    return (
        f"{path} is not the file whose checksum is in {beside}: it is damaged or was changed; recreate it, or, if "
        "you changed it yourself, delete the checksum"
    )


def holds(path: str) -> bool:
    """Whether a file is there, with the checksum that lies beside it."""
    try:
        with open(path, "rb") as stream:
            return not fault(path, stream.read(), required=True)
    except OSError:
        return False
