#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: boot_cmdline
short_description: Kernel parameters of a Raspberry Pi
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Brings kernel parameters into C(cmdline.txt), or takes them out, wherever this OS keeps that file. Everything else
    in it stays as and where it is.
  - A C(key=value) replaces that key's value. Of keys that the kernel takes several times, such as C(console),
    C(cgroup_enable) and C(cgroup_disable), exactly that pair is added or removed.
  - Repairs a file that bad edits have left in several lines, with comments, or with the line ends of Windows.
  - Keeps the former content beside the file, as C(cmdline.txt.bramble-backup), and is safe against a power cut between
    any two steps. A file that a cut has left empty is made from the backup by the next run.
options:
  present:
    description: Parameters to have, each C(name) or C(name=value).
    type: list
    elements: str
    default: []
  absent:
    description:
      - Parameters not to have. With C(name=value), exactly this pair; with C(name), whatever its value is.
      - Of keys that the kernel takes several times, the pair has to be given.
    type: list
    elements: str
    default: []
  path:
    description: The file, by default the one that the firmware of this OS reads.
    type: path
attributes:
  check_mode:
    description: Tells what would be changed.
    support: full
  diff_mode:
    description: Shows the file's line before and after.
    support: full
notes:
  - What was noted for the next run lies in C(/var/lib/bramble.kube/cmdline.json).
"""

EXAMPLES = r"""
- name: Let the kernel count memory, as Kubernetes needs it
  bramble.kube.boot_cmdline:
    present: [cgroup_enable=cpuset, cgroup_enable=memory, cgroup_memory=1]
    absent: [cgroup_disable=memory]
  register: cmdline

- name: Reboot if the running kernel has other parameters
  ansible.builtin.reboot:
  when: cmdline.reboot_required
"""

RETURN = r"""
path:
  description: The file.
  returned: always
  type: str
cmdline:
  description: The file's line, as it is after the run.
  returned: always
  type: str
added:
  description: Parameters that were added.
  returned: always
  type: list
  elements: str
replaced:
  description: Parameters whose value was replaced, each with C(before) and C(after).
  returned: always
  type: list
  elements: dict
removed:
  description: Parameters that were taken out.
  returned: always
  type: list
  elements: str
repairs:
  description: What was wrong with the file's form and has been repaired.
  returned: always
  type: list
  elements: str
backup_file:
  description: Where the former content is, empty when the file was never changed.
  returned: always
  type: str
reboot_required:
  description:
    - Whether the running kernel lacks a wanted parameter, or still has one that was taken out.
    - The firmware's own additions do not count, nor does what a reboot has already failed to bring (RV(ineffective)).
  returned: always
  type: bool
reboot_reasons:
  description: The parameters for which a reboot is needed.
  returned: always
  type: list
  elements: str
ineffective:
  description: Wanted parameters that are in the file, but not in the kernel that was started since.
  returned: always
  type: list
  elements: str
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.pi import bootfile, cmdline
from ansible_collections.bramble.kube.plugins.module_utils.pi.facts import CMDLINE_FILES, cmdline_file
from ansible_collections.bramble.kube.plugins.module_utils.pi.system import System

MEMORY_FILE = "/var/lib/bramble.kube/cmdline.json"


class Stop(Exception):
    """The module cannot go on; the message is for the user."""


def find_file(system: System, path: str | None) -> str:
    """The file to change.

    :raises Stop: when there is none, or the given one is not read by the firmware.
    """
    if path:
        if cmdline.is_stub(system.read(path)):
            raise Stop(
                f"path: {path} only says that the file has moved; the firmware reads {CMDLINE_FILES[0]}: "
                "give that, or no path."
            )
        if not system.exists(path) and not system.exists(bootfile.backup_path(path)):
            raise Stop(f"path: there is no {path}; without path, the file that the firmware reads is found.")
        return path
    found = cmdline_file(system)
    if not found:
        raise Stop(
            f"There is no cmdline.txt on this machine ({' or '.join(CMDLINE_FILES)}): on a Pi, is the card's first "
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
    system: System,
    present: list[str],
    absent: list[str],
    path: str | None = None,
    check_mode: bool = False,
    disk: bootfile.Disk | None = None,
) -> dict:
    """Do the module's work on a system.

    :returns: the module's result.
    :raises Stop: when the file cannot be found or restored.
    :raises CmdlineError: when a wanted parameter cannot be meant.
    """
    cmdline.check_wanted(present, absent)
    file = system.path(find_file(system, path))
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
        repairs.append("it was missing, empty or cut off, and was made from its backup")
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
    return {
        "changed": changed,
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


def main() -> None:
    """Read the options, change the file, report."""
    module = AnsibleModule(
        argument_spec={
            "present": {"type": "list", "elements": "str", "default": []},
            "absent": {"type": "list", "elements": "str", "default": []},
            "path": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(
            System(), module.params["present"], module.params["absent"], module.params["path"], module.check_mode
        )
    except (Stop, cmdline.CmdlineError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(
            msg=f"{error.filename or 'cmdline.txt'} cannot be written ({error.strerror}): is the card's first "
            "partition mounted, writable and not full?"
        )
    for repair in result["repairs"]:
        module.warn(f"{result['path']}: {repair}.")
    for entry in result["ineffective"]:
        module.warn(
            f"{entry} is in {result['path']}, but the kernel was started without it: does this Pi's firmware read "
            "another file (os_prefix= or cmdline= in config.txt)?"
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
