# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Kubernetes quantities: ``500m`` and ``0.5`` are one number (apimachinery, pkg/api/resource/quantity.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..common.late import late

if TYPE_CHECKING:
    from fractions import Fraction

_FORM = late(r"^([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:([eE][+-]?\d+)|(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E))?$")
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}

# Fields whose children are quantities, in the kinds of Kubernetes itself.
_PARENTS = frozenset(
    [
        "requests",
        "limits",
        "capacity",
        "allocatable",
        "allocatedResources",
        "hard",
        "podFixed",
        "used",
        "default",
        "defaultRequest",
        "max",
        "min",
    ]
)
_FIELDS = frozenset(["sizeLimit", "divisor", "averageValue"])


def parse(value: Any) -> Fraction | None:
    """The number that a quantity stands for, or None when it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    match = _FORM.match(str(value))
    if not match:
        return None
    from fractions import Fraction  # only here: imports are half of an unchanged push

    number = Fraction(match.group(1))
    if match.group(2):
        exponent = int(match.group(2)[1:])
        if abs(exponent) > 30:
            return None
        return number * Fraction(10) ** exponent
    suffix = match.group(3)
    if suffix in _BINARY:
        return number * 1024 ** _BINARY[suffix]
    return number * Fraction(10) ** _DECIMAL.get(suffix or "", 0)


def is_place(path: tuple) -> bool:
    """Whether the field at this path holds a quantity in a kind of Kubernetes itself.

    :param path: the names of the fields from the object's root, list items as ``None``.
    """
    return len(path) > 1 and (path[-2] in _PARENTS or path[-1] in _FIELDS)
