# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""One question to a time server (RFC 5905, as a simple client)."""

from __future__ import annotations

import socket
import struct

#: Seconds from 1900, where NTP's time begins, to 1970.
EPOCH = 2208988800
#: A client's question: version 4, mode 3.
_QUESTION = bytes([0x23]) + bytes(47)


def when(answer: bytes) -> float | None:
    """The time in a server's answer, in seconds since 1970; None when it is no answer, or one that knows no time."""
    if len(answer) < 48 or answer[0] & 7 != 4 or not 0 < answer[1] < 16 or answer[0] >> 6 == 3:
        return None
    seconds, parts = struct.unpack("!II", answer[40:48])
    # The number of seconds begins anew in 2036 (RFC 4330, 3).
    return seconds + parts / 2**32 - EPOCH + (0 if seconds & 0x80000000 else 2**32)


def ask(server: str, timeout: float = 2.0, port: int = 123) -> float | None:
    """Ask a time server what time it is.

    :param timeout: seconds to wait for the answer.
    :returns: seconds since 1970; None when there is no answer.
    """
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(server, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as asking:
            asking.settimeout(timeout)
            asking.connect(address)
            asking.send(_QUESTION)
            return when(asking.recv(512))
    except OSError:
        return None
