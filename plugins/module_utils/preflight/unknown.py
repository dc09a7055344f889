# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Variables that look like one of ours and are none: a slip of the keyboard would otherwise be ignored in silence."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ansible_collections.bramble.kube.plugins.module_utils.preflight.settings import ROLES_FOLDER, role_options

#: How alike a name must be to be taken for another's slip; two letters changed places in ten characters are.
_ALIKE = 0.85
_WORD = re.compile(r"\b[a-z][a-z0-9]*_[a-z0-9_]+\b")
#: Ansible's own, and what the roles find out.
_FOREIGN = ("ansible_", "inventory_", "group_", "groups", "pi_", "hostvars", "playbook_", "role_")


@cache
def used_names(folder: Path = ROLES_FOLDER) -> frozenset[str]:
    """Every word that stands in a role or playbook: a variable among them is no slip."""
    found: set[str] = set()
    for top in (folder, folder.parent / "playbooks"):
        for path in (*top.rglob("*.yml"), *top.rglob("*.j2")):
            found.update(_WORD.findall(path.read_text(encoding="utf-8", errors="replace")))
    return frozenset(found)


@cache
def meant(name: str) -> str | None:
    """The variable that this one was to be; None when it is one of ours, or like none of them."""
    options = role_options()
    if name in options or name.startswith(_FOREIGN) or name in used_names():
        return None
    # Whole with more words is no slip: vault_base_wifi_password, to which base_wifi_password refers, for example.
    if any(f"_{option}_" in f"_{name}_" for option in options):
        return None
    near = difflib.get_close_matches(name, options, n=1, cutoff=_ALIKE)
    return near[0] if near else None


def slips(names: Iterable[str]) -> dict[str, str]:
    """Of a host's variables those that are slips, each with what was meant."""
    return {name: near for name in names if (near := meant(str(name)))}
