# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names on a command line, refused before anything is measured when they are not known."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable


def known_names(known: Iterable[str]) -> Callable[[str], list[str]]:
    """A type of argparse: names with commas in between, each of them known."""
    right = list(known)

    def read(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in right:
                raise argparse.ArgumentTypeError(f"{name} is not known; known are {', '.join(right)}")
        return names

    return read
