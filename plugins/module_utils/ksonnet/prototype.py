# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Prototypes: jsonnet templates whose heading comment names their parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import KsonnetError, listed
from .jsonnet_text import Document, string_value, tokenize, value_text

TYPES = ("string", "number", "numberOrString", "object", "array", "int")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Parameter:
    """``default`` is None for a required one."""

    name: str
    type: str
    description: str
    default: str | None = None

    def code(self, value: Any, where: str) -> str:
        """The value as jsonnet text, as ``ks generate`` writes it for this type."""
        if value is None:
            return "null"
        what = f"parameter {self.name!r} of {where}"
        if self.type == "string":
            if isinstance(value, (dict, list)):
                raise KsonnetError(f"{what} must be a string, not {type(value).__name__} ({self.description})")
            return value_text(_as_text(value), what)
        if self.type == "int":
            if isinstance(value, bool) or not re.fullmatch(r"[+-]?[0-9]+", str(value).strip()):
                raise KsonnetError(f"{what} must be a whole number, not {value!r} ({self.description})")
            return value_text(int(str(value)), what)
        if self.type in ("number", "numberOrString"):
            return self._number(value, what)
        return self._structure(value, what)

    def _number(self, value: Any, what: str) -> str:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value_text(value, what)
        if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
            text = value.strip()
            return value_text(int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else float(text), what)
        if self.type == "number" or isinstance(value, (dict, list)):
            raise KsonnetError(f"{what} must be a number, not {value!r} ({self.description})")
        return value_text(_as_text(value), what)

    def _structure(self, value: Any, what: str) -> str:
        """Objects and arrays; as text they are jsonnet, as on ks' command line."""
        if isinstance(value, str):
            try:
                Document(value, what)
            except KsonnetError as exc:
                raise KsonnetError(f"{what} must be an {self.type} or its jsonnet text: {exc}") from exc
            if not value.strip():
                raise KsonnetError(f"{what} must be an {self.type}, not an empty text ({self.description})")
            return value
        if not isinstance(value, dict if self.type == "object" else list):
            raise KsonnetError(f"{what} must be an {self.type}, not {value!r} ({self.description})")
        return value_text(value, what)


def _as_text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class Prototype:
    name: str
    description: str
    body: str
    api_version: str = ""
    short_description: str = ""
    parameters: tuple[Parameter, ...] = ()
    package: str = ""  # registry/package that it comes from

    def codes(self, given: Mapping[str, Any], component: str) -> dict[str, str]:
        """All parameters as jsonnet text; KsonnetError names what is missing, with its description.

        Parameters that the heading does not name are taken as they are: ``ks param set`` knows no heading either, and
        some packages read more than they declare.
        """
        values = dict(given)
        names = {p.name for p in self.parameters}
        if "name" in names:
            values.setdefault("name", component.rsplit(".", 1)[-1])
        missing = [p for p in self.parameters if p.default is None and values.get(p.name, "") == ""]
        if missing:
            wants = "; ".join(f"{p.name} ({p.type}: {p.description})" for p in missing)
            raise KsonnetError(f"prototype {self.name} (component {component!r}) needs the parameter {wants}")
        where = f"prototype {self.name} (component {component!r})"
        codes = {p.name: p.code(values.get(p.name, p.default), where) for p in self.parameters}
        codes.update({n: value_text(v, f"parameter {n!r} of {where}") for n, v in values.items() if n not in names})
        return codes

    def expand(self, component: str) -> str:
        """Text of the component's file: the body with ``import 'param://x'`` turned into ``params.x``."""
        plain = re.fullmatch(r"[A-Za-z_]+", component)
        access = f".{component}" if plain else f"[{json.dumps(component, ensure_ascii=False)}]"
        return (
            'local env = std.extVar("__ksonnet/environments");\n'
            f'local params = std.extVar("__ksonnet/params").components{access};\n'
            + _replace_imports(self.body, f"prototype {self.name}")
        )


def _replace_imports(body: str, where: str) -> str:
    tokens = [token for token in tokenize(body, where) if token.kind != "comment"]
    for token, path in reversed(list(zip(tokens, tokens[1:]))):
        if token.text != "import" or path.kind != "string" or path.text.startswith("|||"):
            continue
        scheme, _sep, name = string_value(path.text).partition("://")
        target = {"param": "params", "env": "env"}.get(scheme)
        if target and name:
            access = f".{name}" if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else f"[{json.dumps(name)}]"
            body = body[: token.start] + target + access + body[path.end :]
    return body


