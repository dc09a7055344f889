# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""HTTP/1.1 over one kept-open connection (RFC 9112), with one deadline for each request, whatever trickles in.

http.client does the same in more processor time, most of it in reading an answer's headers as those of a mail; with
hundreds of small answers, that makes a push take about twice as much (docs/push.md).
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .errors import BrambleError

RECEIVE = 65536  # bytes asked for at a time
MOST_HEAD = 65536  # bytes of headers, so that a stranger's endless answer does not fill the memory
MOST_BODY = 512 * 1024 * 1024  # bytes of an answer where the caller knows no bound
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f]")
_STATUS = re.compile(r"[1-9][0-9]{2}")
_LENGTHS = {10: re.compile(r"\s*[0-9]{1,15}\s*", re.ASCII), 16: re.compile(r"\s*[0-9a-fA-F]{1,15}\s*", re.ASCII)}


class Ended(BrambleError, ConnectionError):
    """The other side closed the connection before a whole answer had come."""


class Garbled(BrambleError, OSError):
    """The other side does not speak HTTP/1.1."""


class TooLarge(BrambleError, OSError):
    """The other side sends more than it may."""


class Answer(NamedTuple):
    """A whole answer.

    :ivar headers: by lower-case name.
    :ivar last: whether the connection ends with it.
    """

    status: int
    headers: dict[str, str]
    content: bytes
    last: bool


