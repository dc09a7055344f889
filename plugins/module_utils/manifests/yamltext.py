# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""YAML as kubectl reads it, with the line on which each document starts.

Built from libyaml's events, about twice as fast as PyYAML's constructors, and closer to what Kubernetes' own tools
read (sigs.k8s.io/yaml): dates and ``22:80`` stay text, ``1.0`` is 1, ``08`` is 8, ``y`` is true, keys are text.
Stricter in two places: a key that is there twice is an error, and so is a key that writers spell in several ways.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import math
import re
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.basic import missing_required_lib

from ..common.errors import Stop
from ..common.late import late
from . import yamllines
from .errors import ManifestError, Slips

try:
    import yaml

    try:
        from yaml.cyaml import CParser as _Parser

        _make_parser = _Parser
    except ImportError:
        _make_parser = yaml.SafeLoader  # type: ignore[assignment,misc]
    HAS_YAML = True
except ImportError:
    HAS_YAML = False


def need_yaml() -> None:
    """Go on only with PyYAML.

    :raises Stop: with what to do without it.
    """
    if not HAS_YAML:
        raise Stop(missing_required_lib("PyYAML"))


MOST_COPIED = 100_000  # values that a file's aliases stand for
_UNPRINTABLE = r"[^\n\t\x20-\x7e\x85\xa0-\uffff]|[ \t]\n"  # compiled at its first use: that takes 4 ms
_TOO_DEEP = "is nested too deep; no manifest needs that."
_TAG = "tag:yaml.org,2002:"
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
for _true, _false in (("true", "false"), ("yes", "no"), ("on", "off"), ("y", "n")):
    for _word, _value in ((_true, True), (_false, False)):
        _WORDS.update({_word: _value, _word.capitalize(): _value, _word.upper(): _value})
for _word in (".inf", ".Inf", ".INF"):
    _WORDS.update({_word: float("inf"), "+" + _word: float("inf"), "-" + _word: float("-inf")})
