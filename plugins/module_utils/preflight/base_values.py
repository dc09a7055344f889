# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What can be wrong with the variables of role base beyond their types, told by the functions that the steps use."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.wording import shown
from ansible_collections.bramble.kube.plugins.module_utils.pi import cmdline, network, wifi
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import resolver

_SHAPES = {
    "base_journal_size": (r"\d+[KMGT]?|", "use a size such as 100M"),
    "base_locale": (
        r"[a-z]{2,3}_[A-Z]{2}(\.[A-Za-z0-9-]+)?(@[a-z]+)?|C(\.UTF-8)?|POSIX|",
        "use a language with its country and encoding, such as en_GB.UTF-8",
    ),
}
_ENTRIES = {
    "base_ntp_servers": (r"[A-Za-z0-9.:_-]+", "use the name or address of one time server"),
    "base_packages": (r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?", "use the name of a package, such as curl"),
    "base_kernel_modules": (r"[A-Za-z0-9_-]+", "use the name of a kernel module, such as br_netfilter"),
}
_SECONDS = {"base_time_timeout": 1, "base_time_tolerance": 0, "base_reboot_timeout": 1, "base_first_boot_timeout": 0}
#: The firmware's limits for gpu_mem; beyond 512 MB nothing is gained on any model.
_GPU_MEMORY = (16, 512)

Setting = Callable[[str], Any]


def _texts(value: Any) -> list[str]:
    return [str(entry) for entry in value] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, (list, Mapping)) else str(value)


def _number(value: Any) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None  # found by its type already


def _renamed(sentence: str | None, names: Mapping[str, str]) -> Iterator[str]:
    """A step's sentence, with the role's variable in place of the module's option."""
    if sentence:
        option, colon, rest = sentence.partition(": ")
        yield f"{names[option]}: {rest}" if colon and option in names else sentence


def _fixed_address(setting: Setting) -> Iterator[str]:
    address, gateway = _text(setting("base_static_address")), _text(setting("base_static_gateway"))
    if not address:
        if gateway:
            yield "base_static_gateway is set without base_static_address; set that, too, or remove it"
        return
    names = {"address": "base_static_address", "gateway": "base_static_gateway", "nameservers": "base_nameservers"}
    yield from _renamed(network.problem(address, gateway, _texts(setting("base_nameservers"))), names)


def _wifi(setting: Setting) -> Iterator[str]:
    country, ssid, password = (_text(setting(f"base_wifi_{name}")) for name in ("country", "ssid", "password"))
    names = {name: f"base_wifi_{name}" for name in ("country", "ssid", "password")}
    yield from _renamed(wifi.problem(country, ssid, password), names)


def _kernel(setting: Setting) -> Iterator[str]:
    present, absent = _texts(setting("base_kernel_parameters")), _texts(setting("base_kernel_parameters_absent"))
    names = {"present": "base_kernel_parameters", "absent": "base_kernel_parameters_absent"}
    try:
        cmdline.check_wanted(present, absent)
    except cmdline.CmdlineError as error:
        yield from _renamed(str(error), names)
    settings = setting("base_kernel_settings")
    for name, value in settings.items() if isinstance(settings, Mapping) else ():
        if not re.fullmatch(r"[\w-]+([./][\w/.-]+)+", str(name)):
            yield f"base_kernel_settings: {shown(name)} is not a kernel setting; use a name such as net.ipv4.ip_forward"
        elif value is None or isinstance(value, (Mapping, list)):
            yield f"base_kernel_settings: {name} is {shown(value)}; use a number or a text"


def _shapes(setting: Setting) -> Iterator[str]:
    for name, (pattern, right) in _SHAPES.items():
        if not re.fullmatch(pattern, _text(setting(name))):
            yield f"{name} is {shown(setting(name))}; {right}"
    for name, (pattern, right) in _ENTRIES.items():
        for entry in _texts(setting(name)):
            if not re.fullmatch(pattern, entry):
                yield f"{name} has the entry {shown(entry)}; {right}"
    for name, least in _SECONDS.items():
        number = _number(setting(name))
        if number is not None and number < least:
            yield f"{name} is {number}; use {least} second{'s' if least != 1 else ''} or more"
    memory = _number(setting("base_gpu_memory"))
    least, most = _GPU_MEMORY
    if memory and not least <= memory <= most:
        yield f"base_gpu_memory is {memory}; use {least} to {most} megabytes, or 0 to leave it"
    zone, known = _text(setting("base_timezone")), zoneinfo.available_timezones()
    if zone and known and zone not in known:  # without a list on this computer, the Pi tells
        yield f"base_timezone is {shown(zone)}, which is not a time zone; use one such as Europe/London"


def _name_servers(setting: Setting) -> Iterator[str]:
    yield from _renamed(resolver.problem(_texts(setting("base_nameservers"))), {"nameservers": "base_nameservers"})


def base_problems(setting: Setting) -> Iterable[str]:
    """Find what is wrong with one host's values.

    :param setting: gives the value of a role variable, None when it is not known.
    :returns: half sentences.
    """
    for find in (_fixed_address, _name_servers, _wifi, _kernel, _shapes):
        yield from find(setting)
