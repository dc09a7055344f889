# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Change single parameters in params.libsonnet and globals.libsonnet; comments and all the rest stay as they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .errors import KsonnetError
from .jsonnet_text import Document, Field, ObjectLiteral, key_text, value_text

#: Text of a new module's params.libsonnet: the shape that ks writes and reads.
MODULE_PARAMS = """{
  global: {
    // Parameters of all components, e.g.
    // replicas: 4,
  },
  components: {
    // Parameters of each component, under its name
  },
}
"""

#: Text of a new environment's params.libsonnet up to ks 0.9 …
ENVIRONMENT_PARAMS_09 = """local params = import "../../components/params.libsonnet";
params + {
  components +: {
    // Parameters of this environment over those of the components, e.g.
    // guestbook +: {
    //   replicas: params.global.replicas,
    // },
  },
}
"""

#: … and since ks 0.10, with globals.libsonnet beside it.
ENVIRONMENT_PARAMS = """local params = std.extVar("__ksonnet/params");
local globals = import "globals.libsonnet";
local envParams = params + {
  components +: {
    // Parameters of this environment over those of the components, e.g.
    // guestbook +: {
    //   replicas: 4,
    // },
  },
};

{
  components: {
    [x]: envParams.components[x] + globals
    for x in std.objectFields(envParams.components)
  },
}
"""

GLOBALS = "{\n}\n"

#: evaluates the text of one value, or raises; so that 'a' and "a", or 1 and 1.0, count as equal
Evaluate = Callable[[str], Any]


