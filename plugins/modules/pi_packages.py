#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_packages
short_description: Debian packages, installed and up to date
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Installs packages and brings all packages up to date, on a machine on which other programs install packages too, and
    whose power may have been cut while dpkg was working.
  - Waits for whoever is installing now, such as the unattended upgrade after a boot, and finishes what dpkg was
    interrupted at. Held packages are never touched, changed configuration files are kept.
  - Reads dpkg's own files, and starts apt only when there is something to do.
options:
  names:
    description: Packages that have to be installed, in whatever version.
    type: list
    elements: str
    default: []
  upgrade:
    description: Bring all packages up to date, if that was last done more than O(upgrade_valid) seconds ago.
    type: bool
    default: false
  upgrade_valid:
    description: Seconds for which an upgrade counts.
    type: int
    default: 86400
  lock_timeout:
    description: Seconds to wait for another program that installs packages.
    type: int
    default: 300
  ignore_dates:
    description: Take package lists whose dates say that they are of another time, for a machine whose clock is wrong.
    type: bool
    default: false
  archive:
    description:
      - Address of Debian's archive, for a release that its mirrors have dropped. The package sources are changed to
        it when a mirror says so. Empty never changes them.
    type: str
    default: ''
attributes:
  check_mode:
    description: Tells what would be installed, as far as the package lists that are there know it.
    support: full
  diff_mode:
    description: Shows the packages whose version changes.
    support: full
"""

EXAMPLES = r"""
- name: Bring packages up to date and install what Kubernetes needs
  bramble.kube.pi_packages:
    names: [conntrack, ethtool]
    upgrade: true
"""

RETURN = r"""
changes:
  description: What became of which package.
  returned: always
  type: list
  elements: str
resumed:
  description: Packages that dpkg was interrupted at and that were finished.
  returned: always
  type: list
  elements: str
"""

import re

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.files import place
from ansible_collections.bramble.kube.plugins.module_utils.pi import archive, packages
from ansible_collections.bramble.kube.plugins.module_utils.pi.system import System

_ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBIAN_PRIORITY": "critical",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_SUSPEND": "1",
    "LC_ALL": "C",
    "LANGUAGE": "C",
}
_KEEP_CONFIGURATION = ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]
_SIMULATED = re.compile(r"^Inst (\S+)(?: \[([^\]]*)\])? \((\S+)", re.MULTILINE)


def move_to_archive(system: System, address: str) -> list[str]:
    """Change the package sources to the archive.

    :returns: the files that were changed.
    """
    folder = "/etc/apt/sources.list.d"
    paths = ["/etc/apt/sources.list"]
    paths += [f"{folder}/{name}" for name in system.names(folder) if name.endswith((".list", ".sources"))]
    changed = []
    for path in paths:
        text = system.read(path)
        if archive.archived(text, address) != text:
            place.write(place.Wanted(path, archive.archived(text, address).encode()))
            changed.append(path)
    place.write(place.Wanted(archive.APT_FILE, archive.APT_TEXT.encode()))
    return changed


def main() -> None:
    """Read the options, do what is due, report."""
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "default": []},
            "upgrade": {"type": "bool", "default": False},
            "upgrade_valid": {"type": "int", "default": 86400},
            "lock_timeout": {"type": "int", "default": 300},
            "ignore_dates": {"type": "bool", "default": False},
            "archive": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    system = System()
    due = packages.due(system, wanted["names"], wanted["upgrade"], wanted["upgrade_valid"])
    if not due:
        module.exit_json(changed=False, changes=[], resumed=[])
    apt = ["apt-get", "-q", "-y", *_KEEP_CONFIGURATION, "-o", f"DPkg::Lock::Timeout={wanted['lock_timeout']}"]
    if wanted["ignore_dates"]:
        apt += ["-o", "Acquire::Check-Date=false", "-o", "Acquire::Check-Valid-Until=false"]

    def run(arguments: list[str]) -> str:
        code, output, errors = module.run_command(arguments, environ_update=_ENVIRONMENT)
        return "" if code == 0 else packages.reason(output + "\n" + errors)

    if module.check_mode:
        foreseen = [f"{name} (new)" for name in due.missing]
        if due.upgrade:
            arguments = ["apt-get", "-s", "-q", "upgrade", "--with-new-pkgs"]
            _code, output, _errors = module.run_command(arguments, environ_update=_ENVIRONMENT)
            foreseen += [f"{name} {old or ''} -> {new}" for name, old, new in _SIMULATED.findall(output)]
        module.exit_json(
            changed=bool(foreseen or due.unfinished),
            changes=foreseen,
            resumed=list(due.unfinished),
            diff={"before": "", "after": "".join(f"{line}\n" for line in foreseen)},
        )

    before = packages.installed(system)
    moved: list[str] = []

    def fail(what: str, trouble: str, hint: str) -> None:
        module.fail_json(
            msg=f"{what}: {trouble}. {hint}", changes=packages.changes(before, packages.installed(system)), resumed=[]
        )

    def free() -> None:
        program = packages.wait_for_locks(system, wanted["lock_timeout"])
        if program:
            fail(
                "Packages cannot be installed",
                f"{program} has been doing so for {wanted['lock_timeout']} seconds",
                "Look at it with 'ps', and run this again when it has ended.",
            )

    free()
    if due.unfinished:
        trouble = run(["dpkg", "--force-confdef", "--force-confold", "--configure", "-a"])
        trouble = run([*apt, "--fix-broken", "install"]) or trouble
        left = packages.due(system, [], False, 0).unfinished
        if left:
            fail(
                f"dpkg cannot finish {', '.join(left)}",
                trouble or "it says no reason",
                "'sudo dpkg --configure -a' on the machine shows more.",
            )
    if due.missing or due.upgrade:
        for attempt in range(3):
            free()
            trouble = run([*apt, "update", "--error-on=any"] if attempt < 2 else [*apt, "update"])
            if not trouble:
                break
            if wanted["archive"] and archive.is_gone(trouble):
                moved = move_to_archive(system, wanted["archive"])
        if trouble:
            fail("The package lists cannot be read", trouble, "Is the network there, and the clock right?")
    if due.missing:
        free()
        trouble = run([*apt, "install", "--no-install-recommends", *due.missing])
        if trouble:
            fail(f"{', '.join(due.missing)} cannot be installed", trouble, "'sudo apt install' there shows more.")
    if due.upgrade:
        free()
        trouble = run([*apt, "upgrade", "--with-new-pkgs"])
        if trouble:
            fail("Packages cannot be brought up to date", trouble, "'sudo apt upgrade' on the machine shows more.")
        packages.stamp(system)
    done = [f"{path} names the archive" for path in moved] + packages.changes(before, packages.installed(system))
    module.exit_json(
        changed=bool(done or due.unfinished),
        changes=done,
        resumed=list(due.unfinished),
        diff={"before": "", "after": "".join(f"{line}\n" for line in done)},
    )


if __name__ == "__main__":
    main()
