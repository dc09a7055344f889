# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""HTTP to servers of all kinds: kept connections, proxies, redirects, limits on time and size.

The standard library alone: importing it takes a fraction of the time of ``requests``. ``urllib.request`` keeps no
connection open, bounds each read but not the whole, and sends a login on to wherever it is redirected.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
import urllib.parse
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from .errors import BrambleError
from .http1 import Connection, Garbled, TooLarge, bypasses, field_lines, first_line

REDIRECTS_MAX = 5
_REPEATABLE = ("GET", "HEAD")
# The distribution specification asks registries to take manifests of up to 4 MiB; configurations are smaller.
BODY_MAX = 8 * 1024 * 1024
USER_AGENT = "bramble.kube"
DOWNLOAD_TIMEOUT = 600.0  # seconds for a whole download, over a slow line
DOWNLOAD_SILENCE = 30.0  # seconds of it without a single byte


class TransportError(BrambleError):
    """No HTTP answer could be had; the message says why, as the end of a sentence: 'connection refused'.

    :ivar status: of an answer that is not the wanted one; 0 when there was none.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Response:
    """An HTTP answer with its whole body; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


@dataclass(frozen=True)
class _Place:
    """Where an address leads: what two requests must share to be to the same server, and the path on it."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def server(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


def _place(url: str) -> _Place:
    """Take an address apart.

    :raises TransportError: when it is none.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise TransportError(f"{url!r} is not an address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TransportError(f"{url!r} is not an address that begins with http:// or https://")
    target = urllib.parse.quote(
        urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, "")), safe="/?%:@!$&'()*+,;=~-._[]"
    )
    return _Place(parts.scheme, parts.hostname, port, target)


