# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step for kernel parameters in cmdline.txt."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi import bootfile, cmdline
from ansible_collections.bramble.kube.plugins.module_utils.pi.facts import BOOT_FOLDERS, cmdline_file

OPTIONS = {
    "present": {"type": "list", "elements": "str", "default": []},
    "absent": {"type": "list", "elements": "str", "default": []},
    "path": {"type": "path"},
}

MEMORY_FILE = "/var/lib/bramble.kube/cmdline.json"


def find_file(system: System, path: str | None) -> str:
    """The file to change.

    :raises Stop: when there is none, or the given one is not read by the firmware.
    """
    if path:
        if cmdline.is_stub(system.read(path)):
            raise Stop(
                f"path: {path} only says that the file has moved; the firmware reads {BOOT_FOLDERS[0]}/cmdline.txt: "
                "give that, or no path."
            )
        if not system.exists(path) and not system.exists(bootfile.backup_path(path)):
            raise Stop(f"path: there is no {path}; leave path out to use the file that the firmware reads.")
        return path
    found = cmdline_file(system)
    if not found:
        raise Stop(
            f"There is no cmdline.txt on this machine (in {' or '.join(BOOT_FOLDERS)}): on a Pi, is the card's first "
            "partition mounted? Elsewhere, kernel parameters are set by the boot loader."
        )
    return found


def recall(system: System) -> cmdline.Memory:
    """What earlier runs noted; nothing when the note is missing or damaged."""
    try:
        noted = json.loads(system.read(MEMORY_FILE))
        return cmdline.Memory(dict(noted["removed"]), dict(noted["awaited"]))
    except (ValueError, KeyError, TypeError):
        return cmdline.Memory()


def note(system: System, memory: cmdline.Memory) -> None:
    """Leave a note for the next run; before the file changes, or a run that is cut short would forget."""
    path = system.path(MEMORY_FILE)
    content = json.dumps({"removed": dict(memory.removed), "awaited": dict(memory.awaited)}, sort_keys=True).encode()
    if bootfile.read(path) == content or (not memory.removed and not memory.awaited and not os.path.exists(path)):
        return
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    disk = bootfile.Disk()
    disk.write(path + ".new", content, 0o644)
    disk.rename(path + ".new", path)
    disk.sync_folder(os.path.dirname(path))


def run(
    system: System, options: Mapping[str, Any], check_mode: bool = False, disk: bootfile.Disk | None = None
) -> dict[str, Any]:
    """Change the file.

    :param disk: what writes to it; tests cut its power.
    """
    present, absent = options["present"], options["absent"]
    try:
        cmdline.check_wanted(present, absent)
    except cmdline.CmdlineError as error:
        raise Stop(str(error)) from error
    file = system.path(find_file(system, options["path"]))
    content = bootfile.read(file)
    backup = bootfile.read(bootfile.backup_path(file))
    before = cmdline.parse(content or b"")
    repairs = list(before.repairs)
    good = content
    if cmdline.is_cut(before, content, backup):
        if backup is None or not cmdline.parse(backup).tokens:
            raise Stop(
                f"{file} is {'missing' if content is None else 'empty'} and there is no backup beside it: copy it "
                "from a fresh image of this OS, and set root= in it to this card's."
            )
        repairs.append("it was missing, empty or cut off, and was rebuilt from its backup")
        before, good = cmdline.parse(backup), None
    change = cmdline.apply(before.tokens, present, absent)
    running = cmdline.tokenize(system.read("/proc/cmdline"))
    boot = system.read("/proc/sys/kernel/random/boot_id").strip()
    verdict = cmdline.reboot_verdict(running, change, present, recall(system), boot)
    after = cmdline.render(change.tokens)
    # A missing line end alone is no damage: Imager and many people leave it away.
    changed = bool(repairs or change.added or change.replaced or change.removed)
    if not check_mode:
        note(system, verdict.memory)
        if changed:
            bootfile.replace(file, after, good, disk)
        bootfile.clean(file, disk)
    backup_file = bootfile.backup_path(file)
    warned = [f"{file}: {repair}." for repair in repairs]
    warned += [
        f"{entry} is in {file}, but the kernel was started without it: does this Pi's firmware read another file "
        "(by a condition in config.txt, or from another partition)?"
        for entry in verdict.ineffective
    ]
    return {
        "changed": changed,
        "warned": warned,
        "path": file,
        "cmdline": after.decode("utf-8", "replace").strip(),
        "added": list(change.added),
        "replaced": [{"before": old, "after": new} for old, new in change.replaced],
        "removed": list(change.removed),
        "repairs": repairs,
        "backup_file": backup_file if os.path.exists(backup_file) else "",
        "reboot_required": verdict.reboot_required,
        "reboot_reasons": [*verdict.bring, *(f"without {token}" for token in verdict.end)],
        "ineffective": list(verdict.ineffective),
        "diff": {
            "before_header": file,
            "after_header": file,
            "before": (content or b"").decode("utf-8", "replace"),
            "after": after.decode("utf-8", "replace") if changed else (content or b"").decode("utf-8", "replace"),
        },
    }
