#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_upgrades
short_description: Which packages of a machine have newer versions, and whether a reboot is due
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Refreshes the package lists and lets apt say what an upgrade would bring. Installs nothing.
  - Fails when the package sources belong to another release of the OS than the one that is installed, for an upgrade
    would then half turn the one into the other.
  - With O(mark) it notes in C(/run/reboot-required), before anything is installed, that a reboot will be due. The file
    goes away with the reboot, so a run that is cut short in between does not forget it.
options:
  engine:
    description: Packages of the container engine, listed apart, also when they are held.
    type: list
    elements: str
    default: []
  ignore:
    description: Packages that are not looked at.
    type: list
    elements: str
    default: []
  mark:
    description: Note that a reboot will be due, when one of the newer packages wants it.
    type: bool
    default: false
attributes:
  check_mode:
    description: Goes by the package lists that are there.
    support: full
  diff_mode:
    description: Nothing is installed, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Ask what is new
  bramble.kube.pi_upgrades:
    engine: [docker-ce, docker-ce-cli, containerd.io]
    ignore: [kubeadm, kubelet, kubectl]
  become: true
  register: news
"""

RETURN = r"""
os:
  description: The OS's packages with a newer version, as C(name old -> new). Packages that are held are not among them.
  returned: always
  type: list
  elements: str
engine:
  description: Those of the container engine.
  returned: always
  type: list
  elements: str
reboot:
  description: Whether a reboot is due now.
  returned: always
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi import apt_refusals, facts, packages, parse, upgrades

#: Cards are slow and others install, too.
LOCK = ["-o", "DPkg::Lock::Timeout=600"]


def apt(module: AnsibleModule, *arguments: str) -> str:
    """Run apt-get; what it printed."""
    environment = {"LC_ALL": "C", "LANGUAGE": "C", "DEBIAN_FRONTEND": "noninteractive"}
    code, output, error = module.run_command(["apt-get", "-q", *LOCK, *arguments], environ_update=environment)
    if code:
        both = f"{output}\n{error}"
        why = apt_refusals.sentences(System(), apt_refusals.refusals(both)) or f"{packages.reason(both)}."
        module.fail_json(msg=f"'apt-get {' '.join(arguments)}' failed: {why}")
    return output


def main() -> None:
    """Ask apt, report."""
    module = AnsibleModule(
        argument_spec={
            "engine": {"type": "list", "elements": "str", "default": []},
            "ignore": {"type": "list", "elements": "str", "default": []},
            "mark": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    system = System()
    if not module.check_mode:
        apt(module, "update", "--error-on=any")
    found = upgrades.newer(apt(module, "--simulate", "--ignore-hold", "upgrade", "--with-new-pkgs"))
    release = facts.operating_system(system)
    strangers = upgrades.of_other_release(found, release.get("version_id", ""))
    if strangers:
        module.fail_json(
            msg=f"The package sources in /etc/apt offer {strangers[0].name} of another release ({strangers[0].origin}),"
            f" and this is {release.get('name')}: an upgrade from one release of the OS to the next is not done here."
            " Write a card with the new release instead, or put the sources back."
        )
    status = parse.dpkg_status(system.read("/var/lib/dpkg/status"))
    held = [name for name, entry in status.items() if entry["want"] == "hold"]
    engine, others = upgrades.split(found, module.params["engine"], [*module.params["ignore"], *held])
    changed = module.params["mark"] and any(package.boots for package in others) and not upgrades.wants_reboot(system)
    if changed and not module.check_mode:
        place.write(place.Wanted(upgrades.REBOOT_FILE, b"*** System restart required ***\n"))
    module.exit_json(
        changed=changed,
        os=[str(package) for package in others],
        engine=[str(package) for package in engine],
        reboot=upgrades.wants_reboot(system),
    )


if __name__ == "__main__":
    main()
