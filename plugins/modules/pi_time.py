#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_time
short_description: A synchronised clock
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Makes sure that a time service runs, gives it time servers if there are any to give, and waits until the clock is
    synchronised. A Pi has no clock that runs while it is off, and with a wrong one no certificate is valid.
  - Works with chrony, systemd-timesyncd, ntpsec, ntp and openntpd. Servers are set for chrony and systemd-timesyncd.
options:
  servers:
    description: Time servers, by name or address. Empty leaves those that the OS has.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds to wait for a synchronised clock.
    type: int
    default: 120
attributes:
  check_mode:
    description: Tells what would be changed, and does not wait.
    support: full
  diff_mode:
    description: Shows the configuration before and after.
    support: full
"""

EXAMPLES = r"""
- name: Wait for the right time
  bramble.kube.pi_time:
    servers: [192.168.13.1]
"""

RETURN = r"""
service:
  description: The time service.
  returned: always
  type: str
synchronized:
  description: Whether the clock is synchronised.
  returned: always
  type: bool
waited:
  description: Seconds that the module waited.
  returned: always
  type: float
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.files import place
from ansible_collections.bramble.kube.plugins.module_utils.pi import facts
from ansible_collections.bramble.kube.plugins.module_utils.pi.system import System

_HEADER = "# Written by bramble.kube; changes here are overwritten.\n"
CHRONY_FILE = "/etc/chrony/sources.d/bramble-kube.sources"
TIMESYNCD_FILE = "/etc/systemd/timesyncd.conf.d/bramble-kube.conf"


def service_to_use(states: dict) -> str:
    """The time service: the one that runs, else one that is installed; "" when there is none."""
    for wish in ("active", "loaded"):
        for name in facts.TIME_UNITS:
            if states.get(name + ".service", {}).get(wish):
                return name
    return ""


def wanted_file(service: str, servers: list[str]) -> tuple[str, str] | None:
    """The file that tells the service its servers, and its text; None when the service is left as it is."""
    if not servers:
        return None
    if service in ("chrony", "chronyd"):
        return CHRONY_FILE, _HEADER + "".join(f"server {name} iburst prefer\n" for name in servers)
    if service == "systemd-timesyncd":
        return TIMESYNCD_FILE, _HEADER + "[Time]\nNTP=" + " ".join(servers) + "\n"
    return None


def main() -> None:
    """Read the options, set the service up, wait, report."""
    module = AnsibleModule(
        argument_spec={
            "servers": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    servers = module.params["servers"]
    for server in servers:
        if not server or any(letter.isspace() for letter in server):
            module.fail_json(msg=f"servers: {server!r} is not the name or address of one time server.")
    system = System()
    states = facts.units(system, facts.TIME_UNITS)
    service = service_to_use(states)
    if not service:
        if module.check_mode:
            module.exit_json(changed=True, service="", synchronized=False, waited=0.0)
        module.fail_json(msg="No time service is installed: 'sudo apt install systemd-timesyncd' brings one.")
    state = states[service + ".service"]
    file = wanted_file(service, servers)
    different = file is not None and system.read(file[0]) != file[1]
    start = not (state["active"] and state["enabled"])
    result = {"changed": different or start, "service": service, "waited": 0.0, "diff": []}
    if different:
        result["diff"].append(
            {"before_header": file[0], "after_header": file[0], "before": system.read(file[0]), "after": file[1]}
        )
    if module.check_mode:
        module.exit_json(synchronized=facts.clock(system, states)["synchronized"], **result)

    def systemctl(*arguments: str) -> None:
        code, _output, errors = module.run_command(["systemctl", *arguments])
        if code != 0:
            module.fail_json(msg=f"systemctl {' '.join(arguments)} failed: {errors.strip()}", **result)

    try:
        if different:
            place.write(place.Wanted(file[0], file[1].encode()))
    except OSError as error:
        module.fail_json(msg=f"{error.filename} cannot be written: {error.strerror}.", **result)
    if start:
        systemctl("enable", "--now", service)
    if different and state["active"]:
        systemctl("restart", service)
    started = time.monotonic()
    while True:
        now = facts.clock(system, facts.units(system, facts.TIME_UNITS))
        result["waited"] = round(time.monotonic() - started, 1)
        if now["synchronized"]:
            module.exit_json(synchronized=True, **result)
        if result["waited"] >= module.params["timeout"]:
            break
        time.sleep(0.5)
    asked = f"The servers {', '.join(servers)} do" if servers else f"The servers that {service} knows do"
    module.fail_json(
        msg=f"The clock is not synchronised after {module.params['timeout']} seconds. {asked} not answer (NTP, UDP "
        "port 123): is the network there? base_ntp_servers takes others, such as the router's address.",
        synchronized=False,
        **result,
    )


if __name__ == "__main__":
    main()
