# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Where things stand in jsonnet text, so that one value can be changed and everything else stays as it is.

This is no evaluator: it knows tokens, brackets and the fields of an object literal, nothing of their meaning.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .errors import KsonnetError

KEYWORDS = frozenset(
    (
        "assert",
        "else",
        "error",
        "false",
        "for",
        "function",
        "if",
        "import",
        "importstr",
        "importbin",
        "in",
        "local",
        "null",
        "tailstrict",
        "then",
        "self",
        "super",
        "true",
    )
)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_OPERATOR = re.compile(r"[!$:~+\-&|^=<>*/%]+")
_OPENING = {"{": "}", "[": "]", "(": ")"}


@dataclass(frozen=True)
class Token:
    """kind is one of word, string, number, operator, comment, or the punctuation character itself."""

    kind: str
    text: str
    start: int
    end: int


def tokenize(text: str, where: str = "jsonnet text") -> list[Token]:
    """All tokens, comments included; KsonnetError names the line of anything that is no jsonnet."""
    return list(_tokens(text, where))


def _tokens(text: str, where: str) -> Iterator[Token]:
    position, size = 0, len(text)
    while position < size:
        char = text[position]
        if char in " \t\r\n":
            position += 1
            continue
        kind, end = _token_at(text, position, where)
        yield Token(kind, text[position:end], position, end)
        position = end


def _token_at(text: str, start: int, where: str) -> tuple[str, int]:
    char = text[start]
    if char == "#" or text.startswith("//", start):
        end = text.find("\n", start)
        return "comment", len(text) if end < 0 else end
    if text.startswith("/*", start):
        end = text.find("*/", start + 2)
        if end < 0:
            raise _unfinished("comment", text, start, where)
        return "comment", end + 2
    if char in "{}[](),;.":
        return char, start + 1
    if char in "\"'":
        return "string", _string_end(text, start, where)
    if char == "@" and text[start + 1 : start + 2] in ("'", '"'):
        return "string", _verbatim_end(text, start, where)
    if text.startswith("|||", start):
        return "string", _block_end(text, start, where)
    for kind, pattern in (("word", _IDENTIFIER), ("number", _NUMBER)):
        match = pattern.match(text, start)
        if match:
            return kind, match.end()
    match = _OPERATOR.match(text, start)
    if match:
        return "operator", _operator_end(text, start, match.end())
    raise KsonnetError(f"{where}, line {line_of(text, start)}: unexpected character {char!r}")


def _operator_end(text: str, start: int, end: int) -> int:
    """An operator ends before a comment or text block, and its tail of + - ~ ! $ belongs to the next expression."""
    for stop in ("//", "/*", "|||"):
        found = text.find(stop, start, end)
        if found > start:
            end = found
    while end > start + 1 and text[end - 1] in "+-~!$":
        end -= 1
    return end


def _string_end(text: str, start: int, where: str) -> int:
    position = start + 1
    while position < len(text):
        if text[position] == "\\":
            position += 2
        elif text[position] == text[start]:
            return position + 1
        else:
            position += 1
    raise _unfinished("string", text, start, where)


def _verbatim_end(text: str, start: int, where: str) -> int:
    quote, position = text[start + 1], start + 2
    while True:
        position = text.find(quote, position)
        if position < 0:
            raise _unfinished("string", text, start, where)
        if text[position + 1 : position + 2] != quote:
            return position + 1
        position += 2


def _block_end(text: str, start: int, where: str) -> int:
    """A text block ends at the first line that is indented less than its first one; that line starts with |||."""
    match = re.compile(r"\|\|\|-?[ \t\r]*\n(?:[ \t\r]*\n)*([ \t]+)").match(text, start)
    if match:
        ends = re.compile(rf"\n(?!{re.escape(match[1])}|[ \t\r]*\n)[ \t]*\|\|\|").search(
            text, match.end() - len(match[1]) - 1
        )
        if ends:
            return ends.end()
    raise _unfinished("text block", text, start, where)


def _unfinished(what: str, text: str, start: int, where: str) -> KsonnetError:
    return KsonnetError(f"{where}, line {line_of(text, start)}: {what} without an end")


def line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