@dataclass
class _Heading:
    name: str = ""
    api_version: str = ""
    description: str = ""
    short_description: str = ""
    parameters: list[Parameter] = field(default_factory=list)


def parse(text: str, where: str, package: str = "") -> Prototype:
    """The prototype that a .jsonnet file holds; ``where`` names it in errors."""
    heading = _Heading()
    comments, body = _split(text)
    tag, words = "", ""
    for line in [*comments, "@"]:
        if line.startswith("@"):
            if tag:
                _field(heading, tag, words.strip(), where)
            tag, _sep, words = line.partition(" ")
        elif tag and (line.startswith((" ", "\t")) or not line):
            words += "\n" + line.strip()
        elif tag:
            words += " " + line.strip()
        elif line.strip():
            raise KsonnetError(
                f"{where}: the heading comment must begin with a tag such as @name, not {line.strip()!r}"
            )
    if not heading.name:
        raise KsonnetError(f"{where} is not a prototype: its heading comment has no @name")
    return Prototype(
        name=heading.name,
        description=heading.description,
        body=body,
        api_version=heading.api_version,
        short_description=heading.short_description,
        parameters=tuple(heading.parameters),
        package=package,
    )


def _split(text: str) -> tuple[list[str], str]:
    """Lines of the heading comment without their slashes, and the text behind it."""
    lines = text.split("\n")
    index = 0
    while index < len(lines) and not lines[index].strip():
        index += 1
    comments = []
    while index < len(lines) and lines[index].strip().startswith("//"):
        comment = lines[index].strip()[2:]
        comments.append(comment[1:] if comment.startswith(" ") else comment)
        index += 1
    if index < len(lines) and not lines[index].strip():
        index += 1
    return comments, "\n".join(lines[index:])


def _field(heading: _Heading, tag: str, words: str, where: str) -> None:
    if tag in ("@apiVersion", "@name", "@description", "@shortDescription"):
        attribute = {"@apiVersion": "api_version", "@shortDescription": "short_description"}.get(tag, tag[1:])
        if not words:
            raise KsonnetError(f"{where}: {tag} has no value")
        if getattr(heading, attribute):
            raise KsonnetError(f"{where}: the heading comment has two {tag} fields")
        setattr(heading, attribute, words)
        return
    if tag not in ("@param", "@optionalParam"):
        raise KsonnetError(f"{where}: {tag} is not a prototype's tag; continuation lines must be indented")
    optional = tag == "@optionalParam"
    parts = words.split(None, 3 if optional else 2)
    form = "<name> <type> <default> <description>" if optional else "<name> <type> <description>"
    if len(parts) < (4 if optional else 3):
        raise KsonnetError(f"{where}: {tag} must be '{tag} {form}', not '{tag} {words}'")
    if parts[1] not in TYPES:
        raise KsonnetError(f"{where}: {tag} {parts[0]} has type {parts[1]}; there are {', '.join(TYPES)}")
    if any(p.name == parts[0] for p in heading.parameters):
        raise KsonnetError(f"{where}: parameter {parts[0]} is there twice")
    heading.parameters.append(
        Parameter(parts[0], parts[1], " ".join(parts[-1].split()), parts[2] if optional else None)
    )


def find(query: str, prototypes: Iterable[Prototype]) -> Prototype:
    """The prototype of this name, or the only one whose name ends so, as ``ks generate`` looks it up."""
    known = list(prototypes)
    exact = [p for p in known if p.name == query]
    matches = exact or [p for p in known if p.name.endswith(query)]
    if len({p.name for p in matches}) == 1:
        return matches[0]
    if matches:
        raise KsonnetError(f"prototype {query!r} could be any of {listed(p.name for p in matches)}: name one in full")
    near = [p.name for p in known if query.lower() in p.name.lower()]
    raise KsonnetError(
        f"no prototype is called {query!r}"
        + (f"; close are: {listed(near)}" if near else f"; installed are: {listed(p.name for p in known)}")
    )
