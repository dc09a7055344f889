# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A release's cases as the check wrote them, and the corrections that reviewers give back to the next training."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LARGEST = 32 * 1024 * 1024  # bytes of a cases file
KINDS = ("image", "table", "text", "series", "custom")
SHOWN_AS = ("image", "table", "text", "series", "value")
ASKED_AS = ("choice", "text", "number")


class CasesError(ValueError):
    """Cases that cannot be shown; `key` names the sentence."""

    def __init__(self, key: str, detail: str = "") -> None:
        super().__init__(detail or key)
        self.key, self.detail = key, detail


@dataclass(frozen=True)
class Question:
    """A question of the model's owner."""

    id: str
    ask: Any
    kind: str
    choices: Sequence[Any] = ()


@dataclass(frozen=True)
class Cases:
    """What reviewers look at."""

    kind: str
    labels: Sequence[str]
    cases: Sequence[Mapping[str, Any]]
    questions: Sequence[Question]
    template: Mapping[str, Any]

    def by_id(self) -> dict[str, Mapping[str, Any]]:
        """Name → case."""
        return {str(case["id"]): case for case in self.cases}

    def changed(self) -> list[Mapping[str, Any]]:
        """Cases that the two models read differently."""
        return [case for case in self.cases if "old" in case and str(case["old"]) != str(case["new"])]


def _questions(given: Any) -> list[Question]:
    found = []
    for one in given or ():
        kind = one.get("kind", "text")
        if kind not in ASKED_AS or not str(one.get("id", "")).isidentifier() or "ask" not in one:
            raise CasesError("cases.question", str(one)[:200])
        found.append(Question(str(one["id"]), one["ask"], kind, tuple(one.get("choices") or ())))
    return found


def read(content: bytes, digest: str) -> Cases:
    """A cases file.

    :param digest: what the evidence says it is: `sha256:…`.
    :raises CasesError: for another file, and for one that cannot be read.
    """
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
        raise CasesError("cases.digest")
    try:
        data = json.loads(content)
        kind = data["kind"]
        template = data.get("template") or {}
        cases = [case for case in data["cases"] if isinstance(case["show"], dict) and "new" in case and "id" in case]
        if kind not in KINDS or len(cases) != len(data["cases"]) or not isinstance(template, dict):
            raise CasesError("cases.form", f"kind {kind!r}")
        wrong = [part for part in template.get("fields") or () if part.get("as") not in SHOWN_AS or "from" not in part]
        if wrong or (kind == "custom" and not template.get("fields")):
            raise CasesError("cases.template", json.dumps(wrong)[:200])
        questions = _questions([*(data.get("questions") or ()), *(template.get("questions") or ())])
        return Cases(kind, [str(label) for label in data.get("labels") or ()], cases, questions, template)
    except CasesError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CasesError("cases.form", f"{type(error).__name__}: {error}"[:200]) from error


class CasesFolder:
    """The cases of all releases below the data folder; the last few stay in memory."""

    def __init__(self, data: Path, keep: int = 4) -> None:
        self._data, self._keep = data.resolve(), keep
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Cases] = OrderedDict()

    def of(self, named: Mapping[str, Any]) -> Cases:
        """The cases that an evidence names.

        :raises CasesError: when the file is missing, changed, or cannot be read.
        """
        digest = str(named.get("digest") or "")
        with self._lock:
            if digest in self._known:
                self._known.move_to_end(digest)
                return self._known[digest]
        path = (self._data / str(named.get("file") or "")).resolve()
        if not path.is_relative_to(self._data / "releases"):
            raise CasesError("cases.missing")
        try:
            if path.stat().st_size > LARGEST:
                raise CasesError("cases.large")
            content = path.read_bytes()
        except OSError as error:
            raise CasesError("cases.missing") from error
        found = read(content, digest)
        with self._lock:
            self._known[digest] = found
            while len(self._known) > self._keep:
                self._known.popitem(last=False)
        return found


def correct(data: Path, model: str, corrections: Iterable[Mapping[str, str]]) -> int:
    """Append corrections to a model's file, each as one line, all in one write; what stands there already stays once.

    :param corrections: `case, label, by, at` each.
    :returns: how many are new.
    """
    folder = data / "corrections"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(dict(one), ensure_ascii=False, sort_keys=True) for one in corrections]
    handle = os.open(folder / f"{model}.jsonl", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with open(handle, "rb", closefd=False) as file:
            before = file.read()
        known = set(before.decode("utf-8", "replace").splitlines())
        new = [line for line in lines if line not in known]
        if new:
            torn = "\n" if before and not before.endswith(b"\n") else ""  # a power cut in the middle of a line
            os.write(handle, (torn + "".join(f"{line}\n" for line in new)).encode())
            os.fsync(handle)
        return len(new)
    finally:
        os.close(handle)