# What may stand before an expression: after these, a plus has no left side.
_BEFORE_EXPRESSION = frozenset("([{,;") | {"then", "else", "in", "if", "error", "assert"}
_MAYBE_UNARY_PLUS = re.compile(
    r"(?:\A|[(\[{,;:=!~^<>&|*/%+-]|\bthen|\belse|\bin|\bif|\berror|\bassert|(?:#|//)[^\n]*\n)\s*\+\s*[^+:\s]|"
    r"\bfunction\s*\("  # behind whose parameters one may stand
)


def without_unary_plus(text: str, where: str = "jsonnet text") -> str:
    """The text with a blank for each plus that has no left side, as in ``step_name: + template.name``.

    ks' own jsonnet (go-jsonnet 0.11) gave back what stood behind it, of any type; later ones want a number.
    """
    if not _MAYBE_UNARY_PLUS.search(text):
        return text
    characters = list(text)
    before = None
    parameters: list[bool] = []  # for each open parenthesis, whether a function's parameters are in it
    for token in tokenize(text, where):
        if token.kind == "comment":
            continue
        if token.kind == "operator" and token.text == "+" and _begins_expression(before):
            characters[token.start] = " "
        if token.text == "(":
            parameters.append(before is not None and before.text == "function")
        before = None if token.text == ")" and parameters and parameters.pop() else token
    return "".join(characters)


def _begins_expression(before: Token | None) -> bool:
    if before is None or before.text in _BEFORE_EXPRESSION:
        return True
    return before.kind == "operator" and not before.text.endswith("$")


@dataclass(frozen=True)
class Field:
    """One ``key: value`` of an object literal. Positions are character offsets in the text."""

    key: str
    operator: str
    start: int
    key_end: int
    value_start: int
    value_end: int
    end: int  # behind the comma, if there is one


@dataclass(frozen=True)
class ObjectLiteral:
    start: int
    end: int  # behind the brace
    fields: tuple[Field, ...]
    last_end: int  # behind the last member of any sort (fields, locals, asserts); start + 1 if there is none
    last_comma: bool

    def field(self, key: str) -> Field | None:
        """The field of this name; the last one where there are several."""
        return next((f for f in reversed(self.fields) if f.key == key), None)


