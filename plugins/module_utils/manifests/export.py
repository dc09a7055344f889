# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Writes a set as a file: exactly what would be applied, in order, for kubectl, Flux or Argo CD."""

from __future__ import annotations

import os
from typing import Any

from ..common import atomic_file
from ..common.wording import counted
from . import order
from .errors import ManifestError
from .load import Item
from .yamltext import dump


def export(items: list[Item], dest: str, check: bool, diff: bool) -> dict[str, Any]:
    """Bring the file to the set's objects, in the order of their waves.

    :returns: changed, dest, the number of objects, and a diff where one is asked for and no Secret is among them.
    :raises ManifestError: when the file cannot be written.
    """
    path = os.path.abspath(os.path.expanduser(dest))
    if os.path.isdir(path):
        raise ManifestError(
            f"dest {dest} is a folder; name a file in it, such as {os.path.join(dest, 'objects.yaml')}."
        )
    if not os.path.isdir(os.path.dirname(path)):
        raise ManifestError(f"The folder of dest {dest} does not exist; make it first.")
    ordered = [item for _wave, members in order.waves(items) for item in members]
    text = "".join("---\n" + dump(item.object) for item in ordered)
    secret = any(item.kind == "Secret" for item in items)
    owner = (os.getuid(), os.getgid())
    wanted = atomic_file.Wanted(path, text.encode("utf-8"), 0o600 if secret else 0o644, owner, secret)
    before = atomic_file.text(path)
    changed = atomic_file.differs(wanted)
    try:
        if changed and not check:
            atomic_file.write(wanted)
    except OSError as error:
        raise ManifestError(f"dest {dest} cannot be written: {error.strerror}.") from None
    result: dict[str, Any] = {"changed": changed, "dest": path, "msg": f"{counted(len(ordered), 'object')} in {dest}"}
    if diff and not secret:
        result["diff"] = {"before_header": path, "after_header": path, "before": before, "after": text}
    return result