def head(method: str, target: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """The head of a request, without the empty line at its end.

    :raises ValueError: when a value would not stay in its line.
    """
    return first_line(method, target) + field_lines(fields)


def first_line(method: str, target: str) -> bytes:
    """The line with which a request begins; ValueError as above."""
    if " " in target:
        raise ValueError(f"The path {target} has a space in it.")
    return _line_of(f"{method} {target} HTTP/1.1")


def field_lines(fields: Iterable[tuple[str, str]]) -> bytes:
    """The lines that follow the first; ValueError as above."""
    return b"".join(b"\r\n" + _line_of(f"{name}: {value}") for name, value in fields)


def _line_of(text: str) -> bytes:
    if _FORBIDDEN.search(text):
        raise ValueError(f"{text.split(':', 1)[0]} has a control character in its value.")
    return text.encode("utf-8")


class Connection:
    """A socket, plain or with TLS, and what was received from it and not yet used."""

    def __init__(self, host: str, port: int, timeout: float, silence: float | None = None) -> None:
        """Dial.

        :param timeout: seconds for all that follows, up to the next :meth:`begin`.
        :param silence: seconds without a sign of life from the other side; None for as long as `timeout`.
        :raises OSError, ValueError: when nobody answers, or the name is none.
        """
        self._silence = silence
        self.begin(timeout)
        self._socket: socket.socket | ssl.SSLSocket = self._dial(host, port)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def begin(self, timeout: float) -> None:
        """Give a new request its time: seconds until the last byte of its answer."""
        self._deadline = time.monotonic() + timeout

    def _patience(self) -> float:
        """Seconds for the next step."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("this request took too long")
        return left if self._silence is None else min(left, self._silence)

    def _dial(self, host: str, port: int) -> socket.socket:
        trouble: OSError = OSError(f"the name {host} has no address")
        for family, kind, protocol, _name, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            made = socket.socket(family, kind, protocol)
            try:
                made.settimeout(self._patience())
                made.connect(address)
                return made
            except OSError as error:
                made.close()
                trouble = error
        raise trouble

    def tunnel(self, authority: str, headers: Iterable[tuple[str, str]]) -> None:
        """Ask a proxy for a way through to `authority`, host:port.

        :raises OSError: when the proxy refuses.
        """
        self.send(head("CONNECT", authority, [("Host", authority), *headers]))
        status, _fields = self._read_head()
        if status != 200:
            raise OSError(f"the proxy does not connect to {authority}: HTTP status {status}")

    def secure(self, context: ssl.SSLContext, server_name: str) -> None:
        """Speak TLS from here on."""
        self._socket.settimeout(self._patience())
        self._socket = context.wrap_socket(self._socket, server_hostname=server_name)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def send(self, request: bytes, body: bytes | None = None) -> None:
        """Send a head as `head` makes it, and a body."""
        if body is not None:
            request += b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        else:
            request += b"\r\n\r\n"
        self._socket.settimeout(self._patience())
        self._socket.sendall(request)

    def receive(self, most: int = MOST_BODY, bodyless: bool = False) -> Answer:
        """Wait for a whole answer.

        :param most: bytes that its body may have.
        :param bodyless: whether it is the answer to a HEAD request.
        :raises Ended, Garbled, TooLarge, OSError: when none comes.
        """
        status, fields = self._read_head()
        if bodyless or status in (204, 304):
            content = b""
        elif fields.get("transfer-encoding", "").lower() == "chunked":
            content = _bounded(self._chunks(most), most)
        elif "content-length" in fields:
            size = _number(fields["content-length"], 10)
            if size > most:
                raise TooLarge(_TOO_LARGE.format(most // 1024 // 1024))
            content = self._read(size)
        else:
            return Answer(status, fields, _bounded(self._rest(), most), True)
        return Answer(status, fields, content, fields.get("connection", "").lower() == "close")

    def receive_lines(self) -> tuple[int, dict[str, str], Iterator[bytes]]:
        """Wait for the head of an answer; its lines come one by one, as the other side sends them."""
        status, fields = self._read_head()
        if fields.get("transfer-encoding", "").lower() == "chunked":
            parts = self._chunks(MOST_BODY)
        elif "content-length" in fields:
            parts = iter([self._read(_number(fields["content-length"], 10))])
        else:
            parts = self._rest()
        return status, fields, _lines(parts)

    # Inside --------------------------------------------------------------------------------------------------------

    def _receive(self, size: int = RECEIVE) -> bytes:
        self._socket.settimeout(self._patience())
        return self._socket.recv(size)

    def _more(self) -> None:
        piece = self._receive()
        if not piece:
            raise Ended("the connection ended in the middle")
        self._received += piece

    def _read_head(self) -> tuple[int, dict[str, str]]:
        while True:
            while (end := self._received.find(b"\r\n\r\n")) < 0:
                if len(self._received) > MOST_HEAD:
                    raise Garbled("the answer's head has no end")
                self._more()
            text = self._received[:end].decode("latin-1")
            self._received = self._received[end + 4 :]
            first, _end, rest = text.partition("\r\n")
            words = first.split(" ", 2)
            if not words[0].startswith("HTTP/1.") or len(words) < 2 or not _STATUS.fullmatch(words[1]):
                raise Garbled("the answer is not HTTP/1.1")
            status = int(words[1])
            if status < 200:
                continue
            fields = {}
            for line in rest.split("\r\n") if rest else []:
                name, _colon, value = line.partition(":")
                name = name.lower()
                if name == "warning" and name in fields:  # the one header of which there may be several
                    value = f"{fields[name]}\n{value.strip()}"
                fields[name] = value.strip()
            if words[0] == "HTTP/1.0":
                fields.setdefault("connection", "close")
            return status, fields

    def _read(self, size: int) -> bytes:
        missing = size - len(self._received)
        if missing > 0:
            parts = [self._received]
            while missing > 0:
                piece = self._receive(min(missing, RECEIVE))
                if not piece:
                    raise Ended("the connection ended in the middle")
                parts.append(piece)
                missing -= len(piece)
            self._received = b""
            return b"".join(parts)
        content, self._received = self._received[:size], self._received[size:]
        return content

    def _line(self) -> bytes:
        while (end := self._received.find(b"\r\n")) < 0:
            if len(self._received) > MOST_HEAD:
                raise Garbled("a line of the answer has no end")
            self._more()
        line, self._received = self._received[:end], self._received[end + 2 :]
        return line

    def _chunks(self, most: int) -> Iterator[bytes]:
        while True:
            size = _number(self._line().split(b";", 1)[0].decode("latin-1"), 16)
            if size > most:
                raise TooLarge(_TOO_LARGE.format(most // 1024 // 1024))
            if not size:
                while self._line():  # trailers
                    pass
                return
            yield self._read(size)
            self._line()

    def _rest(self) -> Iterator[bytes]:
        """Everything up to the end of the connection."""
        yield self._received
        self._received = b""
        while piece := self._receive():
            yield piece


_TOO_LARGE = "its answer is larger than {} MiB"


def _bounded(parts: Iterable[bytes], most: int) -> bytes:
    kept, size = [], 0
    for part in parts:
        size += len(part)
        if size > most:
            raise TooLarge(_TOO_LARGE.format(most // 1024 // 1024))
        kept.append(part)
    return b"".join(kept)


def _number(text: str, base: int) -> int:
    if not _LENGTHS[base].fullmatch(text):
        raise Garbled(f"the answer's length is {text[:20]!r}")
    return int(text, base)


def bypasses(host: str, port: int | None, no_proxy: str) -> bool:
    """Whether `no_proxy` (hosts, domains, addresses, networks, also with a port, comma-separated) names this host."""
    if not no_proxy:
        return False
    import ipaddress  # only here: imports are half of an unchanged push

    host = host.lower()
    for entry in (part.strip().lower() for part in no_proxy.split(",")):
        if not entry:
            continue
        names = (entry, entry.removesuffix(f":{port}").strip("[]"))
        names = [name[1:] if name.startswith("*.") else name for name in names]
        if entry == "*" or any(host == name or host.endswith("." + name.lstrip(".")) for name in names):
            return True
        try:
            if ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False):
                return True
        except ValueError:
            continue
    return False


def _lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    kept = b""
    for part in parts:
        *whole, kept = (kept + part).split(b"\n")
        yield from whole
    if kept:
        yield kept
