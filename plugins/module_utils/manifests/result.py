# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What a push reports: one action for each object, counts, and sentences for what failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ..common.redact import foreign
from .load import Item
from .masking import scrub

CREATED, UPDATED, UNCHANGED, PRUNED, FAILED = "created", "updated", "unchanged", "pruned", "failed"
ACTIONS = (CREATED, UPDATED, UNCHANGED, PRUNED, FAILED)


@dataclass
class Entry:
    """What happened to one object.

    :ivar action: one of `ACTIONS`.
    :ivar reason: why it failed, or what a reader should know.
    :ivar live: the object as it is now, where it was asked for.
    """

    item: Item
    action: str
    reason: str = ""
    live: dict | None = None
    before: dict | None = None

    def __post_init__(self) -> None:
        if self.reason:
            self.reason = foreign(scrub(self.reason, self.item.object))

    def summary(self) -> dict[str, Any]:
        """The few fields that name the object and tell what happened."""
        fields: dict[str, Any] = {"kind": self.item.kind, "name": self.item.name, "action": self.action}
        if self.item.namespace:
            fields["namespace"] = self.item.namespace
        fields["api_version"] = self.item.api_version
        if self.reason:
            fields["reason"] = self.reason
        return fields


@dataclass
class Report:
    """The result of a whole push."""

    entries: list[Entry] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rewritten: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0
    not_ready: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Action → number of objects."""
        found = Counter(entry.action for entry in self.entries)
        return {action: found.get(action, 0) for action in ACTIONS}

    @property
    def changed(self) -> bool:
        """Whether anything on the cluster was changed, or would be."""
        return any(entry.action in (CREATED, UPDATED, PRUNED) for entry in self.entries)

    @property
    def failures(self) -> list[str]:
        """One sentence for each object that failed."""
        failed = [entry for entry in self.entries if entry.action == FAILED]
        places = [f" at {entry.item.where}" if entry.item.line else "" for entry in failed]
        return [f"{entry.item.label}{place}: {entry.reason}" for entry, place in zip(failed, places)]
