# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the desk keeps itself: sessions, settings, judgements, conversations. Decisions are kept by the API server."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import re
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kube import now
from record import VERSION

IDLE = 12 * 3600  # seconds after which an unused session ends
TOUCH = 60  # a session's last use is written down at most once in so many seconds
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE sessions (token TEXT PRIMARY KEY, person TEXT NOT NULL, mark TEXT NOT NULL, seen REAL NOT NULL);
CREATE TABLE settings (person TEXT PRIMARY KEY, language TEXT NOT NULL DEFAULT '', keys INTEGER NOT NULL DEFAULT 1);
CREATE TABLE reviews (release TEXT, person TEXT, seed BLOB NOT NULL, note TEXT NOT NULL DEFAULT '', finished TEXT,
  corrected TEXT NOT NULL DEFAULT '[]',
  PRIMARY KEY (release, person));
CREATE TABLE judgements (release TEXT, person TEXT, item TEXT, verdict TEXT NOT NULL, label TEXT,
  answers TEXT NOT NULL DEFAULT '{}', at TEXT NOT NULL, PRIMARY KEY (release, person, item));
CREATE TABLE comments (id INTEGER PRIMARY KEY AUTOINCREMENT, release TEXT NOT NULL, item TEXT NOT NULL,
  author TEXT NOT NULL, text TEXT NOT NULL, at TEXT NOT NULL);
