# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people said, copied while the desk goes on, and put back before it opens its database."""

from __future__ import annotations

import contextlib
import io
import random
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
import record
from store import Judgement, Store

from ansible_collections.bramble.kube.plugins.module_utils.backup import record as kept

LINE = b'{"at": "2026-01-01T00:00:00Z", "by": "ben", "case": "digit-7", "label": "3"}\n'


def wrote(data: Path, *texts: str) -> None:
    """A desk at work: a session, a judgement, what was said."""
    store = Store(data / record.DATABASE)
    store.start_session("ben", "mark")
    store.judge("digits-1", "ben", Judgement("digit-7", "same", "3", {}, "2026-01-01T00:00:00Z"))
    for text in texts:
        store.comment("digits-1", "", "ben", text, set())
    store.close()


def said(data: Path) -> list[str]:
    store = Store(data / record.DATABASE)
    try:
        assert store._rows("SELECT count(*) FROM sessions") == [(0,)]
        return [comment.text for comment in store.comments("digits-1")]
    finally:
        store.close()


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    wrote(data, "look at the threes", "I did")
    (data / record.CORRECTIONS).mkdir()
    (data / record.CORRECTIONS / "digits.jsonl").write_bytes(LINE + LINE[:20])
    return data


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def test_there_and_back_onto_an_empty_volume(volume: Path, empty: Path) -> None:
    content = record.copy(volume)
    record.bring(empty, content)
    assert record.put_in_place(empty)
    assert said(empty) == ["look at the threes", "I did"]
    assert (empty / "corrections/digits.jsonl").read_bytes() == LINE, "the half written line stays out"
    assert (empty / record.DATABASE).stat().st_mode & 0o777 == 0o600
    assert {path.name for path in empty.iterdir()} <= {"desk.sqlite", "desk.sqlite-wal", "desk.sqlite-shm"} | {
        "corrections",
        "before-restore",
    }
    assert not record.put_in_place(empty), "once"
    assert {path.name for path in volume.iterdir()} == {"desk.sqlite", "corrections"}, "nothing is left of the copy"


def test_no_session_is_in_the_copy_not_even_deleted(volume: Path) -> None:
    store = Store(volume / record.DATABASE)
    token = store.start_session("ada-with-a-session", "mark")
    store.close()
    assert b"ada-with-a-session" in (volume / record.DATABASE).read_bytes()
    assert b"ada-with-a-session" not in record.copy(volume) and token.encode() not in record.copy(volume)


def test_the_laptop_reads_what_the_desk_says(volume: Path) -> None:
    content = record.copy(volume)
    assert kept.heard(record.said(content)) == content
    assert record.heard(kept.said(content)) == content
    assert list(kept.contents(content)) == ["desk.sqlite", "corrections/digits.jsonl"]
    assert (record.HEAD, record.DATABASE, record.REFUSED) == (kept.HEAD, kept.DATABASE, kept.REFUSED)


def test_what_was_there_is_kept_aside_with_its_log(volume: Path, empty: Path) -> None:
    content = record.copy(volume)
    wrote(empty, "said since")
    (empty / "desk.sqlite-wal").write_bytes(b"an old log")
    (empty / "corrections").mkdir()
    (empty / "corrections/other.jsonl").write_bytes(LINE)
    record.bring(empty, content)
    record.put_in_place(empty)
    assert said(empty) == ["look at the threes", "I did"]
    assert not (empty / "corrections/other.jsonl").exists()
    aside = empty / record.ASIDE
    assert (aside / "corrections/other.jsonl").read_bytes() == LINE
    assert (aside / "desk.sqlite-wal").read_bytes() == b"an old log"
    (aside / "desk.sqlite-wal").unlink()
    store = Store(aside / "desk.sqlite")
    assert [comment.text for comment in store.comments("digits-1")] == ["said since"]
    store.close()


