# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""A change of the network that undoes itself, unless somebody who reaches the machine after it confirms it.

A job of its own applies the change and waits: it lives on when the connection over which it was started does not. A
power cut in between is no confirmation either: a unit that is enabled during the trial goes back at the next boot.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.step import command
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi.network import Plan

FOLDER = "/var/lib/bramble.kube/address-trial"
UNIT = "bramble-kube-address-trial.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
#: What the trial's commands said if they failed; it outlives the trial, not the boot.
LOG = "/run/bramble-kube-address-trial.log"

_UNIT_TEXT = f"""# Written by bramble.kube for the time in which a new address is tried: a power cut is no confirmation.
[Unit]
Description=Go back to the network's former settings
ConditionPathExists={FOLDER}/pending
After=NetworkManager.service dhcpcd.service systemd-networkd.service

[Service]
Type=oneshot
ExecStart=/bin/sh {FOLDER}/back.sh

[Install]
WantedBy=multi-user.target
"""
_BACK = f"""cd {FOLDER} || exit 0
mv pending expired 2>/dev/null
%s
systemctl disable --quiet {UNIT}
rm -rf {UNIT_FILE} {FOLDER}
"""
_TRY = f"""cd {FOLDER} || exit 0
sleep 3 # until the answer about this start is through
(
set -e
%s
) > {LOG} 2>&1 || exec sh back.sh
: > {LOG}
touch applied
seconds=0
while [ -e pending ] && [ $seconds -lt %d ]; do sleep 1; seconds=$((seconds + 1)); done
# Whoever renames it first decides: this job, or the confirmation.
if mv pending expired 2>/dev/null; then exec sh back.sh; fi
"""


def _put(source: str, target: str, mode: int) -> str:
    target = shlex.quote(target)
    return f"install -m {mode:o} {source} {target}.bramble-new && mv {target}.bramble-new {target} && sync"


def scripts(plan: Plan, before: Mapping[str, bytes | None], modes: Mapping[str, int], seconds: int) -> dict[str, str]:
    """The trial's scripts by name.

    :param before: what the plan's files contain now, None for those that are not there.
    :param modes: their permissions.
    :param seconds: how long a confirmation is waited for.
    """

    def lines(commands: Sequence[Sequence[str]]) -> list[str]:
        return [" ".join(map(shlex.quote, words)) for words in commands]

    after = [_put(f"after-{number}", path, modes[path]) for number, path in enumerate(plan.files)]
    back = [
        f"rm -f {shlex.quote(path)}" if before[path] is None else _put(f"before-{number}", path, modes[path])
        for number, path in enumerate(plan.files)
    ]
    return {
        "try.sh": _TRY % ("\n".join(after + lines(plan.apply)), seconds),
        "back.sh": _BACK % "\n".join(back + lines(plan.restore)),
    }


def is_running(system: System) -> bool:
    """Whether a trial waits for its confirmation."""
    return system.exists(FOLDER + "/pending")


def start(system: System, plan: Plan, seconds: int) -> None:
    """Start a trial; the change itself comes three seconds later.

    :raises Stop: when a trial runs already, or systemd does not take it.
    """
    if is_running(system):
        raise Stop("An address is being tried already: wait two minutes, then run this again.")
    shutil.rmtree(FOLDER, ignore_errors=True)
    before = {path: place.read(path) for path in plan.files}
    modes = {path: os.stat(path).st_mode & 0o7777 if before[path] is not None else 0o600 for path in plan.files}
    for number, (path, text) in enumerate(plan.files.items()):
        place.write(place.Wanted(f"{FOLDER}/after-{number}", text.encode(), 0o600))
        place.write(place.Wanted(f"{FOLDER}/before-{number}", before[path] or b"", 0o600))
    for name, text in scripts(plan, before, modes, seconds).items():
        place.write(place.Wanted(f"{FOLDER}/{name}", text.encode(), 0o600))
    place.write(place.Wanted(UNIT_FILE, _UNIT_TEXT.encode()))
    command(system, "systemctl", "daemon-reload")
    command(system, "systemctl", "enable", "--quiet", UNIT)
    place.write(place.Wanted(f"{FOLDER}/pending", b""))
    command(
        system, "systemd-run", "--quiet", "--collect", "--unit=bramble-kube-address-try", "/bin/sh", f"{FOLDER}/try.sh"
    )


def confirm(system: System) -> None:
    """Keep what is being tried.

    :raises Stop: when it has not been applied yet, or the machine has gone back already.
    """
    if not is_running(system):
        raise Stop("The machine has already restored its former network settings.")
    if not system.exists(FOLDER + "/applied"):
        raise Stop("The new network settings are not in use yet.")
    try:
        os.rename(FOLDER + "/pending", FOLDER + "/confirmed")
    except FileNotFoundError:
        raise Stop("The machine has already restored its former network settings.") from None
    command(system, "systemctl", "disable", "--quiet", UNIT)
    place.write(place.Wanted(UNIT_FILE, None))
    shutil.rmtree(FOLDER)