_WORDS.update(dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")))
_DECIMAL = late(r"[-+]?(?:0|[1-9][0-9]*)$")
_BASED = late(r"([-+]?)0(?:[bB]([01]+)|[oO]?([0-7]+)|[xX]([0-9a-fA-F]+))$")
_FLOAT = late(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
_DOTTED = late(r"\.[0-9](?:_?[0-9])*(?:[eE][-+]?[0-9](?:_?[0-9])*)?$")
# A directive holds for what comes after "---", after "..." a document may begin without it, and the rest ends lines.
_TOGETHER = ("\n%", "\n...", "\r", "\x85", "\u2028", "\u2029")
INT64 = 2**63
# Tags of which the text must be one, and the types that it then has; any other tag leaves the text as it is.
_RESOLVED: dict[str, tuple[type, ...]] = {
    _TAG + "int": (int,),
    _TAG + "float": (float, int),
    _TAG + "bool": (bool,),
    _TAG + "null": (type(None),),
}
# Keys that are fractions: only those that every writer spells alike.
_FRACTION = late(r"[.eE]")
_SHORT = late(r"-?(?:0|[1-9][0-9]{0,4})\.[0-9]{0,2}[1-9]$")


def plain(text: str) -> Any:
    """The value of a plain (unquoted) scalar (go.yaml.in/yaml/v2, resolve.go)."""
    if text in _WORDS:
        return _WORDS[text]
    first = text[0]
    if first not in "0123456789-+.":
        return text
    digits = text.replace("_", "")
    if first == ".":
        return _float(digits, text) if _DOTTED.match(text) else text
    if _DECIMAL.match(digits):
        # Longer ones fit into no integer of Go, and reading them as one takes Python ever longer.
        value = int(digits) if len(digits) < 22 else INT64
        return value if -INT64 <= value < INT64 else _float(digits, text)
    based = _BASED.match(digits)
    if based and len(digits) < 70:
        part, base = next((part, base) for part, base in zip(based.groups()[1:], (2, 8, 16)) if part)
        value = int(based.group(1) + part, base)
        if -INT64 <= value < INT64:
            return value
        if value < 2 * INT64 and not based.group(1):
            return float(value)
    return _float(digits, text) if _FLOAT.match(digits) else text


def _float(digits: str, text: str) -> Any:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        return text
    return int(number) if number.is_integer() and -INT64 <= number < INT64 else number


def documents(text: str, source: str, slips: Slips | None = None) -> Iterator[tuple[int, Any]]:
    """The documents of a YAML text.

    :param slips: gets what is wrong with a document, after which the next one is read; None has it raised.
    :returns: pairs of line (from 1) and content; an empty document's content is None.
    :raises ManifestError: with file and line.
    """
    builder = _Builder(source)
    lines = yamllines.Lines(builder.plain)
    together = text.startswith(("%", "...")) or any(sign in text for sign in _TOGETHER)
    start = before = 0
    while start < len(text):
        end = 0 if together else text.find("\n---\n", start) + 1
        part = text[start:end] if end else text[start:]
        found = yamllines.read(part, lines)
        if found is not None:
            yield before + found[0] + 1, found[1]
        else:
            with contextlib.nullcontext() if slips is None else slips.noted():
                yield from builder.documents(part, before)
        if not end:
            return
        before += part.count("\n")
        start = end


@functools.cache
def _dumper() -> Any:
    """No anchors: each object stands for itself. Text that some reader takes for a number or boolean is quoted."""
    base = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    dumper = type("Dumper", (base,), {"ignore_aliases": lambda self, data: True})
    dumper.add_representer(str, _represent_text)
    return dumper


def _represent_text(dumper: Any, value: str) -> Any:
    style = None
    if "\n" in value:
        style = None if re.search(_UNPRINTABLE, value) else "|"
    elif plain(value) is not value:
        # kubectl would read something else where it stands without quotes.
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def dump(data: Any) -> str:
    """One document, keys sorted, that every reader reads alike."""
    return yaml.dump(data, Dumper=_dumper(), default_flow_style=False, allow_unicode=True, width=1 << 20)


class _Plain(dict):
    """Text of plain scalars → value; most come many times."""

    def __missing__(self, text: str) -> Any:
        value = self[text] = plain(text)
        return value


class _Builder:
    """Turns libyaml's events into values."""

    def __init__(self, source: str) -> None:
        self._next: Any = None
        self._source = source
        self._before = 0
        self._anchors: dict[str, Any] = {}
        self._copied = 0
        self._plain = _Plain()
        self.plain = self._plain.__getitem__

    def documents(self, text: str, before: int) -> Iterator[tuple[int, Any]]:
        """Those of a text below so many lines of its source."""
        try:
            parser = _make_parser(text)
        except UnicodeEncodeError:
            raise ManifestError(f"{self._source} has half of a character (a lone surrogate); use valid text.") from None
        self._next, self._before = parser.get_event, before
        try:
            yield from self._documents()
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
            problem = getattr(error, "problem", None) or str(error).splitlines()[0]
            context = getattr(error, "context", None)
            if "nesting depth" in problem:  # libyaml since 0.2.6, instead of running out of memory
                raise ManifestError(f"{self._source} {_TOO_DEEP}") from None
            raise ManifestError(
                f"{self._source}:{before + (mark.line if mark is not None else 0) + 1} is not valid YAML: "
                f"{problem}{f' ({context})' if context else ''}."
            ) from None
        except RecursionError:
            raise ManifestError(f"{self._source} {_TOO_DEEP}") from None
        finally:
            dispose = getattr(parser, "dispose", None)
            if dispose is not None:
                dispose()

    def _documents(self) -> Iterator[tuple[int, Any]]:
        while True:
            event = self._next()
            if event is None or isinstance(event, yaml.StreamEndEvent):
                return
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors = {}
                event = self._next()
                line = self._line(event)
                yield line, self._value(event)

    def _value(self, event: Any) -> Any:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            if event.tag is not None:
                value = self._tagged(event)
            elif event.implicit[0]:
                value = self._plain[event.value]
                if isinstance(value, float):
                    self._refuse_no_number(value, event)
            else:
                value = event.value
        elif kind is yaml.MappingStartEvent:
            value = self._mapping(event)
        elif kind is yaml.SequenceStartEvent:
            value = []
            step = self._next()
            while not isinstance(step, yaml.SequenceEndEvent):
                value.append(self._value(step))
                step = self._next()
        else:
            if event.anchor not in self._anchors:
                raise ManifestError(f"{self._at(event)} refers to *{event.anchor}, which is not defined before.")
            # A copy: the parts of an object are changed apart from each other later.
            return self._copy(self._anchors[event.anchor], event)
        if event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _copy(self, value: Any, event: Any) -> Any:
        """A value again; not without a bound, since aliases of aliases grow with their power."""
        self._copied += 1
        if self._copied > MOST_COPIED:
            raise ManifestError(
                f"{self._at(event)} expands to more than {MOST_COPIED} values through its aliases (*{event.anchor}), "
                "more than any manifest needs; write the values out."
            )
        if isinstance(value, dict):
            return {key: self._copy(entry, event) for key, entry in value.items()}
        if isinstance(value, list):
            return [self._copy(entry, event) for entry in value]
        return value

    def _mapping(self, start: Any) -> dict:
        value: dict[str, Any] = {}
        written = value  # the keys that stand here themselves, as soon as there are others
        event = self._next()
        while not isinstance(event, yaml.MappingEndEvent):
            # Most keys are plain text, without an anchor; a call for each would be a tenth of the whole reading.
            scalar = isinstance(event, yaml.ScalarEvent)
            simple = scalar and event.implicit[0] and event.tag is None and not event.anchor
            key = self._plain[event.value] if simple else None
            if not isinstance(key, str):
                key = self._value(event)
            if key == "<<" and scalar and (event.implicit[0] or event.tag == _TAG + "merge"):
                # What stands above is overwritten, what stands below overwrites.
                merged = self._merged(self._value(self._next()), start)
                if written is value:
                    written = dict(value)
                value.update(merged)
                event = self._next()
                continue
            if not isinstance(key, str):
                key = self._text_key(key, event)
            if key in written:
                raise ManifestError(f"{self._at(event)} has the key {key} for the second time; keep one.")
            value[key] = self._value(self._next())
            if written is not value:
                written[key] = None
            event = self._next()
        return value

    def _merged(self, source: Any, start: Any) -> dict:
        """What ``<<`` brings: of several mappings, the first that has a key counts."""
        result: dict[str, Any] = {}
        for part in reversed(source) if isinstance(source, list) else [source]:
            if not isinstance(part, dict):
                raise ManifestError(f"{self._at(start)} merges (<<) something that is not a mapping.")
            result.update(part)
        return result

    def _text_key(self, key: Any, event: Any) -> str:
        if isinstance(key, bool):
            return "true" if key else "false"
        if isinstance(key, int) and not _FRACTION.search(event.value):
            return str(key)
        if isinstance(key, float) and _SHORT.match(event.value):
            return repr(key)
        raise ManifestError(f"{self._at(event)} has a key that is not text; put it in quotes.")

    def _tagged(self, event: Any) -> Any:
        text, tag = event.value, event.tag
        if tag in _RESOLVED:
            value = self._plain[text]
            self._refuse_no_number(value, event)
            fraction = tag == _TAG + "int" and _FRACTION.search(text) and not _BASED.match(text)
            if type(value) not in _RESOLVED[tag] or fraction:
                raise ManifestError(
                    f"{self._at(event)} has {text!r} with the tag !!{tag[len(_TAG) :]}, which it is not."
                )
            return value
        if tag == _TAG + "binary":
            try:
                return base64.b64decode("".join(text.splitlines()), validate=True).decode("utf-8")
            except ValueError:
                raise ManifestError(
                    f"{self._at(event)} has a !!binary that is not base64 of UTF-8 text; write it into data or "
                    "binaryData as base64, without the tag."
                ) from None
        return text

    def _refuse_no_number(self, value: Any, event: Any) -> None:
        if isinstance(value, float) and not math.isfinite(value):
            raise ManifestError(f"{self._at(event)} has the number {event.value}, which no Kubernetes object can hold.")

    def _at(self, event: Any) -> str:
        return f"{self._source}:{self._line(event)}"

    def _line(self, event: Any) -> int:
        return self._before + event.start_mark.line + 1
