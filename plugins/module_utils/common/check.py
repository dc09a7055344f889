# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The form of a check, the same for preflight, status and audit: a name, the ways in which it may end with a sentence
each, and a function that looks. The manual's tables are made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign_values


@dataclass(frozen=True)
class Outcome:
    """One way in which a check may end.

    :ivar level: how bad it is: preflight's verdict, status' severity, the audit's verdict.
    :ivar sentence: what is said then, with placeholders.
    :ivar remedy: what to do about it, with placeholders; empty where the sentence has it.
    """

    level: str
    sentence: str
    remedy: str = ""


@dataclass(frozen=True)
class Found:
    """What a check found: which of its outcomes ("" when all is well), about whom, and the values for placeholders."""

    outcome: str
    subject: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Said:
    """The same in words, fit for a screen."""

    check: str
    level: str
    subject: str
    sentence: str
    remedy: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Check:
    """One check.

    :ivar looks_for: what has to hold, for the manual.
    :ivar examine: the function that looks, with whatever its kind of check looks at.
    """

    name: str
    looks_for: str
    outcomes: Mapping[str, Outcome]
    examine: Callable[..., Iterator[Found]]

    def said(self, *about: Any) -> Iterator[Said]:
        """Look, and say in words what was found."""
        for found in self.examine(*about):
            outcome = self.outcomes[found.outcome] if found.outcome else Outcome("", "")
            values = foreign_values({"subject": found.subject, **found.values}, lines=False)
            sentence, remedy = outcome.sentence.format(**values), outcome.remedy.format(**values)
            yield Said(self.name, outcome.level, values["subject"], sentence, remedy, values)


def check(name: str, looks_for: str, **outcomes: tuple[str, ...]) -> Callable[[Callable], Check]:
    """Make a check of the function below.

    :param outcomes: name → the fields of an :class:`Outcome`.
    """

    def make(function: Callable[..., Iterator[Found]]) -> Check:
        return Check(name, looks_for, {key: Outcome(*outcome) for key, outcome in outcomes.items()}, function)

    return make
