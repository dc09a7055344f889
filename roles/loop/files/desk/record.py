# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people said, as a backup takes it from the volume and brings it back: desk.sqlite, and the corrections.

`python record.py copy` prints a copy while the desk goes on: a line with its digest, then a tar archive in base64.
`python record.py bring` reads the same, and lays it ready; the desk puts it in its place when it starts, before it
answers. What it finds there is kept in the folder before-restore. A cut at any moment leaves one or the other, whole.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import re
import shutil
import sqlite3
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

DATABASE, CORRECTIONS = "desk.sqlite", "corrections"
READY, ASIDE = "restored", "before-restore"
VERSION = 1  # PRAGMA user_version of desk.sqlite
MOST = 32 << 20  # bytes; the computer that keeps the backup has all of it in memory
NAMES = re.compile(rf"{re.escape(DATABASE)}|{CORRECTIONS}/[a-z0-9-]{{1,40}}\.jsonl")
HEAD = "bramble-record"
REFUSED = 3  # exit code with a sentence, for which trying again is of no use


class RecordError(Exception):
    """What cannot be copied or brought back; the message goes on after a colon."""


def copy(data: Path) -> bytes:
    """The record as a tar archive.

    Sessions stay out: one that has ended since would begin again.

    :raises RecordError: when there is none, or it is damaged.
    """
    for left in data.glob(".copy-*"):
        shutil.rmtree(left, ignore_errors=True)
    if not (data / DATABASE).exists():
        raise RecordError(f"there is no {DATABASE} on the volume")
    with tempfile.TemporaryDirectory(prefix=".copy-", dir=data) as folder:
        beside = Path(folder) / DATABASE
        try:
            with contextlib.closing(sqlite3.connect(data / DATABASE, timeout=30)) as source:
                source.execute("VACUUM INTO ?", (str(beside),))
            with contextlib.closing(sqlite3.connect(beside, isolation_level=None)) as made:
                made.execute("PRAGMA journal_mode = DELETE")
                made.execute("DELETE FROM sessions")
                made.execute("VACUUM")
        except sqlite3.Error as error:
            raise RecordError(f"{DATABASE} cannot be copied: {error}") from None
        found = {DATABASE: beside.read_bytes()}
    for path in sorted((data / CORRECTIONS).glob("*.jsonl")):
        content = path.read_bytes()
        found[f"{CORRECTIONS}/{path.name}"] = content[: content.rfind(b"\n") + 1]  # a line may be half written
    return packed(found)


def packed(files: dict[str, bytes]) -> bytes:
    """Files as an archive that `unpacked` reads.

    :raises RecordError: when they are too large.
    """
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o600
            archive.addfile(info, io.BytesIO(content))
    if len(target.getvalue()) > MOST:
        raise RecordError(f"the record has {len(target.getvalue()) >> 20} MiB, and a backup takes {MOST >> 20} at most")
    return target.getvalue()


def unpacked(content: bytes) -> dict[str, bytes]:
    """The files of an archive, verified.

    :raises RecordError: with what is wrong.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isreg() and NAMES.fullmatch(member.name) else None
                if file is None or member.name in found:
                    raise RecordError(f"it holds {member.name}, which is not part of a record")
                found[member.name] = file.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise RecordError(f"it is damaged: {error}") from None
    with _opened(found.get(DATABASE, b"")) as database:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        trouble = database.execute("PRAGMA integrity_check").fetchone()[0]
        if version > VERSION:
            raise RecordError(
                f"it is of a newer desk ({DATABASE} has version {version}, and this desk knows {VERSION})"
            )
        if version < 1 or trouble != "ok":
            why = str(trouble).splitlines()[-1][:200] if version else "it has no version"
            raise RecordError(f"its {DATABASE} is damaged: {why}")
    return found


@contextlib.contextmanager
def _opened(content: bytes) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.text_factory = lambda text: text.decode("utf-8", "replace")
        try:
            if not content:
                raise sqlite3.DatabaseError("it is empty")
            database.deserialize(content)
            yield database
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter of a sentence that quotes damage
            raise RecordError(f"its {DATABASE} is damaged: {error}") from None


def bring(data: Path, content: bytes) -> None:
    """Lay a record ready for the next start of the desk.

    :raises RecordError: when it is not whole, or the volume does not take it.
    """
    files = unpacked(content)
    new, ready = data / f".{READY}", data / READY
    try:
        for old in (new, ready, data / ASIDE):
            if old.exists():
                shutil.rmtree(old)
        (new / CORRECTIONS).mkdir(parents=True)
        for name, text in files.items():
            with open(new / name, "xb") as file:
                os.fchmod(file.fileno(), 0o600 if name == DATABASE else 0o644)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for folder in (new / CORRECTIONS, new):
            _sync(folder)
        new.rename(ready)
        _sync(data)
    except OSError as error:
        raise RecordError(f"the desk's volume does not take it: {error.strerror}") from None


def put_in_place(data: Path) -> bool:
    """Put what `bring` laid ready in its place; for the desk, before it opens the database.

    :returns: whether there was something.
    """
    ready, aside = data / READY, data / ASIDE
    if not ready.is_dir():
        return False
    aside.mkdir(exist_ok=True)
    for name, with_it in ((DATABASE, (f"{DATABASE}-wal", f"{DATABASE}-shm")), (CORRECTIONS, ())):
        if not (ready / name).exists():  # a run before this one came so far
            continue
        for old in (*with_it, name):  # a log of the old database must not be read into the new one
            if (data / old).exists():
                (data / old).rename(aside / old)
        (ready / name).rename(data / name)
    _sync(data)
    ready.rmdir()
    return True


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def said(content: bytes) -> str:
    """An archive as text that tells whether it arrived whole."""
    return f"{HEAD} {hashlib.sha256(content).hexdigest()}\n{base64.encodebytes(content).decode()}"


def heard(text: str) -> bytes:
    """What `said` wrote.

    :raises RecordError: when it did not arrive whole.
    """
    head, _end, rest = text.partition("\n")
    try:
        content = base64.b64decode(rest)
    except ValueError:
        content = b""
    if head != f"{HEAD} {hashlib.sha256(content).hexdigest()}":
        raise RecordError("it did not arrive whole")
    return content


def main(words: list[str]) -> int:
    """Copy or bring; a sentence on the error output otherwise."""
    data = Path(os.environ.get("DESK_DATA") or "/data")
    try:
        if words == ["copy"]:
            sys.stdout.write(said(copy(data)))
        elif words == ["bring"]:
            bring(data, heard(sys.stdin.read()))
        else:
            raise RecordError("say copy or bring")
    except RecordError as error:
        print(error, file=sys.stderr)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
