# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The form of a check: what it looks for, what it may say, and the function that looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign_values
from ansible_collections.bramble.kube.plugins.module_utils.status.model import Finding, Scene


@dataclass(frozen=True)
class Outcome:
    """One thing that a check may say; cause and remedy with placeholders."""

    severity: str
    cause: str
    remedy: str


@dataclass(frozen=True)
class Told:
    """What a check found: which of its outcomes, about whom, and the values for the placeholders."""

    outcome: str
    subject: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One check: its name, what it looks for (for the manual), how it may end, and the function that looks."""

    name: str
    looks_for: str
    outcomes: Mapping[str, Outcome]
    examine: Callable[[Scene], Iterator[Told]]

    def findings(self, scene: Scene) -> Iterator[Finding]:
        """Look, and say it in words."""
        for told in self.examine(scene):
            outcome = self.outcomes[told.outcome]
            values = foreign_values({"subject": told.subject, **told.values}, lines=False)
            cause, remedy = outcome.cause.format(**values), outcome.remedy.format(**values)
            yield Finding(self.name, outcome.severity, values["subject"], cause, remedy)


def check(name: str, looks_for: str, **outcomes: tuple[str, str, str]) -> Callable[[Callable], Check]:
    """Make a check of the function below."""

    def make(function: Callable[[Scene], Iterator[Told]]) -> Check:
        return Check(name, looks_for, {key: Outcome(*outcome) for key, outcome in outcomes.items()}, function)

    return make
