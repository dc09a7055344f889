#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_identity
short_description: SSH host keys and machine-id of a machine's own, for one that was copied
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Gives a machine whose card was copied from another's SSH host keys and a machine-id of its own.
  - Host keys come in two steps, so that the laptop knows the new ones before the machine shows them - V(staged) makes
    them and returns their public halves, V(active) puts them into use. Connections that are open stay so.
options:
  host_keys:
    description: V(staged) makes new SSH host keys beside the old ones. V(active) replaces the old ones by them.
    type: str
    choices: [staged, active]
  machine_id:
    description: Make a new machine-id, which counts after a reboot.
    type: bool
    default: false
attributes:
  check_mode:
    description: Tells what would be changed. Keys that are not made cannot be returned.
    support: full
  diff_mode:
    description: There is nothing to show - identities are confidential.
    support: none
"""

EXAMPLES = r"""
- name: Make new host keys
  bramble.kube.pi_identity:
    host_keys: staged
  register: keys

- name: Know them before they are shown
  ansible.builtin.lineinfile:
    path: ~/.ssh/known_hosts
    line: "{{ ansible_host }} {{ item }}"
  loop: "{{ keys.public_keys }}"
  delegate_to: localhost

- name: Show them
  bramble.kube.pi_identity:
    host_keys: active
"""

RETURN = r"""
public_keys:
  description: The new host keys' public halves, each as "type key".
  returned: always
  type: list
  elements: str
old_public_keys:
  description: The public halves of the host keys in use.
  returned: always
  type: list
  elements: str
reboot_required:
  description: Whether a new machine-id counts after a reboot.
  returned: always
  type: bool
"""

import os
import re

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi.bootfile import Disk
from ansible_collections.bramble.kube.plugins.module_utils.pi.clones import public_keys

SSH = "/etc/ssh"
STAGE = "/etc/ssh/bramble-kube-new"


def kinds(system: System) -> list[str]:
    """The kinds of the host keys that are there, such as ed25519; what ssh-keygen -A makes when there are none."""
    found = [re.fullmatch(r"ssh_host_(\w+)_key", name) for name in system.names(SSH)]
    return [match.group(1) for match in found if match] or ["ecdsa", "ed25519", "rsa"]


def main() -> None:
    """Read the options, make or use what is asked for, report."""
    module = AnsibleModule(
        argument_spec={
            "host_keys": {"type": "str", "choices": ["staged", "active"], "no_log": False},
            "machine_id": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    system, disk = System(), Disk()
    changed = False

    def command(*arguments: str) -> None:
        code, _output, errors = module.run_command(list(arguments))
        if code != 0:
            module.fail_json(msg=f"{' '.join(arguments[:3])} failed: {errors.strip()}")

    try:
        if module.params["host_keys"] == "staged":
            missing = [kind for kind in kinds(system) if not system.exists(f"{STAGE}/ssh_host_{kind}_key.pub")]
            changed = bool(missing)
            if missing and not module.check_mode:
                os.makedirs(STAGE, mode=0o700, exist_ok=True)
                for kind in missing:
                    # ssh-keygen writes the public half last: without it, a cut left the key unfinished.
                    path = f"{STAGE}/ssh_host_{kind}_key"
                    disk.remove(path)
                    command("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "root@" + os.uname().nodename, "-f", path)
                disk.sync_folder(STAGE)
        if module.params["host_keys"] == "active":
            staged = sorted(system.names(STAGE), reverse=True)
            changed = bool(staged)
            if staged and not module.check_mode:
                for name in staged:
                    os.rename(f"{STAGE}/{name}", f"{SSH}/{name}")
                disk.sync_folder(SSH)
                os.rmdir(STAGE)
                command("systemctl", "try-reload-or-restart", "ssh.service")
        if module.params["machine_id"]:
            changed = True
            if not module.check_mode:
                text = system.read("/proc/sys/kernel/random/uuid").strip().replace("-", "")
                place.write(place.Wanted("/etc/machine-id", (text + "\n").encode(), 0o444))
                # D-Bus has a copy where it is no link.
                if system.exists("/var/lib/dbus/machine-id") and not os.path.islink("/var/lib/dbus/machine-id"):
                    place.write(place.Wanted("/var/lib/dbus/machine-id", (text + "\n").encode(), 0o444))
    except OSError as error:
        module.fail_json(msg=f"{error.filename} cannot be written: {error.strerror}.")
    module.exit_json(
        changed=changed,
        public_keys=public_keys(system, STAGE),
        old_public_keys=public_keys(system, SSH),
        reboot_required=bool(module.params["machine_id"]),
    )


if __name__ == "__main__":
    main()
