# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Kubernetes release numbers: reading, comparing, and what this collection sets up."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError

#: The oldest release in the community's package repository, which is the oldest that can be installed.
OLDEST_MINOR = (1, 24)

_RELEASE = re.compile(
    r"(?P<major>[0-9]{1,9})\.(?P<minor>[0-9]{1,9})\.(?P<patch>[0-9]{1,9})(?:-(?P<pre>[0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?"
)


class VersionError(BrambleError, ValueError):
    """A text is no release of Kubernetes."""


@dataclass(frozen=True, order=True)
class Version:
    """One Kubernetes release; ``pre`` is empty for a final one ("alpha.1" and the like otherwise)."""

    major: int
    minor: int
    patch: int
    final: bool = True
    pre: str = ""

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}" + (f"-{self.pre}" if self.pre else "")


def parse_version(text: str) -> Version:
    """Read "1.37.2", "v1.37.2" or "v1.9.7-beta.0+abc".

    :raises VersionError: when the text is something else, in words for a person.
    """
    match = _RELEASE.fullmatch(text.strip().removeprefix("v"))
    if not match:
        raise VersionError(f"{text!r} is not a Kubernetes release; use three numbers with dots, such as 1.37.2")
    pre = match["pre"] or ""
    return Version(int(match["major"]), int(match["minor"]), int(match["patch"]), not pre, pre)
