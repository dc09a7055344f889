#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_wifi
short_description: Wi-Fi of a Raspberry Pi
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Makes a Wi-Fi network known to whoever manages the Pi's network - NetworkManager, netplan, or dhcpcd with
    wpa_supplicant - and keeps the radio awake.
  - The password itself is not stored, only the key that it gives for this network, readable by root alone.
options:
  country:
    description: Code of the country whose rules the radio follows, such as V(GB). Needed with O(ssid).
    type: str
    default: ''
  ssid:
    description: The network's name. Empty leaves the networks as they are.
    type: str
    default: ''
  password:
    description: The network's password, 8 to 63 characters.
    type: str
    default: ''
  power_save:
    description: Whether the radio may sleep. A sleeping one loses packets, and nodes become NotReady.
    type: bool
    default: false
  interface:
    description: The radio's network interface.
    type: str
    default: wlan0
attributes:
  check_mode:
    description: Tells what would be changed.
    support: full
  diff_mode:
    description: Shows files before and after, those with a key by their names only.
    support: full
"""

EXAMPLES = r"""
- name: Connect to the Wi-Fi
  bramble.kube.pi_wifi:
    country: GB
    ssid: bramble
    password: "{{ vault_wifi_password }}"
"""

RETURN = r"""
manager:
  description: Who manages the network.
  returned: always
  type: str
files:
  description: The files that were changed.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.files import place
from ansible_collections.bramble.kube.plugins.module_utils.pi import wifi
from ansible_collections.bramble.kube.plugins.module_utils.pi.system import System

#: What makes each manager read its files, without ending a connection that is up.
RELOAD = {
    "NetworkManager": [["systemctl", "reload-or-restart", "NetworkManager"]],
    "netplan": [["netplan", "apply"]],
    "wpa_supplicant": [["wpa_cli", "-i", "{interface}", "reconfigure"]],
}


def main() -> None:
    """Read the options, change what differs, report."""
    module = AnsibleModule(
        argument_spec={
            "country": {"type": "str", "default": ""},
            "ssid": {"type": "str", "default": ""},
            "password": {"type": "str", "default": "", "no_log": True},
            "power_save": {"type": "bool", "default": False},
            "interface": {"type": "str", "default": "wlan0"},
        },
        supports_check_mode=True,
    )
    wanted, system = module.params, System()
    trouble = wifi.problem(wanted["country"], wanted["ssid"], wanted["password"])
    if trouble:
        module.fail_json(msg=trouble)
    kind = wifi.manager(system)
    key = wifi.psk(wanted["ssid"], wanted["password"]) if wanted["ssid"] else ""
    if key:
        module.no_log_values.add(key)
    files = wifi.files(kind, wanted["country"], wanted["ssid"], key, wanted["power_save"], wanted["interface"])
    targets = [place.Wanted(file.path, file.text.encode(), file.mode, secret=file.secret) for file in files]
    different = [target for target in targets if place.differs(target)]
    diff = []
    for target in different:
        shown = {"before": system.read(target.path), "after": target.content.decode()}
        if target.secret:
            shown = {"before": "", "after": "(content withheld)\n"}
        diff.append({"before_header": target.path, "after_header": target.path, **shown})
    if different and not module.check_mode:
        try:
            for target in different:
                place.write(target)
        except OSError as error:
            module.fail_json(msg=f"{error.filename} cannot be written: {error.strerror}.")
        system.run(["rfkill", "unblock", "wifi"])  # absent where nothing can block the radio
        commands = [[part.format(interface=wanted["interface"]) for part in line] for line in RELOAD[kind]]
        if any(target.path.startswith("/etc/systemd/system/") for target in different):
            commands = [
                ["systemctl", "daemon-reload"],
                ["systemctl", "enable", "bramble-kube-wifi-awake.service"],
                *commands,
            ]
        for command in commands:
            code, _output, errors = module.run_command(command)
            if code != 0:
                module.fail_json(msg=f"{' '.join(command)} failed: {errors.strip()}")
    module.exit_json(changed=bool(different), manager=kind, files=[target.path for target in different], diff=diff)


if __name__ == "__main__":
    main()
