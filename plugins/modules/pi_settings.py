#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_settings
short_description: Time zone, language, timers and firmware settings of a Raspberry Pi
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Sets the time zone and the language, enables or disables systemd timers, and sets values in the firmware's
    C(config.txt).
  - What is not given stays as it is.
options:
  timezone:
    description: Time zone, such as V(Europe/London). Empty leaves it as it is.
    type: str
    default: ''
  locale:
    description: Language and region of messages, such as V(en_GB.UTF-8). Empty leaves it as it is.
    type: str
    default: ''
  timers:
    description: Systemd timers, and whether each is to run. Those that the machine does not have are left out.
    type: dict
    default: {}
  firmware:
    description: Keys of C(config.txt) and their values, for every model. Left out on a machine without that file.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Tells what would be changed.
    support: full
  diff_mode:
    description: Shows settings before and after.
    support: full
"""

EXAMPLES = r"""
- name: Local time, and less memory for a screen that is not there
  bramble.kube.pi_settings:
    timezone: Europe/London
    timers: {fstrim.timer: true}
    firmware: {gpu_mem: 16}
"""

RETURN = r"""
reboot_required:
  description: Whether the firmware reads what was changed at the next boot only.
  returned: always
  type: bool
"""

import os
import re

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.files import place
from ansible_collections.bramble.kube.plugins.module_utils.pi import bootfile, config_txt, facts
from ansible_collections.bramble.kube.plugins.module_utils.pi.system import System

ZONES = "/usr/share/zoneinfo/"
CONFIG_FILES = ("/boot/firmware/config.txt", "/boot/config.txt")


class Stop(Exception):
    """The module cannot go on; the message is for the user."""


def current_timezone(system: System) -> str:
    """The time zone that /etc/localtime points to."""
    try:
        return os.readlink(system.path("/etc/localtime")).partition("zoneinfo/")[2]
    except OSError:
        return ""


def check_timezone(system: System, zone: str) -> None:
    """Refuse a time zone that the machine does not know.

    :raises Stop: with what would be right.
    """
    known = re.fullmatch(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*", zone) and os.path.isfile(system.path(ZONES + zone))
    if not known:
        raise Stop(
            f"timezone: there is no time zone {zone!r}; Europe/London is one, 'timedatectl list-timezones' shows all."
        )


def language_of(text: str) -> str:
    """LANG in /etc/default/locale."""
    match = re.search(r"^LANG=[\"']?([^\"'\n]*)", text, re.MULTILINE)
    return match.group(1) if match else ""


def with_language(text: str, locale: str) -> str:
    """/etc/default/locale with another LANG."""
    if re.search(r"^LANG=", text, re.MULTILINE):
        return re.sub(r"^LANG=.*$", f"LANG={locale}", text, flags=re.MULTILINE)
    return text + ("" if not text or text.endswith("\n") else "\n") + f"LANG={locale}\n"


def is_generated(system: System, locale: str) -> bool:
    """Whether the C library has this language."""

    def plain(name: str) -> str:
        return name.lower().replace("utf-8", "utf8")

    return plain(locale) in [plain(line) for line in system.run(["locale", "-a"]).split()]


def with_generated(text: str, locale: str) -> str:
    """/etc/locale.gen with a language switched on."""
    line = f"{locale} {locale.partition('.')[2] or 'ISO-8859-1'}"
    if re.search(rf"^{re.escape(line)}[ \t]*$", text, re.MULTILINE):
        return text
    changed, count = re.subn(rf"^#[ \t]*{re.escape(line)}[ \t]*$", line, text, count=1, flags=re.MULTILINE)
    return changed if count else text + ("" if not text or text.endswith("\n") else "\n") + line + "\n"


def firmware_file(system: System) -> str:
    """The config.txt that the firmware reads; "" when there is none."""
    for path in CONFIG_FILES:
        if system.exists(path) and "has moved to /boot/firmware" not in system.read(path):
            return path
    return ""


def main() -> None:
    """Read the options, change what differs, report."""
    module = AnsibleModule(
        argument_spec={
            "timezone": {"type": "str", "default": ""},
            "locale": {"type": "str", "default": ""},
            "timers": {"type": "dict", "default": {}},
            "firmware": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    wanted, system = module.params, System()
    diff: list[dict] = []
    result = {"reboot_required": False, "diff": diff}

    def note(name: str, before: str, after: str) -> None:
        diff.append({"before_header": name, "after_header": name, "before": before, "after": after})

    def command(*arguments: str) -> None:
        code, _output, errors = module.run_command(list(arguments))
        if code != 0:
            raise Stop(f"{' '.join(arguments)} failed: {errors.strip()}")

    try:
        if wanted["timezone"]:
            check_timezone(system, wanted["timezone"])
        states = facts.units(system, list(wanted["timers"]))
        switched = {
            name: bool(on)
            for name, on in wanted["timers"].items()
            if states.get(name, {}).get("loaded") and states[name]["enabled"] != bool(on)
        }
        zone = current_timezone(system)
        if wanted["timezone"] and zone != wanted["timezone"]:
            note("timezone", zone + "\n", wanted["timezone"] + "\n")
            if not module.check_mode:
                beside = "/etc/localtime.bramble-new"
                if os.path.lexists(beside):
                    os.unlink(beside)
                os.symlink(ZONES + wanted["timezone"], beside)
                os.rename(beside, "/etc/localtime")
                place.write(place.Wanted("/etc/timezone", (wanted["timezone"] + "\n").encode()))
        locale = wanted["locale"]
        if locale:
            text = system.read("/etc/default/locale")
            generate = not is_generated(system, locale)
            if generate and not module.check_mode:
                if not system.run(["sh", "-c", "command -v locale-gen"]):
                    raise Stop(f"locale: {locale} is not there and cannot be made without the package locales.")
                content = with_generated(system.read("/etc/locale.gen"), locale)
                place.write(place.Wanted("/etc/locale.gen", content.encode()))
                command("locale-gen")
                if not is_generated(system, locale):
                    raise Stop(f"locale: there is no language {locale}; en_GB.UTF-8 is one, /etc/locale.gen lists all.")
            if language_of(text) != locale or generate:
                after = with_language(text, locale)
                note("/etc/default/locale", text, after)
                if not module.check_mode:
                    place.write(place.Wanted("/etc/default/locale", after.encode()))
        for name, on in switched.items():
            note(name, "disabled\n" if on else "enabled\n", "enabled\n" if on else "disabled\n")
            if not module.check_mode:
                command("systemctl", "enable" if on else "disable", "--now", name)
        file = firmware_file(system)
        if wanted["firmware"] and file:
            text = system.read(file)
            after = config_txt.with_settings(text, {key: str(value) for key, value in wanted["firmware"].items()})
            if after != text:
                note(file, text, after)
                result["reboot_required"] = True
                if not module.check_mode:
                    bootfile.replace(file, after.encode(), text.encode())
    except Stop as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename} cannot be written: {error.strerror}.")
    module.exit_json(changed=bool(diff), **result)


if __name__ == "__main__":
    main()
