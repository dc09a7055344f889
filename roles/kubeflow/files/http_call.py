# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP with one deadline for a whole call, from the connection to the last byte. Standard library alone.

http.client bounds each read: a server that sends a byte now and then holds its caller for ever.
"""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import NamedTuple
from urllib.parse import urlsplit


class NotHttp(OSError):
    """What came is no answer of HTTP."""


@contextlib.contextmanager
def _one_kind_of_error() -> Iterator[None]:
    try:
        yield
    except HTTPException as error:
        raise NotHttp(f"{type(error).__name__}: {error}") from error


class Answer(NamedTuple):
    """A whole answer; its headers are found by any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def left(end: float) -> float:
    """Seconds until a moment of time.monotonic().

    :raises TimeoutError: when it is over.
    """
    seconds = end - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


class InTime(io.RawIOBase):
    """What comes from a socket until a moment.

    :ivar end: the moment, by time.monotonic(); may be moved.
    """

    def __init__(self, sock: socket.socket, end: float) -> None:
        self._socket, self._raw, self.end = sock, sock.makefile("rb", buffering=0), end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int | None:
        self._socket.settimeout(left(self.end))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class Call:
    """A request whose answer has begun.

    :ivar status: HTTP status.
    :ivar headers: found by any case.
    """

    def __init__(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], seconds: float, tls=None):
        """Send the request and wait for the head of its answer; `ask` has the parameters.

        :raises OSError, ValueError: when none comes, or the address is none.
        """
        end = time.monotonic() + seconds
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if secure else 80)
        with _one_kind_of_error():
            self._connection = HTTPConnection(host, port)
            try:
                self._connection.sock = sock = _dial(host, port, end)
                if secure:
                    sock.settimeout(left(end))
                    sock = (tls or ssl.create_default_context()).wrap_socket(sock, server_hostname=host)
                    self._connection.sock = sock
                sock.settimeout(left(end))
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                self._connection.request(method, target, body, dict(headers))
                self._reading = InTime(sock, end)
                self._response = HTTPResponse(sock, method=method)
                self._response.fp.close()
                self._response.fp = io.BufferedReader(self._reading)
                self._response.begin()
            except BaseException:
                self._connection.close()
                raise
        self.status, self.headers = self._response.status, self._response.headers

    def __enter__(self) -> Call:
        return self

    def __exit__(self, *_error: object) -> None:
        self._response.close()
        self._connection.close()

    def body(self) -> bytes:
        """All of the answer."""
        with _one_kind_of_error():
            return self._response.read()

    def lines(self, seconds: float) -> Iterator[bytes]:
        """The answer's lines as they come, for so many seconds from now."""
        self._reading.end = time.monotonic() + seconds
        with _one_kind_of_error():
            yield from self._response


def ask(
    method: str,
    url: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    seconds: float,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """One call. Follows no redirect: what a header says is for its own address alone.

    :param seconds: for all of it; a name that takes long to resolve comes on top.
    :param tls: whom to trust; by default whom this machine trusts.
    :raises OSError, ValueError: when no whole answer comes in time, or the address is none.
    """
    with Call(method, url, body, headers or {}, seconds, tls) as call:
        return Answer(call.status, call.headers, call.body())


def _dial(host: str, port: int, end: float) -> socket.socket:
    trouble = OSError(f"{host or 'an empty name'} has no address")
    for family, kind, protocol, _name, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(left(end))
            sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            trouble = error
    raise trouble
