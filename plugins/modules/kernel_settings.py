#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kernel_settings
short_description: Kernel modules and settings, now and after each boot
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Loads kernel modules and sets kernel settings (sysctl), and writes both down for the next boot.
  - A module that is built into the kernel counts as present.
options:
  name:
    description: The name of the files in C(/etc/modules-load.d) and C(/etc/sysctl.d), without their suffix.
    type: str
    default: 90-bramble-kube
  modules:
    description: Kernel modules to have.
    type: list
    elements: str
    default: []
  settings:
    description: Kernel settings and their values, such as C(net.ipv4.ip_forward) and V(1).
    type: dict
    default: {}
  optional_settings:
    description: Kernel settings that are skipped on a kernel that does not have them.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Tells what would be changed.
    support: full
  diff_mode:
    description: Shows files and settings before and after.
    support: full
"""

EXAMPLES = r"""
- name: Let pods reach each other
  bramble.kube.kernel_settings:
    modules: [overlay, br_netfilter]
    settings:
      net.ipv4.ip_forward: 1
      net.bridge.bridge-nf-call-iptables: 1
"""

RETURN = r"""
loaded:
  description: Kernel modules that were loaded.
  returned: always
  type: list
  elements: str
set:
  description: Kernel settings that had another value.
  returned: always
  type: list
  elements: str
reboot_required:
  description: Whether a kernel update has replaced the running kernel's modules, so that they come with the next boot.
  returned: always
  type: bool
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.files import place
from ansible_collections.bramble.kube.plugins.module_utils.pi import facts
from ansible_collections.bramble.kube.plugins.module_utils.pi.system import System

_HEADER = "# Written by bramble.kube; changes here are overwritten.\n"


def setting_path(name: str) -> str:
    """Where the kernel shows a setting; as in sysctl(8), the first separator tells which one is meant."""
    if "/" in name.partition(".")[0]:
        return "/proc/sys/" + name
    return "/proc/sys/" + name.translate(str.maketrans("./", "/."))


def kernel_was_replaced(system: System) -> bool:
    """Whether the modules that are installed belong to another kernel than the running one."""
    kernels = [name for name in system.names("/lib/modules") if system.exists(f"/lib/modules/{name}/modules.dep")]
    return bool(kernels) and os.uname().release not in kernels


def value_text(value: object) -> str:
    """A setting's value as the kernel writes it."""
    if isinstance(value, bool):
        return str(int(value))
    return " ".join(str(value).split())


def main() -> None:
    """Read the options, change what differs, report."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "default": "90-bramble-kube"},
            "modules": {"type": "list", "elements": "str", "default": []},
            "settings": {"type": "dict", "default": {}},
            "optional_settings": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    system = System()
    modules = module.params["modules"]
    optional = {name: value_text(value) for name, value in module.params["optional_settings"].items()}
    settings = {**optional, **{name: value_text(value) for name, value in module.params["settings"].items()}}
    files = {
        f"/etc/modules-load.d/{module.params['name']}.conf": _HEADER + "".join(f"{name}\n" for name in modules),
        f"/etc/sysctl.d/{module.params['name']}.conf": _HEADER
        + "".join(f"{'-' if name in optional else ''}{name} = {value}\n" for name, value in settings.items()),
    }
    different = [place.Wanted(path, text.encode()) for path, text in files.items()]
    different = [one for one in different if place.differs(one)]
    diff = [
        {
            "before_header": one.path,
            "after_header": one.path,
            "before": system.read(one.path),
            "after": one.content.decode(),
        }
        for one in different
    ]
    missing = facts.modules_missing(system, modules)
    replaced = bool(missing) and kernel_was_replaced(system)
    try:
        if not module.check_mode:
            for one in different:
                place.write(one)
            for name in [] if replaced else missing:
                code, _output, errors = module.run_command(["modprobe", name])
                if code != 0:
                    module.fail_json(
                        msg=f"The kernel module {name} cannot be loaded ({errors.strip()}): has this kernel been built "
                        "without it?"
                    )
        changed = []
        for name, value in settings.items():
            path = setting_path(name)
            # A module that is still to be loaded brings settings; check mode cannot see them.
            if not os.path.exists(path):
                if name in optional:
                    continue
                if not (missing and (module.check_mode or replaced)):
                    module.fail_json(
                        msg=f"This kernel has no setting {name}: is it spelled right, is its module in modules?"
                    )
            now = " ".join(system.read(path).split())
            if now == value:
                continue
            changed.append(name)
            diff.append({"before_header": name, "after_header": name, "before": now + "\n", "after": value + "\n"})
            if not module.check_mode:
                with open(path, "w", encoding="ascii") as file:
                    file.write(value)
    except OSError as error:
        module.fail_json(msg=f"{error.filename} cannot be written: {error.strerror}.")
    module.exit_json(
        changed=bool(different or changed or (missing and not replaced)),
        loaded=[] if replaced else missing,
        set=changed,
        reboot_required=replaced,
        diff=diff,
    )


if __name__ == "__main__":
    main()
