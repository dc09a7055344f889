# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Kubernetes' quantities (``250m``, ``1.5Gi``, ``1e3``) as whole numbers.

The form is that of apimachinery's pkg/api/resource/quantity.go; like there, a part of the smallest unit counts as a
whole one.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError

_FORM = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?[0-9]{1,2}))?\Z")
_SUFFIXES = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3")}
_SUFFIXES.update({letter: Decimal(1000) ** (position + 1) for position, letter in enumerate("kMGTPE")})
_SUFFIXES.update({f"{letter}i": Decimal(1024) ** (position + 1) for position, letter in enumerate("KMGTPE")})


class InvalidQuantity(BrambleError, ValueError):
    """A text is no quantity; the message is one sentence that says what would be right."""


def parse(value: object) -> Decimal:
    """The number that a quantity means.

    :param value: a text, or the number that YAML makes of an unquoted one.
    :raises InvalidQuantity: one sentence.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise InvalidQuantity(f"{value!r} is not a quantity; write one like 250m, 512Mi or 2")
    text = str(value)
    match = _FORM.match(text)
    if not match:
        raise InvalidQuantity(f"{text!r} is not a quantity; write one like 250m, 512Mi or 2")
    number, suffix, exponent = match.groups()
    factor = _SUFFIXES[suffix] if suffix else Decimal(10) ** int(exponent or 0)
    return Decimal(number) * factor


def amount(resource: str, value: object) -> int:
    """A quantity in the unit of sums: thousandths of a core for ``cpu``, else ones (bytes, pods, GPUs)."""
    number = parse(value) * (1000 if resource == "cpu" else 1)
    return int(number.to_integral_value(rounding=ROUND_CEILING))


def show(resource: str, number: int) -> str:
    """An amount for people: ``250m`` cores, ``1.5 GiB``."""
    if resource == "cpu":
        return f"{number / 1000:g}" if number % 100 == 0 else f"{number}m"
    if resource in ("memory", "ephemeral-storage") or resource.startswith("hugepages-"):
        for size, unit in ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB")):
            if abs(number) >= size:
                return f"{number / size:.3g} {unit}" if abs(number) < 1000 * size else f"{number / size:.0f} {unit}"
    return str(number)
