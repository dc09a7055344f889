# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Reads the fields of a mapping that a person wrote, and notes every mistake with the field's name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from ..fit.quantity import InvalidQuantity, amount

Made = TypeVar("Made")


class Fields:
    """One mapping of an entry; mistakes of its own and of all mappings below it end up in one list.

    :param place: what a message begins with, such as ``catalogue entry katib: ready``.
    :param problems: where mistakes are noted, one sentence each.
    """

    def __init__(self, place: str, value: Mapping[str, Any], problems: list[str]) -> None:
        self.place = place
        self.problems = problems
        self._asked: set[str] = set()
        self._value = value

    def note(self, field: str, problem: str) -> None:
        """Note that something is wrong with a field."""
        self.problems.append(f"{self._path(field)} {problem}.")

    def _path(self, field: str) -> str:
        joint = "." if ": " in self.place else ": "
        return f"{self.place}{joint}{field}" if field else self.place

    def _take(self, field: str) -> object:
        self._asked.add(field)
        return self._value.get(field)

    def has(self, field: str) -> bool:
        """Whether the field is there and says something."""
        return bool(self._value.get(field))

    def text(self, field: str, required: bool = False, pattern: str = "", right: str = "") -> str:
        """A text; a number (a version such as 1.8) counts as one that lacks its quotes.

        :param pattern: regular expression that the whole text must match.
        :param right: what would be right, for the message.
        """
        value = self._take(field)
        if value is None or value == "":
            if required:
                self.note(field, "is missing")
            return ""
        if not isinstance(value, str):
            self.note(field, f"is {_shown(value)}; it must be a text" + (", in quotes" if _number(value) else ""))
            return ""
        value = str(value)
        if pattern and not re.fullmatch(pattern, value):
            self.note(field, f"is '{value}'; it must be {right}")
        return value

    def choice(self, field: str, choices: Iterable[str], default: str = "") -> str:
        """One of a few texts; required when there is no default."""
        value = self.text(field, required=not default) or default
        if value and value not in choices:
            self.note(field, f"is '{value}'; it must be one of {', '.join(choices)}")
        return value

    def texts(self, field: str, pattern: str = "", right: str = "") -> tuple[str, ...]:
        """A list of texts."""
        value = self._take(field)
        if value is None:
            return ()
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) and item for item in value):
            self.note(field, f"is {_shown(value)}; it must be a list of texts")
            return ()
        for item in value:
            if pattern and not re.fullmatch(pattern, item):
                self.note(field, f"has '{item}'; each must be {right}")
        return tuple(str(item) for item in value)

    def number(self, field: str, default: int, least: int = 0) -> int:
        """A whole number."""
        value = self._take(field)
        if value is None:
            return default
        if not _number(value) or isinstance(value, float) or value < least:
            self.note(field, f"is {_shown(value)}; it must be a whole number, {least} or more")
            return default
        return int(value)

    def truth(self, field: str, default: bool = False) -> bool:
        """True or false."""
        value = self._take(field)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.note(field, f"is {_shown(value)}; it must be true or false")
            return default
        return value

    def quantity(self, field: str, resource: str) -> int:
        """A Kubernetes quantity (``500m``, ``128Mi``), as the fit counts it; 0 when it is absent."""
        value = self._take(field)
        if value is None or value == "":
            return 0
        try:
            return amount(resource, value)
        except InvalidQuantity as error:
            self.note(field, f"is {_shown(value)}: {error}")
            return 0

    def quantities(self, field: str, resources: Iterable[str]) -> dict[str, str]:
        """Kubernetes quantities by resource, as they were written."""

        def read(inner: Fields) -> dict[str, str]:
            for resource in resources:
                inner.quantity(resource, resource)
            return {str(key): str(value) for key, value in inner._value.items()}

        return self.below(field, read) or {}

    def mapping(self, field: str) -> dict[str, Any]:
        """A mapping whose contents are somebody else's."""
        value = self._take(field)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.note(field, f"is {_shown(value)}; it must be a mapping")
            return {}
        return _plain(value)

    def below(self, field: str, make: Callable[[Fields], Made], required: bool = False) -> Made | None:
        """A mapping with fields of its own."""
        value = self._take(field)
        if value is None:
            if required:
                self.note(field, "is missing")
            return None
        return self._made(field, value, make)

    def each(self, field: str, make: Callable[[Fields], Made]) -> tuple[Made, ...]:
        """A list of mappings with fields of their own."""
        value = self._take(field)
        if value is None:
            return ()
        if not isinstance(value, (list, tuple)):
            self.note(field, f"is {_shown(value)}; it must be a list")
            return ()
        made = (self._made(f"{field}[{number}]", item, make) for number, item in enumerate(value))
        return tuple(item for item in made if item is not None)

    def _made(self, field: str, value: object, make: Callable[[Fields], Made]) -> Made | None:
        if not isinstance(value, Mapping):
            self.note(field, f"is {_shown(value)}; it must be a mapping")
            return None
        inner = Fields(self._path(field), value, self.problems)
        made = make(inner)
        inner.done()
        return made

    def done(self) -> None:
        """Note fields that nobody asked for: a slip of the pen would otherwise go unnoticed."""
        for field in self._value:
            if field not in self._asked:
                near = difflib.get_close_matches(str(field), sorted(self._asked), n=1)
                hint = f"did you mean {near[0]}" if near else f"there are {', '.join(sorted(self._asked))}"
                self.note(str(field), f"is not a field here; {hint}")


def _plain(value: Any) -> Any:
    """Python's own containers in place of those that Ansible's templates have."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, str) else value


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: object) -> str:
    text = repr(value) if not isinstance(value, str) else f"'{value}'"
    return text if len(text) <= 60 else text[:57] + "..."
