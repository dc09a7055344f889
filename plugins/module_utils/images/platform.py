# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Platforms of images and nodes: ``linux/arm64``, ``linux/arm/v7``, and which of them runs which.

Names and order of preference are those of containerd (github.com/containerd/platforms, ``normalizeArch`` and
``platformVector``), so that a verdict here is what a pull on the node would find.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError

# What kernels, Debian and people call an architecture, and Go's name for it with its variant.
_ALIASES = {
    "i386": ("386", ""),
    "i686": ("386", ""),
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv8l": ("arm", "v7"),  # a 32-bit userland on a 64-bit core
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
}
_OS_ALIASES = {"macos": "darwin"}
_OPERATING_SYSTEMS = {"linux", "windows", "darwin", "freebsd"}
_WORD = re.compile(r"[a-z0-9_.-]+\Z")


class InvalidPlatform(BrambleError, ValueError):
    """A text is no platform; the message is one sentence that says what would be right."""


@dataclass(frozen=True, order=True)
class Platform:
    """Operating system, architecture (Go's names) and variant (``v7``; empty where the architecture's default)."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


def normalize(os: str, architecture: str, variant: str = "") -> Platform:
    """Bring the three words to one spelling: arm64/v8 is arm64, arm is arm/v7, aarch64 is arm64."""
    os = os.lower()
    architecture, variant = architecture.lower(), variant.lower()
    if architecture in _ALIASES:
        architecture, found = _ALIASES[architecture]
        variant = found or variant
    if variant and variant[0].isdigit():
        variant = f"v{variant}"
    if architecture == "amd64" and variant == "v1":
        variant = ""
    elif architecture == "arm64":
        if variant in ("v8", "v8.0"):
            variant = ""
        elif variant == "v9.0":
            variant = "v9"
    elif architecture == "arm" and not variant:
        variant = "v7"
    elif architecture == "386":
        variant = ""
    return Platform(_OS_ALIASES.get(os, os), architecture, variant)


def parse(text: str) -> Platform:
    """Read ``linux/arm64``, ``arm64``, ``linux/arm/v7`` or a kernel's word like ``aarch64``.

    :raises InvalidPlatform: one sentence on what is wrong and what would be right.
    """
    if not isinstance(text, str) or not text:
        raise InvalidPlatform(f"platform {text!r} is not a text like linux/arm64")
    parts = text.split("/")
    if len(parts) > 3 or not all(_WORD.match(part.lower()) for part in parts):
        raise InvalidPlatform(f"platform {text!r} is not of the form linux/arm64 or linux/arm/v7")
    if parts[0].lower() not in _OPERATING_SYSTEMS and parts[0].lower() not in _OS_ALIASES:
        if len(parts) == 3:
            raise InvalidPlatform(f"platform {text!r} does not begin with an operating system; write linux/arm64")
        parts = ["linux", *parts]
    if len(parts) == 1:
        raise InvalidPlatform(f"platform {text!r} names no architecture; write {text}/arm64 or {text}/amd64")
    return normalize(*parts)


def from_descriptor(platform: Mapping[str, object] | None) -> Platform | None:
    """The platform of an index's entry or an image's configuration, or None where it says none.

    Entries marked ``unknown/unknown`` are build attestations, not images.
    """
    if not platform:
        return None
    os, architecture = platform.get("os"), platform.get("architecture")
    if not os or not architecture or "unknown" in (os, architecture):
        return None
    return normalize(str(os), str(architecture), str(platform.get("variant") or ""))


def _versions_below(variant: str, lowest: int) -> list[str]:
    match = re.match(r"v(\d+)\Z", variant)
    if not match:
        return []
    return [f"v{number}" for number in range(int(match.group(1)) - 1, lowest - 1, -1)]


def runnable(node: Platform) -> list[Platform]:
    """Which image platforms containerd takes on this node, the best first.

    A 64-bit ARM node also takes 32-bit ARM images, which is right for Pis with their usual kernel.
    """
    os, architecture, variant = node.os, node.architecture, node.variant
    found = [node]
    if architecture == "amd64":
        found += [Platform(os, "amd64", "" if lower == "v1" else lower) for lower in _versions_below(variant, 1)]
        found.append(Platform(os, "386"))
    elif architecture == "arm":
        found += [Platform(os, "arm", lower) for lower in _versions_below(variant, 5)]
    elif architecture == "arm64":
        found = [Platform(os, "arm64", lower) for lower in _arm64_variants(variant)]
        found += [Platform(os, "arm", lower) for lower in ("v8", "v7", "v6", "v5")]
    return found


def _arm64_variants(variant: str) -> list[str]:
    """ARMv9.x includes v8.(x+5), each includes what is below: containerd's arm64variantToVersion."""
    match = re.match(r"v(8|9)(?:\.(\d+))?\Z", variant or "v8")
    if not match:
        return [variant]
    major, minor = int(match.group(1)), int(match.group(2) or 0)
    names: list[str] = []
    if major == 9:
        names += [f"v9.{number}" if number else "v9" for number in range(minor, -1, -1)]
        minor = min(minor + 5, 9)
    return names + [f"v8.{number}" if number else "" for number in range(minor, -1, -1)]


def best_match(node: Platform, offered: Iterable[Platform]) -> Platform | None:
    """Which of the offered platforms this node would take, or None."""
    available = set(offered)
    for candidate in runnable(node):
        if candidate in available:
            return candidate
    return None


def of_node(node: Mapping[str, object]) -> Platform:
    """The platform of a Kubernetes Node object, from ``status.nodeInfo``.

    :raises InvalidPlatform: the object has no ``status.nodeInfo.architecture``.
    """
    status = node.get("status")
    info = status.get("nodeInfo") if isinstance(status, Mapping) else None
    if not isinstance(info, Mapping) or not info.get("architecture"):
        metadata = node.get("metadata")
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        raise InvalidPlatform(
            f"node {name or '?'} has no status.nodeInfo.architecture; pass Node objects as the API has them"
        )
    return normalize(str(info.get("operatingSystem") or "linux"), str(info["architecture"]))
