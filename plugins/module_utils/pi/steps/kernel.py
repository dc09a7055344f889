# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step for kernel modules and settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.step import file_diff, value_diff
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi import facts

OPTIONS = {
    "name": {"type": "str", "default": "90-bramble-kube"},
    "modules": {"type": "list", "elements": "str", "default": []},
    "settings": {"type": "dict", "default": {}},
    "optional_settings": {"type": "dict", "default": {}},
}

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


def run(system: System, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Load the modules and set the settings."""
    modules = options["modules"]
    optional = {name: value_text(value) for name, value in options["optional_settings"].items()}
    settings = {**optional, **{name: value_text(value) for name, value in options["settings"].items()}}
    files = {
        f"/etc/modules-load.d/{options['name']}.conf": _HEADER + "".join(f"{name}\n" for name in modules),
        f"/etc/sysctl.d/{options['name']}.conf": _HEADER
        + "".join(f"{'-' if name in optional else ''}{name} = {value}\n" for name, value in settings.items()),
    }
    different = [place.Wanted(path, text.encode()) for path, text in files.items()]
    different = [one for one in different if place.differs(one)]
    diff = [file_diff(system, one.path, one.content.decode()) for one in different]
    missing = facts.modules_missing(system, modules)
    replaced = bool(missing) and kernel_was_replaced(system)
    if not check_mode:
        for one in different:
            place.write(one)
        for name in [] if replaced else missing:
            done = system.call(["modprobe", name])
            if done.code != 0:
                raise Stop(
                    f"The kernel module {name} cannot be loaded ({done.errors.strip()}): has this kernel been built "
                    "without it?"
                )
    changed = []
    for name, value in settings.items():
        path = setting_path(name)
        # A module that is still to be loaded brings settings; check mode cannot see them.
        if not os.path.exists(path):
            if name in optional:
                continue
            if not (missing and (check_mode or replaced)):
                raise Stop(f"This kernel has no setting {name}: is it spelled correctly, and is its module in modules?")
        now = " ".join(system.read(path).split())
        if now == value:
            continue
        changed.append(name)
        diff.append(value_diff(name, now, value))
        if not check_mode:
            with open(path, "w", encoding="ascii") as file:
                file.write(value)
    return {
        "changed": bool(different or changed or (missing and not replaced)),
        "loaded": [] if replaced else missing,
        "set": changed,
        "reboot_required": replaced,
        "diff": diff,
    }