CREATE INDEX comments_of ON comments (release, item);
CREATE TABLE mentions (person TEXT, comment INTEGER REFERENCES comments (id), seen INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (person, comment));
"""
MENTION = re.compile(r"(?<![\w@])@([a-z][a-z0-9-]{0,31})")


@dataclass(frozen=True)
class Judgement:
    """What one person said about one case."""

    item: str
    verdict: str
    label: str | None  # what the case really is, where the person says so
    answers: dict[str, str]  # to the owner's own questions
    at: str


@dataclass(frozen=True)
class Comment:
    """One contribution to a conversation, on a release (item "") or on one of its cases."""

    id: int
    release: str
    item: str
    author: str
    text: str
    at: str


class Store:
    """The file desk.sqlite."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        with self._writing():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise RuntimeError(
                    f"{path} is of a newer desk: it has version {version}, and this desk knows {VERSION}"
                )
            if version == 0:
                for statement in SCHEMA.split(";\n"):
                    self._db.execute(statement)
                self._db.execute("INSERT INTO meta VALUES ('key', ?)", (secrets.token_bytes(32),))
                self._db.execute(f"PRAGMA user_version = {VERSION}")
        self._key = bytes(self._rows("SELECT value FROM meta WHERE key = 'key'")[0][0])

    def close(self) -> None:
        """End; what was written stays."""
        with self._lock:
            self._db.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()

    def _write(self, statement: str, *values: Any) -> None:
        with self._writing():
            self._db.execute(statement, values)

    # Sessions ------------------------------------------------------------------------------------------------------

    @staticmethod
    def _hash(token: str) -> str:
        return hashlib.sha256(token.encode()).hexdigest()

    def start_session(self, person: str, mark: str) -> str:
        """A new session's token.

        :param mark: what the session remembers of the person's password.
        """
        token = secrets.token_urlsafe(32)
        with self._writing():
            self._db.execute("DELETE FROM sessions WHERE seen < ?", (self._clock() - IDLE,))
            self._db.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?)", (self._hash(token), person, mark, self._clock())
            )
        return token

    def session(self, token: str) -> tuple[str, str] | None:
        """Person and mark of a session that goes on; ``None`` if there is none, or it was not used for 12 hours."""
        found = self._rows("SELECT person, mark, seen FROM sessions WHERE token = ?", self._hash(token))
        if not found or found[0][2] < self._clock() - IDLE:
            return None
        if found[0][2] < self._clock() - TOUCH:
            self._write("UPDATE sessions SET seen = ? WHERE token = ?", self._clock(), self._hash(token))
        return found[0][0], found[0][1]

    def end_session(self, token: str) -> None:
        """End it here and now, wherever else its cookie may lie."""
        self._write("DELETE FROM sessions WHERE token = ?", self._hash(token))

    def form_token(self, token: str) -> str:
        """What a form must carry that comes from a page of this session."""
        return hmac.new(self._key, f"form:{token}".encode(), hashlib.sha256).hexdigest()[:40]

    def fits(self, token: str, given: str) -> bool:
        """Whether a form came from a page of this session."""
        return hmac.compare_digest(self.form_token(token).encode(), given.encode())

    # Settings ------------------------------------------------------------------------------------------------------

    def settings(self, person: str) -> tuple[str, bool]:
        """A person's language ("" for their browser's), and whether single keys judge."""
        found = self._rows("SELECT language, keys FROM settings WHERE person = ?", person)
        return (found[0][0], bool(found[0][1])) if found else ("", True)

    def set_settings(self, person: str, language: str, keys: bool) -> None:
        """Keep a person's settings."""
        self._write("INSERT OR REPLACE INTO settings VALUES (?, ?, ?)", person, language, int(keys))

    # Reviews -------------------------------------------------------------------------------------------------------

    def seed(self, release: str, person: str) -> bytes:
        """Where this person's order and sides come from; made at the first look."""
        with self._writing():
            self._db.execute(
                "INSERT OR IGNORE INTO reviews (release, person, seed) VALUES (?, ?, ?)",
                (release, person, secrets.token_bytes(16)),
            )
            return bytes(self._rows("SELECT seed FROM reviews WHERE release = ? AND person = ?", release, person)[0][0])

    def judge(self, release: str, person: str, given: Judgement) -> None:
        """Keep what a person says about a case; the last word counts, until the review is handed in."""
        self._write(
            "INSERT OR REPLACE INTO judgements VALUES (?, ?, ?, ?, ?, ?, ?)",
            release,
            person,
            given.item,
            given.verdict,
            given.label,
            json.dumps(given.answers),
            given.at,
        )

    def judgements(self, release: str, person: str) -> dict[str, Judgement]:
        """Case → what a person said about it."""
        rows = self._rows(
            "SELECT item, verdict, label, answers, at FROM judgements WHERE release = ? AND person = ?", release, person
        )
        return {row[0]: Judgement(row[0], row[1], row[2], json.loads(row[3]), row[4]) for row in rows}

    def finish(self, release: str, person: str, note: str, corrected: Sequence[str]) -> None:
        """A review was handed in.

        :param corrected: cases whose label this person corrected.
        """
        self._write(
            "UPDATE reviews SET note = ?, finished = ?, corrected = ? WHERE release = ? AND person = ?",
            note,
            now(),
            json.dumps(list(corrected)),
            release,
            person,
        )

    def corrected(self, release: str, person: str) -> list[str]:
        """Cases whose label this person had corrected when they last handed their review in."""
        rows = self._rows("SELECT corrected FROM reviews WHERE release = ? AND person = ?", release, person)
        return json.loads(rows[0][0]) if rows else []

    def finished(self, release: str, person: str) -> tuple[str, str] | None:
        """When a review was handed in, and its note; ``None`` before."""
        rows = self._rows("SELECT finished, note FROM reviews WHERE release = ? AND person = ?", release, person)
        return (rows[0][0], rows[0][1]) if rows and rows[0][0] else None

    def finished_judgements(self, release: str) -> list[tuple[str, Judgement]]:
        """(person, judgement) of all reviews that were handed in."""
        rows = self._rows(
            "SELECT j.person, j.item, j.verdict, j.label, j.answers, j.at FROM judgements j JOIN reviews r"
            " ON r.release = j.release AND r.person = j.person"
            " WHERE j.release = ? AND r.finished IS NOT NULL ORDER BY j.person, j.at, j.item",
            release,
        )
        return [(row[0], Judgement(row[1], row[2], row[3], json.loads(row[4]), row[5])) for row in rows]

    # Conversations -------------------------------------------------------------------------------------------------

    def comment(self, release: str, item: str, author: str, text: str, people: set[str]) -> list[str]:
        """Add to a conversation.

        :param people: whom a mention reaches.
        :returns: who was mentioned.
        """
        mentioned = sorted({name for name in MENTION.findall(text) if name in people and name != author})
        with self._writing():
            done = self._db.execute(
                "INSERT INTO comments (release, item, author, text, at) VALUES (?, ?, ?, ?, ?)",
                (release, item, author, text, now()),
            )
            rows = [(name, done.lastrowid) for name in mentioned]
            self._db.executemany("INSERT INTO mentions (person, comment) VALUES (?, ?)", rows)
        return mentioned

    def comments(self, release: str) -> list[Comment]:
        """All conversations of a release, oldest first."""
        rows = self._rows(
            "SELECT id, release, item, author, text, at FROM comments WHERE release = ? ORDER BY id", release
        )
        return [Comment(*row) for row in rows]

    def unseen(self, person: str) -> list[Comment]:
        """Where somebody mentioned this person and they have not looked yet, newest first."""
        rows = self._rows(
            "SELECT c.id, c.release, c.item, c.author, c.text, c.at FROM comments c JOIN mentions m ON m.comment = c.id"
            " WHERE m.person = ? AND NOT m.seen ORDER BY c.id DESC LIMIT 50",
            person,
        )
        return [Comment(*row) for row in rows]

    def saw(self, person: str, release: str) -> None:
        """A person has looked at a release's conversations."""
        if any(comment.release == release for comment in self.unseen(person)):
            self._write(
                "UPDATE mentions SET seen = 1 WHERE person = ?"
                " AND comment IN (SELECT id FROM comments WHERE release = ?)",
                person,
                release,
            )
