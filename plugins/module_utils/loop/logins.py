# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Passwords of people for the desk: made up once, kept for their owner to be read, and as hashes for the desk."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import string
from collections.abc import Iterable, Mapping
from typing import Any

#: Made up for one person; 20 of these characters are 119 bits.
_LENGTH, _CHARACTERS = 20, string.ascii_letters + string.digits
#: scrypt's cost (N, r, p): 16 MiB and some fifty milliseconds on a Pi 4.
_COST, _BLOCK, _PARALLEL = 16384, 8, 1


def password() -> str:
    """A new password."""
    return "".join(secrets.choice(_CHARACTERS) for _character in range(_LENGTH))


def hashed(text: str, salt: bytes = b"") -> str:
    """A password as the desk has it: ``scrypt:N:r:p:salt:hash``, the last two in hexadecimal (RFC 7914)."""
    salt = salt or secrets.token_bytes(16)
    digest = hashlib.scrypt(text.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, dklen=32)
    return f"scrypt:{_COST}:{_BLOCK}:{_PARALLEL}:{salt.hex()}:{digest.hex()}"


def is_hash_of(text: str, kept: str) -> bool:
    """Whether a hash of ours was made of this password."""
    try:
        return hmac.compare_digest(hashed(text, bytes.fromhex(kept.split(":")[4])), kept)
    except (IndexError, ValueError):
        return False


def wanted(names: Iterable[str], passwords: Mapping[str, Any], hashes: Mapping[str, Any]) -> tuple[dict, dict]:
    """What both Secrets should hold: what they have stays as long as it fits together, what is missing is made up.

    :param passwords: data of the Secret with the passwords themselves, base64 as the API server has it.
    :param hashes: data of the Secret for the desk.
    :returns: the data of both.
    """
    new_passwords, new_hashes = {}, {}
    for name in names:
        text = _text(passwords.get(name)) or password()
        kept = _text(hashes.get(name))
        new_passwords[name] = _encoded(text)
        new_hashes[name] = _encoded(kept if kept and is_hash_of(text, kept) else hashed(text))
    return new_passwords, new_hashes


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _text(encoded: Any) -> str:
    try:
        return base64.b64decode(encoded or "", validate=True).decode()
    except (TypeError, ValueError):
        return ""
