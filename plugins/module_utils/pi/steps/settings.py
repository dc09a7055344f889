# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step for time zone, language, timers and firmware settings."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.step import command, file_diff, value_diff
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi import bootfile, config_txt, facts

OPTIONS = {
    "timezone": {"type": "str", "default": ""},
    "locale": {"type": "str", "default": ""},
    "timers": {"type": "dict", "default": {}},
    "firmware": {"type": "dict", "default": {}},
}

ZONES = "/usr/share/zoneinfo/"
CONFIG_FILES = ("/boot/firmware/config.txt", "/boot/config.txt")


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


def _set_timezone(system: System, wanted: str, check_mode: bool) -> list[dict[str, str]]:
    if not wanted:
        return []
    check_timezone(system, wanted)
    zone = current_timezone(system)
    if zone == wanted:
        return []
    if not check_mode:
        beside = "/etc/localtime.bramble-new"
        if os.path.lexists(beside):
            os.unlink(beside)
        os.symlink(ZONES + wanted, beside)
        os.rename(beside, "/etc/localtime")
        place.write(place.Wanted("/etc/timezone", (wanted + "\n").encode()))
    return [value_diff("timezone", zone, wanted)]


def _set_locale(system: System, locale: str, check_mode: bool) -> list[dict[str, str]]:
    if not locale:
        return []
    text = system.read("/etc/default/locale")
    generate = not is_generated(system, locale)
    if language_of(text) == locale and not generate:
        return []
    diff = file_diff(system, "/etc/default/locale", with_language(text, locale))
    if not check_mode:
        if generate:
            if not system.run(["sh", "-c", "command -v locale-gen"]):
                raise Stop(f"locale: {locale} is not there and cannot be generated without the package locales.")
            content = with_generated(system.read("/etc/locale.gen"), locale)
            place.write(place.Wanted("/etc/locale.gen", content.encode()))
            command(system, "locale-gen")
            if not is_generated(system, locale):
                raise Stop(f"locale: there is no language {locale}; en_GB.UTF-8 is one, /etc/locale.gen lists all.")
        place.write(place.Wanted("/etc/default/locale", diff["after"].encode()))
    return [diff]


def _switch_timers(system: System, timers: Mapping[str, bool], check_mode: bool) -> list[dict[str, str]]:
    states = facts.units(system, list(timers))
    words, diff = {True: "enabled", False: "disabled"}, []
    for name, on in ((name, bool(on)) for name, on in timers.items()):
        if states.get(name, {}).get("loaded") and states[name]["enabled"] != on:
            diff.append(value_diff(name, words[not on], words[on]))
            if not check_mode:
                command(system, "systemctl", "enable" if on else "disable", "--now", name)
    return diff


def _set_firmware(system: System, settings: Mapping[str, Any], check_mode: bool) -> list[dict[str, str]]:
    file = firmware_file(system)
    if not settings or not file:
        return []
    text = system.read(file)
    after = config_txt.with_settings(text, {key: str(value) for key, value in settings.items()})
    if after == text:
        return []
    diff = file_diff(system, file, after)
    if not check_mode:
        bootfile.replace(file, after.encode(), text.encode())
    return [diff]


def run(system: System, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Set what differs."""
    diff = _set_timezone(system, options["timezone"], check_mode)
    diff += _set_locale(system, options["locale"], check_mode)
    diff += _switch_timers(system, options["timers"], check_mode)
    firmware = _set_firmware(system, options["firmware"], check_mode)
    diff += firmware
    return {"changed": bool(diff), "reboot_required": bool(firmware), "diff": diff}
