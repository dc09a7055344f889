# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Asks many steps at once whether they have anything to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..common.errors import Stop
from ..common.step import Step, attempt
from ..common.system import System
from ..kubeadm import address as shared_address
from ..kubeadm import init, renew
from .steps import address, clock, cmdline, kernel, names, packages, resolver, settings, swap, wifi
from .steps import config_files as written

#: Step by the name of its module.
STEPS: dict[str, Step] = {
    "boot_cmdline": cmdline,
    "config_files": written,
    "kernel_settings": kernel,
    "kubeadm_address": shared_address,
    "kubeadm_certs": renew,
    "kubeadm_init": init,
    "pi_address": address,
    "pi_names": names,
    "pi_packages": packages,
    "pi_resolver": resolver,
    "pi_settings": settings,
    "pi_swap": swap,
    "pi_time": clock,
    "pi_wifi": wifi,
}

OPTIONS = {
    "steps": {"type": "dict", "required": True},
    "wifi_password": {"type": "str", "default": "", "no_log": True},
}


def _look(step: Step, system: System, options: Mapping[str, Any]) -> tuple[bool, dict[str, Any]]:
    """Whether a step is due, and what later tasks want to know of it."""
    try:
        if hasattr(step, "is_due"):
            return step.is_due(system, options), {}
        result = attempt(step, system, options, check_mode=True)
    except Stop:
        return True, {}
    signs = ("changed", "reboot_required", *getattr(step, "UNFINISHED", ()))
    return any(map(result.get, signs)), {name: result[name] for name in getattr(step, "TOLD", ())}


def due(system: System, wanted: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Find the steps that would change something, wait for something, or refuse.

    :param wanted: options by the module's name.
    :returns: their names, and what the finished ones tell.
    :raises Stop: for a module or an option that there is not.
    """
    found, told = [], {}
    for name, given in wanted.items():
        if name not in STEPS:
            raise Stop(f"steps: there is no step {name}; use {', '.join(STEPS)}.")
        checked = ArgumentSpecValidator(STEPS[name].OPTIONS).validate(given)
        if checked.error_messages:
            raise Stop(f"steps: {name}: {'; '.join(checked.error_messages)}")
        is_due, tells = _look(STEPS[name], system, checked.validated_parameters)
        if is_due:
            found.append(name)
        elif tells:
            told[name] = tells
    return found, told


def run(system: System, options: Mapping[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Look; the Wi-Fi's password comes beside the steps, where it is kept out of logs."""
    steps = dict(options["steps"])
    if "pi_wifi" in steps:
        steps["pi_wifi"] = {**steps["pi_wifi"], "password": options["wifi_password"]}
    found, told = due(system, steps)
    return {"changed": False, "due": found, "told": told}
