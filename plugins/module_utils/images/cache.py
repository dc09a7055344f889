# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Answers of registries on disk.

Two tables: contents by digest, which never change and are checked against it when read; and what a tag pointed to
when, which is believed for a limited time. Both are written beside and renamed, so that a cut leaves no half file;
whatever cannot be read counts as not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ..common import atomic_file

_DIGEST = re.compile(r"(sha256|sha384|sha512):([0-9a-f]+)\Z")


@dataclass(frozen=True)
class Pointer:
    """What a reference pointed to.

    :ivar digest: digest of the manifest or index.
    :ivar media_type: its media type.
    :ivar asked_at: seconds since 1970 at which a registry said so.
    :ivar source: address of the registry or mirror that said so.
    """

    digest: str
    media_type: str
    asked_at: float
    source: str


class Cache:
    """A folder with answers of registries.

    :param path: folder, made when first written to, its files readable by their owner alone; None for no cache.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def content(self, digest: str) -> bytes | None:
        """The bytes with this digest, or None."""
        file = self._content_file(digest)
        if file is None:
            return None
        try:
            data = file.read_bytes()
        except OSError:
            return None
        return data if matches(digest, data) else None

    def keep_content(self, digest: str, data: bytes) -> None:
        """Store bytes under their digest; bytes that do not match it are not stored."""
        file = self._content_file(digest)
        if file is not None and matches(digest, data) and not file.exists():
            self._write(file, data)

    def pointer(self, reference: str, endpoints: str) -> Pointer | None:
        """What this reference pointed to when last asked, or None.

        :param reference: full reference with its tag.
        :param endpoints: where it is asked for; another mirror list is another question.
        """
        file = self._pointer_file(reference, endpoints)
        if file is None:
            return None
        try:
            values = json.loads(file.read_bytes())
            if values.pop("reference") != reference:
                return None
            pointer = Pointer(**values)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        # An answer from the future comes from a clock that was wrong.
        return pointer if isinstance(pointer.asked_at, (int, float)) and pointer.asked_at <= time.time() + 60 else None

    def keep_pointer(self, reference: str, endpoints: str, pointer: Pointer) -> None:
        """Remember what this reference points to now."""
        file = self._pointer_file(reference, endpoints)
        if file is not None:
            self._write(file, json.dumps({"reference": reference, **asdict(pointer)}, sort_keys=True).encode())

    def _content_file(self, digest: str) -> Path | None:
        match = _DIGEST.match(digest)
        if self._path is None or not match:
            return None
        return self._path / "contents" / match.group(1) / match.group(2)

    def _pointer_file(self, reference: str, endpoints: str) -> Path | None:
        if self._path is None:
            return None
        return self._path / "references" / (hashlib.sha256(f"{endpoints} {reference}".encode()).hexdigest() + ".json")

    def _write(self, file: Path, data: bytes) -> None:
        """Write beside, rename. A full or read-only disk costs only the cache, not the answer."""
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            atomic_file.replace(str(file), data, durable=False)


def matches(digest: str, data: bytes) -> bool:
    """Whether these bytes have this digest."""
    match = _DIGEST.match(digest)
    return bool(match) and hashlib.new(match.group(1), data).hexdigest() == match.group(2)  # type: ignore[union-attr]


def default_path(environment: Mapping[str, str]) -> Path | None:
    """``$XDG_CACHE_HOME/bramble.kube/images``, or below ``~/.cache``; None if there is no home."""
    base = environment.get("XDG_CACHE_HOME") or (f"{environment['HOME']}/.cache" if environment.get("HOME") else "")
    return Path(base) / "bramble.kube" / "images" if base else None
