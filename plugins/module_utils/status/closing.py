# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The box at the end of site.yml: what this run did, and how the cluster is used from here on."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..common.wording import listing

_RULE = "─" * 78
#: Components whose people have passwords that were made up, and the playbook that shows them.
_PASSWORDS = {"jupyterhub": "kubeflow", "desk": "loop"}
_ETIME = re.compile(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)")


@dataclass(frozen=True)
class Ending:
    """What is known at the end of a run.

    :ivar playbook: as it was named on the command line, such as ``site.yml`` or ``bramble.kube.site``.
    :ivar inventory: the files and folders that were named by -i.
    :ivar tags: of this run; empty for all.
    :ivar skipped: tags that were left out.
    :ivar pis: names of the Pis of this run.
    :ivar others: number of the inventory's Pis that this run left out.
    :ivar not_ready: those that are not Ready; None when nothing has looked.
    :ivar kubeconfig: where it is; "" when it is not there.
    :ivar kubectl: whether this computer has kubectl.
    :ivar addresses: what can be opened, by name.
    :ivar seconds: that the run took; None when nobody knows.
    :ivar program: how ansible-playbook is called from where this one was.
    """

    playbook: str
    inventory: Sequence[str]
    pis: Sequence[str]
    tags: Sequence[str] = ()
    skipped: Sequence[str] = ()
    others: int = 0
    not_ready: Sequence[str] | None = None
    kubeconfig: str = ""
    kubectl: bool = True
    addresses: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None
    program: str = "ansible-playbook"

    def command(self, playbook: str, *arguments: str) -> str:
        """How a playbook of this collection is run from where this one was."""
        if "/" in self.playbook or self.playbook.endswith((".yml", ".yaml")):
            folder = os.path.dirname(self.playbook)
            if os.path.basename(folder) != "playbooks":
                folder = os.path.join(folder, "playbooks")
            path = os.path.join(folder, f"{playbook}.yml")
        else:
            path = f"{self.playbook.rpartition('.')[0]}.{playbook}"
        sources = [word for source in self.inventory for word in ("-i", source)]
        return shlex.join([self.program, *sources, path, *arguments])


def seconds_of(etime: str) -> float | None:
    """The seconds of a process' age as POSIX's ``ps -o etime=`` prints it: [[days-]hours:]minutes:seconds."""
    found = _ETIME.fullmatch(etime.strip())
    if not found:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def duration(seconds: float) -> str:
    """A time in words."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _state(end: Ending) -> str:
    count = len(end.pis)
    if end.not_ready is None:
        return ""
    ready = count - len(end.not_ready)
    if not end.not_ready:
        return f"All {count} Pis are Ready." if count > 1 else "The Pi is Ready."
    return f"{ready} of {count} Pis {'is' if ready == 1 else 'are'} Ready, and not {listing(end.not_ready)}."


def _did(end: Ending) -> str:
    pis = listing(end.pis)
    if end.tags:
        return f"This run did only what has the tag {listing(end.tags)}, on {pis}."
    if end.skipped:
        return f"This run left out what has the tag {listing(end.skipped)}, on {pis}."
    return ""


def passwords(people: Mapping[str, str]) -> list[str]:
    """The lines that follow the box once, when JupyterHub is new."""
    said = [f"  {name:<11}{password}" for name, password in people.items()]
    return ["Log in to jupyterhub with this, which is shown once, and on this screen alone:", *said] if said else []


def closing(end: Ending) -> list[str]:
    """The lines of the box."""
    said = [sentence for sentence in (_did(end), _state(end)) if sentence]
    if end.others:
        said.append(f"The inventory has {end.others} more that this run left out.")
    if end.not_ready is None:
        said.append("The playbook status says whether the Pis are Ready.")
    took = [f"It took {duration(end.seconds)}."] if end.seconds is not None else []
    rows: list[tuple[str, str]] = []
    if end.kubeconfig:
        rows += [("Use it", f"export KUBECONFIG={shlex.quote(end.kubeconfig)}"), ("", "kubectl get nodes")]
        if not end.kubectl:
            rows += [
                ("kubectl", "is not on this computer; this fetches it, and checks its checksum:"),
                ("", end.command("laptop", "--tags", "kubectl")),
            ]
    rows += [("Addresses" if at == 0 else "", f"{name}: {url}") for at, (name, url) in enumerate(end.addresses.items())]
    shown = [playbook for name, playbook in _PASSWORDS.items() if name in end.addresses]
    rows += [
        ("Passwords" if at == 0 else "", end.command(playbook, "--tags", "passwords"))
        for at, playbook in enumerate(shown)
    ]
    rows.append(("State", end.command("status")))
    if end.tags and not end.kubeconfig:
        rows.append(("The rest", shlex.join([*shlex.split(end.command("site"))[:-1], end.playbook])))
    return [_RULE, " ".join([*said, *took]), "", *(f"  {name:<11}{text}" for name, text in rows), _RULE]