class Transport:
    """Sends requests from many threads over kept connections.

    :param timeout: seconds for a whole request, from the first connection to the last byte, redirects included.
    :param ca_path: file or folder with certificates of authorities to trust besides the system's.
    :param validate_certs: whether to check certificates at all.
    :param environment: where ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY`` are looked up.
    :param silence: seconds of it without a single byte; None for as many.
    """

    def __init__(
        self,
        timeout: float = 15.0,
        ca_path: str | None = None,
        validate_certs: bool = True,
        environment: Mapping[str, str] | None = None,
        silence: float | None = None,
    ) -> None:
        self._timeout = timeout
        self._silence = silence
        self._ca_path = ca_path
        self._validate_certs = validate_certs
        self._environment = os.environ if environment is None else environment
        self._context: ssl.SSLContext | None = None
        self._idle: dict[tuple[str, str, int], list[Connection]] = {}
        self._lock = threading.Lock()
        self.requests = 0

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        most: int = BODY_MAX,
    ) -> Response:
        """One request, following redirects.

        A login stays with the server it is for: an ``Authorization`` header goes to the first one alone (registries
        hand contents on to storage servers that neither need nor should see it), a body is never sent on to another.

        :param most: bytes that the answer may have.
        :raises TransportError: no answer, a redirect that must not be followed, or an answer that is too large.
        """
        sent = dict(headers or {})
        end = time.monotonic() + self._timeout
        for _hop in range(REDIRECTS_MAX + 1):
            before = _place(url)
            response = self._once(method, before, sent, body, most, end, url)
            location = response.headers.get("location")
            if response.status not in (301, 302, 303, 307, 308) or not location:
                return response
            try:
                target = urllib.parse.urljoin(url, location)
                after = _place(target)
            except (TransportError, ValueError):
                raise TransportError(f"it redirects to {location!r}, which is not an address") from None
            if before.scheme == "https" and after.scheme != "https":
                raise TransportError(f"it redirects to {after.scheme}://{after.host}, away from https")
            # A HEAD stays one (RFC 9110, 15.4.4).
            if (response.status == 303 and method != "HEAD") or (method == "POST" and response.status in (301, 302)):
                method, body = "GET", None
            if before.server != after.server:
                if body is not None:
                    raise TransportError(
                        f"it redirects to {after.host}, which must not get what is meant for {before.host}"
                    )
                sent = {name: value for name, value in sent.items() if name.lower() != "authorization"}
            url = target
        raise TransportError(f"it redirects more than {REDIRECTS_MAX} times")

    def close(self) -> None:
        """Close what is kept open."""
        with self._lock:
            connections = [connection for kept in self._idle.values() for connection in kept]
            self._idle.clear()
        for connection in connections:
            connection.close()

    def _once(
        self,
        method: str,
        place: _Place,
        headers: Mapping[str, str],
        body: bytes | None,
        most: int,
        end: float,
        url: str,
    ) -> Response:
        proxy = self._proxy_for(place)
        fields = {"Host": place.authority, "User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
        target = place.target
        if proxy is not None and place.scheme == "http":
            target = f"http://{place.authority}{target}"
            fields.update(proxy.authorization)
        try:
            head = first_line(method, target) + field_lines(fields.items())
        except ValueError as error:
            raise TransportError(str(error).rstrip(".")) from None
        # A kept connection may have been closed by the other side in the meantime: once more on a new one. What must
        # not be done twice gets a new one at once, since nobody knows what became of it on one that broke.
        connection = self._take(place.server) if method in _REPEATABLE else None
        if connection is not None:
            try:
                return self._exchange(place, connection, method, head, body, most, end, url)
            except OSError as error:
                connection.close()
                if isinstance(error, (TimeoutError, TooLarge)):
                    raise TransportError(_reason(error, place, self._timeout)) from None
        connection = None
        try:
            connection = self._connect(place, proxy, end)
            return self._exchange(place, connection, method, head, body, most, end, url)
        except (OSError, ValueError) as error:
            if connection is not None:
                connection.close()
            raise TransportError(_reason(error, place, self._timeout)) from None

    def _exchange(
        self,
        place: _Place,
        connection: Connection,
        method: str,
        head: bytes,
        body: bytes | None,
        most: int,
        end: float,
        url: str,
    ) -> Response:
        with self._lock:
            self.requests += 1
        connection.begin(end - time.monotonic())
        connection.send(head, body)
        answer = connection.receive(most, bodyless=method == "HEAD")
        if answer.last:
            connection.close()
        else:
            with self._lock:
                self._idle.setdefault(place.server, []).append(connection)
        return Response(answer.status, answer.headers, answer.content, url)

    def _take(self, server: tuple[str, str, int]) -> Connection | None:
        with self._lock:
            kept = self._idle.get(server)
            return kept.pop() if kept else None

    def _connect(self, place: _Place, proxy: Proxy | None, end: float) -> Connection:
        host, port = (proxy.host, proxy.port) if proxy is not None else (place.host, place.port)
        connection = Connection(host, port, end - time.monotonic(), self._silence)
        try:
            if place.scheme == "https":
                if proxy is not None:
                    connection.tunnel(f"{place.authority.removesuffix(f':{place.port}')}:{place.port}", proxy.fields)
                connection.secure(self._tls(), place.host)
        except (OSError, ValueError):
            connection.close()
            raise
        return connection

    def _tls(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                context = ssl.create_default_context()
                if self._ca_path:
                    if os.path.isdir(self._ca_path):
                        context.load_verify_locations(capath=self._ca_path)
                    else:
                        context.load_verify_locations(cafile=self._ca_path)
                if not self._validate_certs:
                    context.check_hostname = False
                    context.verify_mode = ssl.CERT_NONE
                self._context = context
            return self._context

    def _proxy_for(self, place: _Place) -> Proxy | None:
        def value(name: str) -> str:
            return self._environment.get(name.lower()) or self._environment.get(name.upper()) or ""

        address = value(f"{place.scheme}_proxy") or value("all_proxy")
        if not address or place.host in ("localhost", "127.0.0.1", "::1"):
            return None
        if bypasses(place.host, place.port, value("no_proxy")):
            return None
        return Proxy.at(address)


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy, as an environment variable names it."""

    host: str
    port: int
    authorization: Mapping[str, str]

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Headers for the proxy itself."""
        return list(self.authorization.items())

    @classmethod
    def at(cls, address: str) -> Proxy:
        """Read ``http://user:password@host:port``.

        :raises TransportError: when it is no such address.
        """
        try:
            parts = urllib.parse.urlsplit(address if "://" in address else f"http://{address}")
            port = parts.port or 80
        except ValueError:
            parts = None
        if parts is None or parts.scheme != "http" or not parts.hostname:
            raise TransportError("the environment names a proxy whose address does not begin with http://")
        if not parts.username:
            return cls(parts.hostname, port, {})
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        return cls(parts.hostname, port, {"Proxy-Authorization": "Basic " + b64encode(pair.encode()).decode("ascii")})


def fetch(
    url: str,
    most: int,
    timeout: float = DOWNLOAD_TIMEOUT,
    silence: float = DOWNLOAD_SILENCE,
    validate_certs: bool = True,
) -> bytes:
    """Download something.

    :param most: bytes that it may have.
    :param timeout: seconds for all of it.
    :param silence: seconds of it without a single byte.
    :raises TransportError: when it cannot be had, with the answer's status.
    """
    transport = Transport(timeout, None, validate_certs, silence=silence)
    try:
        response = transport.request("GET", url, most=most)
    finally:
        transport.close()
    if response.status != 200:
        phrase = HTTPStatus(response.status).phrase if response.status in iter(HTTPStatus) else ""
        raise TransportError(f"the answer is {response.status} {phrase}".rstrip(), response.status)
    return response.body


def _reason(error: Exception, place: _Place, timeout: float) -> str:
    """Why there was no answer, in words of the person who reads it."""
    if isinstance(error, TransportError):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); give its CA with ca_path"
    if isinstance(error, ssl.SSLError):
        if "WRONG_VERSION_NUMBER" in str(error) or "HTTP_REQUEST" in str(error):
            address = f"http://{place.authority}"
            return f"it speaks plain http; say so with mirrors: {{'{place.authority}': ['{address}']}}"
        return f"TLS failed ({error.reason or 'no reason given'})"
    if isinstance(error, socket.gaierror):
        return f"the name {place.host} cannot be resolved"
    if isinstance(error, (socket.timeout, TimeoutError)):
        return f"no whole answer within {timeout:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, (Garbled, TooLarge)):
        return f"it answered something other than HTTP ({error})" if isinstance(error, Garbled) else str(error)
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return f"{place.host!r} is no host name"
