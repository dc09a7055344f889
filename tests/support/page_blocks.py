# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fenced blocks of the pages, and the commands in them."""

from __future__ import annotations

import re
import shlex
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_DOCUMENT = re.compile(r"<<'(\w+)'[^\n]*\n(.*?)^\1$\n?", re.MULTILINE | re.DOTALL)
#: What stands between two commands of one line.
_BETWEEN = {"&&", "||", "|", ";", "&", "(", ")", ");"}


@dataclass(frozen=True)
class Block:
    """A fenced block.

    :ivar before: the page's text before it.
    """

    page: str
    line: int
    language: str
    text: str
    before: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Document:
    """What a command gets by way of ``<<'END'``."""

    command: str
    text: str


@dataclass(frozen=True)
class Command:
    """What a page lets its reader type, and the lines that it shows as its output."""

    text: str
    shown: list[str]


@cache
def blocks(*languages: str) -> list[Block]:
    """All blocks, or those in some languages."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            before = text[: match.start()]
            block = Block(
                str(page.relative_to(ROOT)),
                before.count("\n") + 1,
                match[2],
                textwrap.dedent(match[3]),
                before,
            )
            if not languages or block.language in languages:
                found.append(block)
    return found


def shell_fault(text: str) -> str:
    """What bash says about a text that it does not run; empty for a good one."""
    return subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False).stderr


def session(text: str) -> list[Command]:
    """What a terminal shows: a command after each ``$``, until bash has all of it, and its output."""
    found: list[Command] = []
    lines = text.splitlines()
    while lines:
        line = lines.pop(0)
        if line.startswith("$ "):
            command = line[2:] + "\n"
            while lines and (
                command.endswith("\\\n") or "unexpected EOF" in (said := shell_fault(command)) or "here-doc" in said
            ):
                command += lines.pop(0) + "\n"
            found.append(Command(command.removesuffix("\n"), []))
        elif found:
            found[-1].shown.append(line)
    return found


def typed(block: Block) -> list[str]:
    """What somebody types in a block."""
    return [command.text + "\n" for command in session(block.text)]


def documents(block: Block) -> list[Document]:
    """What the block's commands are given as documents in place."""
    return [
        Document(command[: match.start()], match[2])
        for command in typed(block)
        for match in _DOCUMENT.finditer(command)
    ]


def commands(block: Block) -> list[list[str]]:
    """The words of each simple command, without redirections and documents."""
    return [words for command in typed(block) for words in _simple(_DOCUMENT.sub("\n", command))]


def _simple(command: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(command.replace("\\\n", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word in _BETWEEN:
            if words:
                yield _without_redirections(words)
            words = []
        else:
            words.append(word)


def _without_redirections(words: list[str]) -> list[str]:
    kept, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        if set(word) <= set("<>"):
            if rest:
                rest.pop(0)
        else:
            kept.append(word)
    return kept
