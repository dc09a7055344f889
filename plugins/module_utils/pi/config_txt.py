# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Settings in the firmware's config.txt. Pure functions on text.

What is read follows Raspberry Pi's documentation, config.txt, "Conditional filters" and "Boot options".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_SECTION = re.compile(r"^\s*\[([^\]]+)\]\s*$")
#: The device tree's name of a model, and the filters that hold for it; the first that fits. Older ones have no 64 bits.
_MODELS = (
    ("Compute Module 5", ("pi5", "cm5")),
    ("Pi 500", ("pi5", "pi500")),
    ("Pi 5", ("pi5",)),
    ("Compute Module 4S", ("pi4", "cm4s")),
    ("Compute Module 4", ("pi4", "cm4")),
    ("Pi 400", ("pi4", "pi400")),
    ("Pi 4", ("pi4",)),
    ("Compute Module 3 Plus", ("pi3", "cm3", "cm3+")),
    ("Compute Module 3", ("pi3", "cm3")),
    ("Pi 3 Model B Plus", ("pi3", "pi3+")),
    ("Pi 3 Model A Plus", ("pi3", "pi3+")),
    ("Pi 3", ("pi3",)),
    ("Zero 2", ("pi0", "pi0w", "pi02")),
    ("Pi 2", ("pi2",)),
)
_MOST_INCLUDES = 8


@dataclass(frozen=True)
class Board:
    """What conditions in config.txt ask for: the device tree's name, and what /proc/cpuinfo says."""

    model: str = ""
    cpuinfo: str = ""

    def holds(self, condition: str) -> tuple[str, bool]:
        """A condition's kind, and whether it holds; what depends on screens, pins or a trial boot does not."""
        if re.fullmatch(r"(pi|cm)\d\w*\+?", condition):
            filters = next((filters for name, filters in _MODELS if name in self.model), ())
            return "model", condition in filters
        if condition.startswith("board-type="):
            revision = re.search(r"^Revision\s*:\s*([0-9a-f]+)", self.cpuinfo, re.MULTILINE)
            kind = int(revision.group(1), 16) >> 4 & 0xFF if revision else None
            return "model", _number(condition.partition("=")[2]) == kind
        if re.fullmatch(r"0x[0-9A-Fa-f]+", condition):
            serial = re.search(r"^Serial\s*:\s*([0-9a-f]+)", self.cpuinfo, re.MULTILINE)
            return "serial", bool(serial) and int(serial.group(1)[-8:], 16) == _number(condition)
        return condition.partition("=")[0], False


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        return -1


def values(text: str, board: Board, read: Callable[[str], str], depth: int = 0) -> dict[str, str]:
    """What holds on a board: key to value, the last one counts.

    :param read: gives the text of a file that is included.
    """
    found: dict[str, str] = {}
    filters: dict[str, bool] = {}
    for line in map(str.strip, text.splitlines()):
        section = _SECTION.match(line)
        if section and section.group(1) == "all":
            filters = {}
        elif section:
            kind, holds = board.holds(section.group(1))
            filters[kind] = holds
        elif all(filters.values()) and line.startswith("include ") and depth < _MOST_INCLUDES:
            found.update(values(read(line.partition(" ")[2].strip()), board, read, depth + 1))
        elif all(filters.values()) and "=" in line and not line.startswith("#"):
            key, _equals, value = line.partition("=")
            found[key] = value
    return found


def cmdline_name(settings: Mapping[str, str], exists: Callable[[str], bool]) -> str:
    """The file on the boot partition that the kernel's parameters are read from.

    A prefix counts only if the kernel is there with it, too.
    """
    name = settings.get("cmdline", "cmdline.txt")
    prefix = settings.get("os_prefix") or ("upstream/" if settings.get("upstream_kernel") == "1" else "")
    if name.startswith("/"):
        return name.lstrip("/")
    kernels = [settings["kernel"]] if "kernel" in settings else ["kernel8.img", "kernel_2712.img", "vmlinuz"]
    return prefix + name if any(exists(prefix + kernel) for kernel in kernels) else name


def with_settings(text: str, settings: Mapping[str, str]) -> str:
    """Set keys for every model, leaving everything else as it is.

    Lines above any section, and those in [all], hold for every Pi; a key is replaced where it last stands there, or
    added at the end.
    """
    for key, value in settings.items():
        text = _with_setting(text, key, f"{key}={value}")
    return text


def _with_setting(text: str, key: str, wanted: str) -> str:
    lines = text.splitlines()
    section, places = "all", []
    for number, line in enumerate(lines):
        match = _SECTION.match(line)
        if match:
            section = match.group(1).strip().lower()
        elif section == "all" and line.partition("=")[0].strip() == key and "=" in line:
            places.append(number)
    if places:
        if lines[places[-1]].strip() == wanted:
            return text
        lines[places[-1]] = wanted
    else:
        if section != "all":
            lines += ["", "[all]"]
        lines.append(wanted)
    return "\n".join(lines) + "\n"