def test_a_cut_at_any_moment_loses_neither(volume: Path, empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rename is the last one once; the next start of the desk goes on from there."""
    content = record.copy(volume)
    rename = Path.rename
    wrote(empty, "said since")
    (empty / "desk.sqlite-wal").touch()
    (empty / "corrections").mkdir()
    cuts = 0
    for last in range(10):
        for old in ("restored", "before-restore"):
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(empty / old)
        record.bring(empty, content)
        left = [last]

        def cut(path: Path, target: Path, left: list[int] = left) -> Path:
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", cut)
        try:
            record.put_in_place(empty)
            whole = True
        except KeyboardInterrupt:
            whole = False
            cuts += 1
        monkeypatch.setattr(Path, "rename", rename)
        assert whole or record.put_in_place(empty)
        assert said(empty) == ["look at the threes", "I did"]
        assert (empty / "corrections/digits.jsonl").read_bytes() == LINE
        store = Store(empty / "before-restore/desk.sqlite")
        assert store.comments("digits-1")
        store.close()
        if whole:
            break
    assert cuts >= 4


def test_a_desk_that_writes_meanwhile_gives_a_whole_copy(volume: Path) -> None:
    """Each comment and its mention are one write; the copy has both or none, and all that was said before it began."""
    store, stop, count = Store(volume / record.DATABASE), threading.Event(), [0]

    def write() -> None:
        while not stop.is_set():
            store.comment("digits-1", "", "ben", f"@ada number {count[0]}", {"ada"})
            count[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _turn in range(5):
            before = count[0]
            files = record.unpacked(record.copy(volume))
            with contextlib.closing(sqlite3.connect(":memory:")) as database:
                database.deserialize(files[record.DATABASE])
                [(comments,)] = database.execute("SELECT count(*) FROM comments WHERE text LIKE '@ada %'")
                [(mentions,)] = database.execute("SELECT count(*) FROM mentions")
            assert comments == mentions >= before
    finally:
        stop.set()
        writer.join()
        store.close()
    assert count[0] > 5


def changed(content: bytes, change) -> bytes:
    """The record with its database changed by some SQL, or another file."""
    files = record.unpacked(content)
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        database.deserialize(files[record.DATABASE])
        files = change(files, database) or {**files, record.DATABASE: database.serialize()}
    return record.packed(files)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _files, database: database.execute("PRAGMA user_version = 2") and None, "it is of a newer desk"),
        (lambda _files, database: database.execute("PRAGMA user_version = 0") and None, "it has no version"),
        (lambda files, _: {**files, record.DATABASE: b""}, "damaged"),
        (lambda files, _: {"corrections/digits.jsonl": LINE}, "damaged"),
        (lambda files, _: {**files, "corrections/../../x.jsonl": b""}, "not part of a record"),
        (lambda files, _: {**files, "/etc/passwd": b""}, "not part of a record"),
    ],
)
def test_what_is_no_record_of_this_desk_is_refused_and_changes_nothing(volume, empty, change, words: str) -> None:
    wrote(empty, "said since")
    before = (empty / record.DATABASE).read_bytes()
    with pytest.raises(record.RecordError, match=words):
        record.bring(empty, changed(record.copy(volume), change))
    assert not record.put_in_place(empty)
    assert (empty / record.DATABASE).read_bytes() == before


def test_damage_by_chance_is_found_or_is_no_damage(volume: Path, empty: Path) -> None:
    """In the Pod and on the laptop; the text that passes between them, and the archive itself."""
    chance = random.Random(7)
    content = record.copy(volume)
    text = record.said(content)
    for _turn in range(300):
        at = chance.randrange(len(text))
        other = chance.choice([text[:at], text[:at] + "A" + text[at + 1 :], text[:at] + text[at + 7 :]])
        for read, error in ((record.heard, record.RecordError), (kept.heard, kept.RecordError)):
            with contextlib.suppress(error):
                assert read(other) == content
        damaged = bytearray(content)
        for _byte in range(chance.randrange(1, 40)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        damaged = damaged[: chance.choice([len(damaged), chance.randrange(len(damaged))])]
        with contextlib.suppress(record.RecordError):
            record.bring(empty, bytes(damaged))
            record.put_in_place(empty)
        with contextlib.suppress(kept.RecordError):
            assert kept.contents(bytes(damaged))["desk.sqlite"]


def test_a_damaged_or_missing_database_is_named(volume: Path, empty: Path) -> None:
    with pytest.raises(record.RecordError, match=r"there is no desk\.sqlite on the volume"):
        record.copy(empty)
    (volume / record.DATABASE).write_bytes(b"x" * 5000)
    with pytest.raises(record.RecordError, match=r"desk\.sqlite cannot be copied"):
        record.copy(volume)
    assert not list(volume.glob(".copy-*"))


def test_one_that_is_too_large_is_named(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MOST", 2000)
    with pytest.raises(record.RecordError, match="and a backup takes 0 at most"):
        record.copy(volume)


def test_a_desk_does_not_open_the_database_of_a_newer_one(volume: Path) -> None:
    with contextlib.closing(sqlite3.connect(volume / record.DATABASE, isolation_level=None)) as database:
        database.execute("PRAGMA user_version = 2")
    with pytest.raises(RuntimeError, match="is of a newer desk: it has version 2, and this desk knows 1"):
        Store(volume / record.DATABASE)


def test_the_program_itself(volume: Path, empty: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("DESK_DATA", str(volume))
    assert record.main(["copy"]) == 0
    text = capsys.readouterr().out
    monkeypatch.setenv("DESK_DATA", str(empty))
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert record.main(["bring"]) == 0 and (empty / record.READY).is_dir()
    monkeypatch.setattr("sys.stdin", io.StringIO(text[:-50]))
    assert record.main(["bring"]) == record.REFUSED
    assert capsys.readouterr().err == "it did not arrive whole\n"
    assert record.main(["copy"]) == record.REFUSED, "there is no database yet"