class Document:
    """Jsonnet text with its tokens; finds the object literals that ks keeps parameters in."""

    def __init__(self, text: str, where: str) -> None:
        self.text = text
        self.where = where
        self.tokens = [token for token in tokenize(text, where) if token.kind != "comment"]
        self.partner = self._match_brackets()

    def _match_brackets(self) -> dict[int, int]:
        stack: list[int] = []
        partner: dict[int, int] = {}
        for index, token in enumerate(self.tokens):
            if token.kind in _OPENING:
                stack.append(index)
            elif token.kind in _OPENING.values():
                if not stack or _OPENING[self.tokens[stack[-1]].kind] != token.kind:
                    raise self._error(token.start, f"{token.kind!r} closes nothing")
                opened = stack.pop()
                partner[opened], partner[index] = index, opened
        if stack:
            token = self.tokens[stack[-1]]
            raise self._error(token.start, f"{token.kind!r} is never closed")
        return partner

    def _error(self, position: int, message: str) -> KsonnetError:
        return KsonnetError(f"{self.where}, line {line_of(self.text, position)}: {message}")

    def _skip(self, index: int, stop: frozenset[str], limit: int) -> int:
        """First index from ``index`` on, outside brackets, whose token is one of ``stop``; ``limit`` if none."""
        while index < limit:
            token = self.tokens[index]
            if token.kind in stop:
                return index
            index = self.partner[index] + 1 if token.kind in _OPENING else index + 1
        return limit

    def parameters_object(self) -> ObjectLiteral:
        """The object whose field ``components`` holds parameters.

        It is the right-most object of the file's value or, as ks 0.10 and later write an environment's file, of
        ``local envParams``.
        """
        index, limit = 0, len(self.tokens)
        spans = []
        while index < limit and self.tokens[index].text == "local":
            end = self._skip(index, frozenset(";"), limit)
            if index + 1 < limit and self.tokens[index + 1].text == "envParams":
                spans.insert(0, (index + 1, end))
            index = end + 1
        spans.append((index, limit))
        for first, last in spans:
            found = self.last_object(first, last)
            if found is not None and (found.field("components") or len(spans) == 1):
                return found
        raise self._error(0, "has no object with the field components, so its parameters cannot be changed")

    def last_object(self, first: int, last: int) -> ObjectLiteral | None:
        """The object literal that ends the expression of tokens [first, last), if one does."""
        if first < last and self.tokens[last - 1].kind == "}":
            return self.object_at(self.partner[last - 1])
        return None

    def object_at(self, index: int) -> ObjectLiteral:
        """The object literal whose brace is token ``index``."""
        close = self.partner[index]
        fields = []
        index, start = index + 1, self.tokens[index].start
        last_end, comma = start + 1, False
        while index < close:
            end = self._skip(index, frozenset(","), close)
            field = self._field(index, end, close)
            if field is not None:
                fields.append(field)
            last_end, comma = self.tokens[end - 1].end, end < close
            index = end + 1
        return ObjectLiteral(start, self.tokens[close].end, tuple(fields), last_end, comma)

    def _field(self, first: int, last: int, close: int) -> Field | None:
        """The member of tokens [first, last), if it is a plain field."""
        head = self.tokens[first]
        if head.kind not in ("word", "string") or last - first < 3:
            return None
        operator = self.tokens[first + 1]
        if head.text in ("local", "assert") or operator.kind != "operator" or ":" not in operator.text:
            return None
        value = first + 2
        if operator.text == "+" and self.tokens[value].text.startswith(":"):
            value += 1
        words = self.text[operator.start : self.tokens[value - 1].end].replace(" ", "")
        return Field(
            key=head.text if head.kind == "word" else string_value(head.text),
            operator=words,
            start=head.start,
            key_end=head.end,
            value_start=self.tokens[value].start,
            value_end=self.tokens[last - 1].end,
            end=self.tokens[last].end if last < close else self.tokens[last - 1].end,
        )

    def value_object(self, field: Field) -> ObjectLiteral | None:
        """The object literal at the end of a field's value (``{…}`` or ``x + {…}``), if there is one."""
        for index, token in enumerate(self.tokens):
            if token.kind == "}" and token.end == field.value_end:
                found = self.object_at(self.partner[index])
                return (
                    found
                    if found.start >= field.value_start and not self._is_comprehension(self.partner[index])
                    else None
                )
        return None

    def _is_comprehension(self, index: int) -> bool:
        inner = index + 1
        while inner < self.partner[index]:
            if self.tokens[inner].text == "for":
                return True
            inner = self.partner[inner] + 1 if self.tokens[inner].kind in _OPENING else inner + 1
        return False


_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def string_value(literal: str) -> str:
    """What a jsonnet string literal (not a text block) means."""
    if literal.startswith("@"):
        return literal[2:-1].replace(literal[1] * 2, literal[1])
    text = _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _ESCAPES.get(m[2], m[2]), literal[1:-1])
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def key_text(key: str) -> str:
    """A field name as ks writes it: bare where jsonnet allows it."""
    return key if _IDENTIFIER.fullmatch(key) and key not in KEYWORDS else json.dumps(key, ensure_ascii=False)


def value_text(value: Any, what: str) -> str:
    """A plain value as jsonnet; KsonnetError for one that jsonnet cannot hold exactly. ``what`` names it."""
    _check_value(value, what)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _check_value(value: Any, what: str) -> None:
    if isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(key, str):
                raise KsonnetError(f"{what} has the key {key!r}; keys must be strings, so put it in quotes")
            _check_value(member, what)
    elif isinstance(value, (list, tuple)):
        for member in value:
            _check_value(member, what)
    elif isinstance(value, float) and not math.isfinite(value):
        raise KsonnetError(f"{what} is {value}, which jsonnet has no number for")
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) > 1 << 53:
        raise KsonnetError(f"{what} is {value}, beyond the 2^53 that jsonnet keeps exactly: give it as a string")
    elif value is not None and not isinstance(value, (str, int, float, bool)):
        raise KsonnetError(f"{what} is a {type(value).__name__}, which has no place in jsonnet")
