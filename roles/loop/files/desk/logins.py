# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logins: passwords as scrypt keeps them, and patience for those who guess."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
MEMORY = 64 * 1024 * 1024
LONGEST = 1024  # characters of a password
# Whom a wrong password slows down: how many are free, and the longest wait in seconds. A name alone waits shortly,
# so that nobody can keep another person out by guessing at their name.
LIMITS = {"both": (3, 300.0), "address": (20, 60.0), "name": (10, 20.0)}
REMEMBERED = 10_000

_few = threading.BoundedSemaphore(2)  # each password that is tried takes 16 MiB for a moment


def scrypt(password: str, salt: bytes, n: int = 16384, r: int = 8, p: int = 1) -> bytes:
    """The hash of a password: 32 bytes."""
    with _few:
        return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=MEMORY, dklen=32)


def hashed(password: str) -> str:
    """A password as a login's file keeps it: `scrypt:N:R:P:SALT:HASH`."""
    salt = secrets.token_bytes(16)
    return f"scrypt:16384:8:1:{salt.hex()}:{scrypt(password, salt).hex()}"


_NOBODY = f"scrypt:16384:8:1:{'00' * 16}:{'00' * 32}"


def matches(password: str, kept: str) -> bool:
    """Whether this is the password; ``False``, too, for a line that is no hash."""
    try:
        kind, n, r, p, salt, wanted = kept.strip().split(":")
        if kind != "scrypt" or len(password) > LONGEST:
            return False
        found = scrypt(password, bytes.fromhex(salt), int(n), int(r), int(p))
        return hmac.compare_digest(found, bytes.fromhex(wanted))
    except (ValueError, MemoryError):
        return False


class Logins:
    """The folder with one file for each person who may log in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def kept(self, name: str) -> str | None:
        """A person's hash; ``None`` for a name that has no login."""
        if not NAME.fullmatch(name):
            return None
        try:
            return (self.folder / name).read_text("ascii").strip() or None
        except (OSError, UnicodeDecodeError):
            return None

    def mark(self, name: str) -> str:
        """What a session remembers of the password, so that a new password ends it; "" without a login."""
        kept = self.kept(name)
        return hashlib.sha256(kept.encode()).hexdigest()[:32] if kept else ""

    def check(self, name: str, password: str) -> bool:
        """Whether name and password belong together; takes as long for a name that does not exist."""
        kept = self.kept(name)
        return matches(password, kept or _NOBODY) and kept is not None


class Patience:
    """How long somebody has to wait after wrong passwords: twice as long each time, counted for name and address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failed: OrderedDict[tuple[str, ...], tuple[int, float]] = OrderedDict()  # whose → (how often, until)

    @staticmethod
    def _keys(name: str, address: str) -> dict[str, tuple[str, ...]]:
        return {"both": ("both", name, address), "address": ("address", address), "name": ("name", name)}

    def wait(self, name: str, address: str) -> int:
        """Seconds until the next try is looked at; 0 for now."""
        with self._lock:
            until = max(self._failed.get(key, (0, 0.0))[1] for key in self._keys(name, address).values())
        return max(0, int(until - self._clock() + 0.999))

    def failed(self, name: str, address: str) -> None:
        """Remember a wrong password."""
        now = self._clock()
        with self._lock:
            for kind, key in self._keys(name, address).items():
                free, longest = LIMITS[kind]
                count = self._failed.pop(key, (0, 0.0))[0] + 1
                wait = min(2.0 ** min(count - free, 20), longest) if count > free else 0.0
                self._failed[key] = (count, now + wait)
            while len(self._failed) > REMEMBERED:
                self._failed.popitem(last=False)

    def passed(self, name: str, address: str) -> None:
        """Forget what this person got wrong from this address."""
        with self._lock:
            for kind, key in self._keys(name, address).items():
                if kind != "address":
                    self._failed.pop(key, None)