class Editor:
    """Edits one file's text. Each method returns whether it changed something."""

    def __init__(self, text: str, where: str, evaluate: Evaluate) -> None:
        self.text = text
        self.where = where
        self.evaluate = evaluate

    def set(self, component: str, values: Mapping[str, Any], override: bool = False) -> bool:
        """Set parameters of a component; ``override`` writes the component as ``name +:`` (an environment's file)."""
        changes = [self._set_one((component,), override, key, value) for key, value in values.items()]
        return any(changes)

    def set_raw(self, component: str, codes: Mapping[str, str]) -> bool:
        """Add a component with parameters given as jsonnet text, sorted as ks does. It must not be there."""
        components = self._find(("components",))
        indent = self._member_indent(components[0], components[1])
        inner = indent + "  "
        lines = [f"{inner}{key_text(key)}: {code},\n" for key, code in sorted(codes.items())]
        body = "{\n" + "".join(lines) + indent + "}" if lines else "{\n" + indent + "}"
        self._insert(components[1], f"{key_text(component)}: {body}", indent)
        return True

    def has(self, component: str) -> bool:
        return self._find(("components",))[1].field(component) is not None

    def unset(self, component: str, names: Iterable[str]) -> bool:
        """Remove parameters of a component."""
        changes = [self._remove(("components", component), name) for name in names]
        return any(changes)

    def set_global(self, values: Mapping[str, Any], path: tuple[str, ...] = ("global",)) -> bool:
        """Set what all components share: field ``global`` of a module, or the object itself (globals.libsonnet)."""
        changes = [self._set_in(path, key, value, create="global" in path) for key, value in values.items()]
        return any(changes)

    def remove_component(self, component: str) -> bool:
        """Remove a component's parameters; comments stay."""
        return self._remove(("components",), component)

    def _set_one(self, path: tuple[str, ...], override: bool, key: str, value: Any) -> bool:
        document, components = self._find(("components",))
        if components.field(path[0]) is None:
            indent = self._member_indent(document, components)
            operator = " +:" if override else ":"
            self._insert(components, f"{key_text(path[0])}{operator} {{\n{indent}}}", indent)
        return self._set_in(("components", *path), key, value)

    def _set_in(self, path: tuple[str, ...], key: str, value: Any, create: bool = False) -> bool:
        code = value_text(value, f"parameter {key!r} ({self.where})")
        document, target = self._find(path, create)
        field = target.field(key)
        if field is None:
            self._insert(target, f"{key_text(key)}: {code}", self._member_indent(document, target))
            return True
        current = document.text[field.value_start : field.value_end]
        if field.operator == ":" and (current == code or self._equal(current, value)):
            return False
        self._splice(field.key_end, field.value_end, f": {code}")
        return True

    def _equal(self, code: str, value: Any) -> bool:
        try:
            found = self.evaluate(code)
        except KsonnetError:
            return False
        return found == value and _shape(found) == _shape(value)

    def _find(self, path: tuple[str, ...], create: bool = False) -> tuple[Document, ObjectLiteral]:
        """The object literal at a path of fields; what is no literal gets one added to its end."""
        document = Document(self.text, self.where)
        target = document.parameters_object() if path else self._whole(document)
        for name in path:
            field = target.field(name)
            if field is None:
                if not create:
                    raise KsonnetError(f"{self.where} has no field {name!r} to change parameters in")
                self._insert(target, f"{name}: {{\n  }}", self._member_indent(document, target))
                return self._find(path)
            inner = document.value_object(field)
            if inner is None:
                self._splice(field.value_end, field.value_end, " + {\n" + self._indent_of(field) + "}")
                return self._find(path)
            target = inner
        return document, target

    def _whole(self, document: Document) -> ObjectLiteral:
        found = document.last_object(0, len(document.tokens))
        if found is None:
            raise KsonnetError(f"{self.where} is not an object, so its parameters cannot be changed")
        return found

    def _remove(self, path: tuple[str, ...], name: str) -> bool:
        document = Document(self.text, self.where)
        target = document.parameters_object()
        for step in path:
            field = target.field(step)
            inner = document.value_object(field) if field else None
            if inner is None:
                return False
            target = inner
        field = target.field(name)
        if field is None:
            return False
        line_start = self.text.rfind("\n", 0, field.start) + 1
        line_end = self.text.find("\n", field.end)
        alone = not self.text[line_start : field.start].strip() and not self.text[field.end : line_end].strip()
        if alone and line_end >= 0:
            self._splice(line_start, line_end + 1, "")
        else:
            self._splice(field.start, field.end, "")
        return True

    def _insert(self, target: ObjectLiteral, member: str, indent: str) -> None:
        """Add a member behind the last one, or behind the comments of an object without any."""
        close = target.end - 1
        head = self.text[:close].rstrip(" \t")
        tail = self.text[close:]
        closing_indent = self.text[len(head) : close] if head.endswith("\n") else indent[:-2]
        if not head.endswith("\n"):
            head += "\n"
        if target.last_end > target.start + 1 and not target.last_comma:
            head = head[: target.last_end] + "," + head[target.last_end :]
        self.text = f"{head}{indent}{member},\n{closing_indent}{tail}"

    def _splice(self, start: int, end: int, text: str) -> None:
        self.text = self.text[:start] + text + self.text[end:]

    def _indent_of(self, field: Field) -> str:
        start = self.text.rfind("\n", 0, field.start) + 1
        return re.match(r"[ \t]*", self.text[start:])[0]  # type: ignore[index]

    def _member_indent(self, document: Document, target: ObjectLiteral) -> str:
        """The indent of the object's members: that of its first field, else two more than its own line's."""
        if target.fields:
            start = self.text.rfind("\n", 0, target.fields[0].start) + 1
            if start > target.start:
                return self._indent_of(target.fields[0])
        start = self.text.rfind("\n", 0, target.start) + 1
        return re.match(r"[ \t]*", self.text[start:])[0] + "  "  # type: ignore[index]


def _shape(value: Any) -> Any:
    """Tells true from 1, which Python holds equal."""
    if isinstance(value, dict):
        return {key: _shape(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shape(member) for member in value]
    return "bool" if isinstance(value, bool) else "other"
