# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The errors that every step of a push raises: one sentence for a person, no traceback."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ..common.errors import BrambleError
from ..common.redact import foreign, foreign_values

MOST_TOLD = 50  # sentences in one message


class ManifestError(BrambleError):
    """Bad input: what is wrong, where, and what would be right. Raised before anything is changed."""


class ClusterError(BrambleError):
    """The API server cannot be used: its address, its certificate or the credentials are wrong."""


class Unreachable(ClusterError):
    """Nothing answers at the API server's address, or no cluster is configured yet."""


class ApiError(BrambleError):
    """An answer of the API server that is not a success.

    :ivar status: HTTP status code.
    :ivar body: the ``Status`` object as the server sent it, or a dict with ``message``.
    :ivar retry_after: seconds that the server asked to wait for, or None.
    """

    def __init__(self, status: int, body: dict, retry_after: float | None = None) -> None:
        self.status = status
        self.body = body
        self.retry_after = retry_after
        super().__init__(self.message)

    @property
    def reason(self) -> str:
        """The machine-readable reason, such as ``NotFound``."""
        return str(self.body.get("reason") or "")

    @property
    def message(self) -> str:
        """The server's own sentence."""
        return foreign(self.body.get("message") or "", self.longest).strip() or f"HTTP status {self.status}"

    @property
    def causes(self) -> list[dict]:
        """The single findings, such as one for each field in conflict."""
        details = self.body.get("details")
        causes = details.get("causes") if isinstance(details, dict) else None
        found = [cause for cause in causes if isinstance(cause, dict)] if isinstance(causes, list) else []
        return [foreign_values({key: str(value) for key, value in cause.items() if value}) for cause in found]


class Slips:
    """Collects what is wrong in a set, so that one run shows all of it.

    :ivar unread: whether something could not be read that may be a namespace or a CRD which others need.
    """

    def __init__(self) -> None:
        self._sentences: list[str] = []
        self._wrong: set[int] = set()
        self.unread = False

    def __len__(self) -> int:
        return len(self._sentences)

    def add(self, sentence: str, item: Any = None) -> None:
        """Note what is wrong; with the object that it is wrong with."""
        if sentence not in self._sentences:
            self._sentences.append(sentence)
        self._wrong.add(id(item))

    def good(self, items: list) -> list:
        """The objects with which nothing is wrong, as far as is known."""
        return [item for item in items if id(item) not in self._wrong] if self._sentences else items

    def noted(self) -> Slips:
        """For a block that reads something, whose ManifestError is told later, together with the others."""
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: Any, error: BaseException | None, _traceback: Any) -> bool:
        if isinstance(error, ManifestError):
            self.add(str(error))
            self.unread = True
            return True
        return False

    def tell(self) -> None:
        """Raise what was noted, if anything was."""
        if self._sentences:
            more = len(self._sentences) - MOST_TOLD
            told = " ".join(self._sentences[:MOST_TOLD])
            error = ManifestError(told + (f" And {more} more." if more > 0 else ""))
            error.longest = len(told) + 20  # each sentence is bounded already
            raise error


@contextlib.contextmanager
def collected(slips: Slips | None) -> Iterator[Slips]:
    """The caller's own slips, which it tells later; without any, new ones that are told at the end."""
    own = Slips() if slips is None else slips
    yield own
    if slips is None:
        own.tell()


def unevaluated(error: Exception) -> str:
    """Why a JMESPath expression cannot be evaluated, without the value, which may be a Secret's."""
    wanted = getattr(error, "expected_types", None)
    if wanted:
        function, found = getattr(error, "function_name", ""), getattr(error, "actual_type", "")
        return f"{function}() takes {' or '.join(wanted)}, not {found}"
    return str(error).splitlines()[0].rstrip(".")
