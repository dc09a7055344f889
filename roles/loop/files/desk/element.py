# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTML and SVG as Python calls; whatever is not an element is escaped, so that no text can become markup."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable
from typing import Any

VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})
ADDRESSES = frozenset({"href", "src", "action", "formaction"})
PICTURE = "data:image/png;base64,"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Markup(str):
    """Text that is HTML already; only this file makes it from other text."""


def escape(text: object) -> Markup:
    """Text as HTML shows it; control characters, which HTML does not know, are left out."""
    return Markup(html.escape(_CONTROL.sub("", str(text)), quote=True))


def join(*children: Any) -> Markup:
    """Elements and texts, one after the other; lists are opened, ``None`` and ``False`` are nothing."""
    return Markup("".join(_parts(children)))


def _parts(children: Iterable[Any]) -> Iterable[str]:
    for child in children:
        if child is None or child is False:
            continue
        if isinstance(child, Markup):
            yield child
        elif isinstance(child, (list, tuple)) or hasattr(child, "__next__"):
            yield from _parts(child)
        else:
            yield escape(child)


def _address(value: str) -> str:
    """An address of the desk itself, or a picture in the page.

    :raises ValueError: for another site's address, or one with a scheme.
    """
    inside = value[:1] in ("/", "#", "?") and value[:2] != "//" and "\\" not in value
    if inside or value.startswith(PICTURE):
        return value
    raise ValueError(f"{value[:80]!r} is not an address inside the desk.")


def _attributes(values: dict[str, Any]) -> str:
    texts = []
    for key, value in values.items():
        name = "class" if key == "cls" else key.rstrip("_").replace("_", "-")
        if not _NAME.fullmatch(name) or name.lower().startswith("on") or name == "style":
            raise ValueError(f"{name!r} is not an attribute that the desk writes.")
        if value is None or value is False:
            continue
        if value is True:
            texts.append(f" {name}")
            continue
        text = _address(str(value)) if name in ADDRESSES else str(value)
        texts.append(f' {name}="{escape(text)}"')
    return "".join(texts)


def element(tag: str, *children: Any, **attributes: Any) -> Markup:
    """One element. `cls` is the class; `_` in an attribute's name stands for `-`; ``True`` is a bare attribute.

    :raises ValueError: for an attribute that runs script, and for an address outside the desk.
    """
    if not _NAME.fullmatch(tag) or (tag == "script" and children):
        raise ValueError(f"{tag!r} is not an element that the desk writes.")
    start = f"<{tag}{_attributes(attributes)}>"
    return Markup(start if tag in VOID else f"{start}{join(*children)}</{tag}>")


class Elements:
    """`h.p("text", cls="note")` for `element("p", "text", cls="note")`."""

    def __getattr__(self, tag: str) -> Callable[..., Markup]:
        return lambda *children, **attributes: element(tag.rstrip("_"), *children, **attributes)


h = Elements()


def said(text: object) -> Markup:
    """What a person or a file says: its direction of writing stays its own."""
    return h.bdi(text, dir="auto")


def paragraphs(text: str) -> list[Markup]:
    """What a person wrote in several lines: a blank line parts paragraphs, a line break stays one."""
    blocks = [block.strip("\n") for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip())]
    return [
        h.p([join(h.br() if number else None, line) for number, line in enumerate(block.split("\n"))], dir="auto")
        for block in blocks
        if block
    ]
