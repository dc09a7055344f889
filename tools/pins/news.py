# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What GitHub says of the catalogue's sources: newer releases, repositories that have moved or are read-only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.http import TransportError, fetch

API = "https://api.github.com"
MOST = 20 * 2**20
_NUMBERS = re.compile(r"v?(\d+(?:\.\d+)+)")


@dataclass(frozen=True)
class Repository:
    """One repository.

    :ivar name: how it is called now.
    :ivar archived: whether nobody may change it any more.
    :ivar releases: tags of its stable releases.
    """

    name: str
    archived: bool
    releases: tuple[str, ...]


def ask(repository: str, api: str = API) -> Repository:
    """Ask GitHub, by the code that downloads the releases; the address of one that has moved sends on to the new one.

    :raises TransportError: when there is no answer, or one that is none of GitHub's.
    """
    try:
        told = json.loads(fetch(f"{api}/repos/{repository}", MOST))
        name = str(told["full_name"])
        listed = json.loads(fetch(f"{api}/repos/{name}/releases?per_page=100", MOST))
        stable = tuple(str(one["tag_name"]) for one in listed if not one["draft"] and not one["prerelease"])
        return Repository(name, bool(told["archived"]), stable)
    except (ValueError, KeyError, TypeError):
        raise TransportError(f"{api} answers something else than GitHub") from None


def numbers(tag: str) -> tuple[int, ...]:
    """(0, 12, 0) of v0.12.0; () of a tag that is no plain version."""
    found = _NUMBERS.fullmatch(tag)
    return tuple(map(int, found.group(1).split("."))) if found else ()


def newer(tag: str, releases: Iterable[str]) -> list[str]:
    """The newest release of a tag's own minor version, and the newest of all, as far as they are newer."""
    own = numbers(tag)
    later = sorted((one for one in releases if own and numbers(one) > own), key=numbers)
    same = [one for one in later if numbers(one)[:2] == own[:2]]
    return list(dict.fromkeys([*same[-1:], *later[-1:]]))


def report(entries: Iterable[Mapping[str, Any]], api: str = API) -> list[str]:
    """The change to the catalogue, line by line, and how to see what it means; nothing where all is as it was."""
    known: dict[str, Repository | str] = {}
    lines: list[str] = []
    for entry in entries:
        repository, tag = entry["source"].get("repository"), entry["source"].get("tag", "")
        if not repository:
            continue
        if repository not in known:
            try:
                known[repository] = ask(repository, api)
            except TransportError as error:
                known[repository] = str(error)
        lines += _change(entry["name"], repository, tag, known[repository])
    return lines


def _change(component: str, repository: str, tag: str, found: Repository | str) -> list[str]:
    if isinstance(found, str):
        return [f"{component}: {repository} cannot be asked: {found}"]
    lines = []
    if found.archived:
        lines.append(f"{component}: {found.name} is archived, so nothing newer will come")
    if found.name != repository:
        lines += [
            f"{component}: its repository has another name",
            f"-      repository: {repository}",
            f"+      repository: {found.name}",
        ]
    for one in newer(tag, found.releases):
        lines += [
            f"{component}: a newer release; tools/catalogue --try {component} {one}",
            f"-      tag: {tag}",
            f"+      tag: {one}",
        ]
    return lines
