# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Public keys as OpenPGP writes them (RFC 4880, RFC 9580), with what every Python has: no gpg is needed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError

_ARMOUR = re.compile(
    rb"\s*-----BEGIN PGP PUBLIC KEY BLOCK-----[ \t]*\r?\n(?:[A-Za-z]+: [^\r\n]*\r?\n)*\s*"
    rb"(?P<data>[A-Za-z0-9+/=\r\n]+?)(?:\r?\n=[A-Za-z0-9+/]{4})?\s*-----END PGP PUBLIC KEY BLOCK-----\s*"
)
_PUBLIC_KEY, _SECRET_KEY, _SECRET_SUBKEY = 6, 5, 7


class KeyFileError(BrambleError):
    """A file is no public key; the message says why, as the end of a sentence."""


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and body of each packet (RFC 9580, 4.2)."""
    at = 0
    while at < len(data):
        head = data[at]
        if not head & 0x80:
            raise KeyFileError("it is damaged")
        at += 1
        size = 1
        if head & 0x40:
            tag, first = head & 0x3F, data[at] if at < len(data) else 255
            if first < 192:
                length = first
            elif first < 224:
                size, length = 2, ((first - 192) << 8) + int.from_bytes(data[at + 1 : at + 2], "big") + 192
            elif first == 255:
                size, length = 5, int.from_bytes(data[at + 1 : at + 5], "big")
            else:
                raise KeyFileError("it is damaged")
        else:
            tag, size = (head >> 2) & 0x0F, 1 << (head & 3)
            if size == 8:
                raise KeyFileError("it is damaged")
            length = int.from_bytes(data[at : at + size], "big")
        at += size
        if at + length > len(data):
            raise KeyFileError("it is cut")
        yield tag, data[at : at + length]
        at += length


def fingerprints(armoured: bytes) -> list[str]:
    """The fingerprints of the keys in a file with armour, in upper case; those of subkeys are not among them.

    What signs is a key or a subkey of it, and apt's programs take no subkey that its key has not signed: so the keys
    alone say who is trusted.

    :raises KeyFileError: when it is anything but one block of public keys.
    """
    block = _ARMOUR.fullmatch(armoured) if armoured.isascii() else None
    if not block:
        raise KeyFileError("it is not an ASCII-armoured public key (-----BEGIN PGP PUBLIC KEY BLOCK-----)")
    try:
        data = base64.b64decode(re.sub(rb"\s", b"", block["data"]), validate=True)
    except binascii.Error:
        raise KeyFileError("it is damaged") from None
    found = []
    for tag, body in _packets(data):
        if tag in (_SECRET_KEY, _SECRET_SUBKEY):
            raise KeyFileError("it holds a secret key")
        if tag != _PUBLIC_KEY:
            continue
        version = body[0] if body else 0
        if version == 4:
            # SHA-1 is what the fingerprint of this version is made of, and no signature.
            found.append(hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper())
        elif version == 6:
            found.append(hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body).hexdigest().upper())
        else:
            raise KeyFileError(f"it is a key of version {version}, which apt no longer accepts")
    if not found:
        raise KeyFileError("there is no public key in it")
    return found


def plain(fingerprint: str) -> str:
    """A fingerprint as people write it, in upper case and without blanks."""
    return re.sub(r"[\s:]", "", fingerprint).upper()
