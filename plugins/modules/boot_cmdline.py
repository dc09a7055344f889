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
  - Adds kernel parameters to C(cmdline.txt), or removes them, wherever this OS keeps that file, as C(config.txt)
    says. Everything else in it stays as it is.
  - A C(key=value) replaces that key's value. Of keys that the kernel takes several times, such as C(console),
    C(cgroup_enable) and C(cgroup_disable), exactly that pair is added or removed.
  - Repairs a file that bad edits have left with several lines, comments, or Windows line endings.
  - Keeps the former content beside the file, as C(cmdline.txt.bramble-backup), and is safe against a power cut between
    any two steps. If a power cut has left the file empty, the next run rebuilds it from the backup.
options:
  present:
    description: Parameters to have, each C(name) or C(name=value).
    type: list
    elements: str
    default: []
  absent:
    description:
      - Parameters to remove. With C(name=value), exactly this pair; with C(name), whatever its value is.
      - For keys that the kernel takes several times, give the pair.
    type: list
    elements: str
    default: []
  path:
    description: The file, by default the one that the firmware of this OS reads.
    type: path
attributes:
  check_mode:
    description: Says what would be changed.
    support: full
  diff_mode:
    description: Shows the file's line before and after.
    support: full
notes:
  - Notes for the next run are kept in C(/var/lib/bramble.kube/cmdline.json).
"""

EXAMPLES = r"""
- name: Let the kernel count memory, as Kubernetes needs it
  bramble.kube.boot_cmdline:
    present: [cgroup_enable=cpuset, cgroup_enable=memory]
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
  description: Parameters that were removed.
  returned: always
  type: list
  elements: str
repairs:
  description: What was wrong with the file's format and has been repaired.
  returned: always
  type: list
  elements: str
backup_file:
  description: Where the former content is, empty when the file was never changed.
  returned: always
  type: str
reboot_required:
  description:
    - Whether the running kernel lacks a wanted parameter, or still has one that was removed.
    - The firmware's own additions do not count, nor does what a reboot has already failed to apply (RV(ineffective)).
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

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import cmdline


def main() -> None:
    """Do what is left to do."""
    perform(cmdline)


if __name__ == "__main__":
    main()
