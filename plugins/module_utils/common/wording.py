# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Small helpers for sentences that people read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def listing(words: Iterable[Any], conjunction: str = "and") -> str:
    """Write "a", "a and b" or "a, b and c"."""
    texts = [str(word) for word in words]
    if len(texts) < 2:
        return "".join(texts)
    return f"{', '.join(texts[:-1])} {conjunction} {texts[-1]}"


def counted(number: int, thing: str) -> str:
    """Write "1 Pi" or "3 Pis"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def hosts_named(hosts: Iterable[str]) -> str:
    """Write "host a" or "hosts a and b"."""
    names = list(hosts)
    return f"{'host' if len(names) == 1 else 'hosts'} {listing(names)}"


def shown(value: Any) -> str:
    """Write a value as it stands in an inventory, cut when it is long."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def short_reason(trouble: str) -> str:
    """Why a host could not be reached or read, out of all that SSH and Ansible said."""
    for words in (
        "No route to host",
        "Connection refused",
        "timed out",
        "Could not resolve hostname",
        "Network is unreachable",
    ):
        if words.lower() in trouble.lower():
            return words.lower()
    lines = [line.strip() for line in trouble.replace("\\r", "").splitlines() if line.strip()]
    return lines[-1][:120] if lines else "no answer"
