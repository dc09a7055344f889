# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What rendering asks the file system, and what it was answered.

A rendering is a function of its request and of these answers alone: where all of them are still the same, so is the
result, whatever else has changed. A file that is not there is an answer, too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from typing import Any

Answers = dict[str, dict[str, Any]]  # question to path to answer, as plain data


def _names(path: str) -> list[str] | None:
    try:
        return sorted(os.listdir(path))
    except FileNotFoundError:
        return None


def _walk(top: str) -> list[list[Any]]:
    found = []
    for folder, folders, files in os.walk(top):
        folders.sort()  # that os.walk goes on in this order, too
        found.append([folder, list(folders), sorted(files)])
    return found


def _bytes(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def _content(path: str) -> str:
    try:
        return hashlib.sha256(_bytes(path)).hexdigest()
    except OSError as exc:
        return type(exc).__name__


_QUESTIONS: dict[str, Callable[[str], Any]] = {
    "is_file": os.path.isfile,
    "is_folder": os.path.isdir,
    "real": os.path.realpath,
    "names": _names,
    "walk": _walk,
    "content": _content,
}


class Files:
    """Asks, and remembers.

    :ivar answers: all questions so far, with their answers.
    :ivar steady: False once a question was answered in two ways: somebody writes at the same time.
    """

    def __init__(self) -> None:
        self.answers: Answers = {}
        self.steady = True

    def _note(self, question: str, path: str, answer: Any) -> Any:
        if self.answers.setdefault(question, {}).setdefault(path, answer) != answer:
            self.steady = False
        return answer

    def _ask(self, question: str, path: str) -> Any:
        return self._note(question, path, _QUESTIONS[question](path))

    def is_file(self, path: str) -> bool:
        return self._ask("is_file", path)

    def is_folder(self, path: str) -> bool:
        return self._ask("is_folder", path)

    def real(self, path: str) -> str:
        """The path without symbolic links."""
        return self._ask("real", path)

    def names(self, path: str) -> list[str] | None:
        """What lies in a folder, sorted; None when it is not there."""
        return self._ask("names", path)

    def walk(self, top: str) -> list[list[Any]]:
        """As os.walk, sorted."""
        return self._ask("walk", top)

    def text(self, path: str) -> str:
        """A file's text with its own ends of lines.

        :raises OSError: when it cannot be read.
        :raises UnicodeDecodeError: when it is not UTF-8.
        """
        try:
            content = _bytes(path)
        except OSError as exc:
            self._note("content", path, type(exc).__name__)
            raise
        self._note("content", path, hashlib.sha256(content).hexdigest())
        return content.decode("utf-8")


def still(answers: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether every question would be answered now as it was then."""
    try:
        return all(
            _QUESTIONS[question](path) == answer for question, of in answers.items() for path, answer in of.items()
        )
    except OSError:
        return False
