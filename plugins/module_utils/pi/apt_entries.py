# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Entries of apt's package sources (sources.list(5)), and which of them name a repository a second time."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System

FOLDER = "/etc/apt/sources.list.d"
MARK = "# Written by bramble.kube; changes here are overwritten.\n"
_LINE = re.compile(r"^\s*deb(?:-src)?\s+(?:\[[^\]]*\]\s*)?(?P<url>\S+)\s+(?P<suite>\S+)")


@dataclass(frozen=True)
class Source:
    """One repository of ours.

    :ivar name: what its files are called.
    :ivar url: its address.
    :ivar suite: as "trixie"; a path that ends with a slash in a repository without suites.
    :ivar components: none in such a repository.
    """

    name: str
    url: str
    suite: str
    components: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Where apt reads of it."""
        return f"{FOLDER}/{self.name}.sources"

    @property
    def key_path(self) -> str:
        """Where its key is."""
        return f"/etc/apt/keyrings/{self.name}.asc"

    def text(self, key_path: str) -> str:
        """The file for apt."""
        components = f"Components: {' '.join(self.components)}\n" if self.components else ""
        return f"{MARK}Types: deb\nURIs: {self.url}\nSuites: {self.suite}\n{components}Signed-By: {key_path}\n"


def switched_off(text: str) -> str:
    """A .sources file of one entry as apt passes over it."""
    return re.sub(r"(?m)^Types:", "Enabled: no\nTypes:", text, count=1)


def is_on(text: str) -> bool:
    """Whether apt reads a .sources file of one entry."""
    return bool(text) and not re.search(r"(?mi)^Enabled:\s*(no|false|without|off|disable)\b", text)


def _fields(paragraph: str) -> dict[str, str]:
    """The fields of a paragraph (deb822(5)), comments left out, names in lower case."""
    lines = [line for line in paragraph.splitlines() if not line.startswith("#")]
    found = re.finditer(r"(?m)^(?P<name>[^\s:]+):(?P<value>.*(?:\n[ \t].*)*)", "\n".join(lines))
    return {match["name"].lower(): match["value"].strip() for match in found}


def _without_line(text: str, source: Source, same: tuple[str, str]) -> str:
    lines = []
    for line in text.splitlines(keepends=True):
        entry = _LINE.match(line)
        if entry and (entry["url"].rstrip("/"), entry["suite"]) == same:
            line = f"# switched off by bramble.kube, which has it in {source.path}: {line}"
        lines.append(line)
    return "".join(lines)


def _without_paragraph(path: str, text: str, source: Source, same: tuple[str, str]) -> str:
    parts = re.split(r"(\n[ \t]*\n)", text)
    for number, part in enumerate(parts):
        fields = _fields(part)
        urls, suites = [url.rstrip("/") for url in fields.get("uris", "").split()], fields.get("suites", "").split()
        if not is_on(part) or same[0] not in urls or same[1] not in suites:
            continue
        if len(urls) > 1 or len(suites) > 1:
            raise Stop(
                f"{path} names {source.url} together with others, and apt accepts no repository from two files. "
                "Remove it there, then run this again."
            )
        kept = re.sub(r"(?mi)^Enabled:.*\n", "", part)
        parts[number] = f"# Switched off by bramble.kube, which has it in {source.path}.\n{switched_off(kept)}"
    return "".join(parts)


def rivals(system: System, source: Source) -> dict[str, str]:
    """The other files that name this repository, each as it is with that switched off.

    apt refuses to work at all when two entries name one repository and different keys.

    :raises Stop: when an entry names others, too, and cannot be switched off for this one alone.
    """
    same = (source.url.rstrip("/"), source.suite)
    paths = ["/etc/apt/sources.list", *(f"{FOLDER}/{name}" for name in system.names(FOLDER))]
    changed = {}
    for path in paths:
        text = system.read(path)
        if path == source.path or not text:
            continue
        if path.endswith(".list"):
            after = _without_line(text, source, same)
        elif path.endswith(".sources"):
            after = _without_paragraph(path, text, source, same)
        else:
            continue
        if after != text:
            changed[path] = after
    return changed
