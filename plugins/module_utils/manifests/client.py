# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""HTTP to one API server: connections kept open, JSON in and out, faults told apart from answers."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from ..common.errors import BrambleError
from ..common.http1 import Answer, Connection, Ended, bypasses, field_lines, first_line
from ..common.late import late
from ..common.redact import foreign
from . import answers
from .auth import Endpoint, _basic
from .errors import ApiError, ClusterError

JSON = "application/json"
APPLY_PATCH = "application/apply-patch+yaml"
USER_AGENT = "bramble.kube manifest_push"
FIELD_MANAGER = "bramble.kube"
REQUEST_TIMEOUT = 30.0  # seconds for a request, from the first byte sent to the last received
_encode = json.JSONEncoder(separators=(",", ":")).encode  # made once, for hundreds of objects
_WARNING = late(r'^\d+ \S+ "((?:[^"\\]|\\.)*)"', re.MULTILINE)  # RFC 7234, 5.5
_PAIR = late(r"\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}")
LONGEST_WATCH = 60.0  # seconds; then the watch is begun anew, so that a connection that died in silence is noticed


class Fault(BrambleError):
    """No answer, or half of one: refused, reset, timed out, TLS not finished. Asking again is safe."""


class Client:
    """A pool of kept-open connections, one for each thread that asks at a time."""

    def __init__(self, endpoint: Endpoint, request_timeout: float | None = None) -> None:
        self.endpoint = endpoint
        self.request_timeout = request_timeout or REQUEST_TIMEOUT
        self.requests = 0
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._local = threading.local()
        self._fields: dict[tuple[str, str, str], bytes] = {}
        self._authorization = endpoint.authorization
        try:
            address = urlsplit(endpoint.server)
            port = address.port
        except (ValueError, TypeError, AttributeError):
            address = None
        if address is None or address.scheme not in ("http", "https") or not address.hostname:
            raise ClusterError(f"{endpoint.server!r} is not an API server address; write https://host:6443.")
        self._host = address.hostname
        self._port = port or (443 if address.scheme == "https" else 80)
        self._prefix = address.path.rstrip("/")
        self._authority = f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"
        self._tls = _tls_context(endpoint) if address.scheme == "https" else None

    # One request ---------------------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
        parse: bool = True,
    ) -> tuple[int, Any]:
        """Ask once.

        :param body: a dict to send as JSON, or bytes to send as they are.
        :param parse: False leaves the body of a success unread as JSON; None is returned in its place.
        :returns: status and the decoded body.
        :raises Fault: when no whole answer came.
        :raises ApiError: when the answer is not a success.
        """
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else encoded(body)
        answer = self._success(method, path, query, data, content_type, accept)
        if parse or not (answer.content.startswith(b"{") and b'"metadata":{' in answer.content):
            return answer.status, self._object(path, answer.content, method, accept, not (query or {}).get("dryRun"))
        return answer.status, None

    def get(self, path: str, query: dict[str, Any] | None = None, accept: str = JSON) -> Any:
        """The decoded body of a GET: an object, as all that an API server answers."""
        return self._object(path, self._success("GET", path, query, None, "", accept).content, accept=accept)

    def text(self, path: str, query: dict[str, Any] | None = None) -> str:
        """The body of a GET that is no JSON, such as a log.

        :raises Fault: when no whole answer came.
        :raises ApiError: when the answer is not a success.
        """
        return self._success("GET", path, query, None, "", "*/*").content.decode("utf-8", "replace")

    def watch(self, path: str, query: dict[str, Any], timeout: float) -> Iterator[dict]:
        """The events of a watch, until the server ends it, at the latest after `timeout` seconds or a minute.

        :raises Fault: when the connection breaks.
        """
        timeout = max(1.0, min(timeout, LONGEST_WATCH))
        query = dict(query, watch="1", timeoutSeconds=int(timeout))
        connection = self._connect(timeout + 5)
        try:
            with self._lock:
                self.requests += 1
            connection.send(self._head("GET", self._target(path, query)))
            status, headers, lines = connection.receive_lines()
            if status >= 300:
                raise _api_error(status, headers, b"\n".join(lines))
            for line in lines:
                if line.strip():
                    if not line.startswith(b"{"):
                        raise self._strange(path, _seen(line))
                    event = json.loads(line)
                    wrong = answers.of_event(event)
                    if wrong:
                        raise self._strange(path, wrong)
                    yield event
        except (OSError, ValueError) as error:
            raise Fault(_fault_sentence(error, self.endpoint.server)) from None
        finally:
            connection.close()

    def close(self) -> None:
        """Close every idle connection."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    # Inside --------------------------------------------------------------------------------------------------------

    def _success(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None,
        data: bytes | None,
        content_type: str,
        accept: str,
    ) -> Answer:
        """Ask once, or twice with renewed credentials; what is no success is raised."""
        target = self._target(path, query)

        def ask() -> Answer:
            return self._exchange(self._head(method, target, accept, "" if data is None else content_type), data)

        used = self._authorization
        answer = ask()
        if answer.status == 401 and self.endpoint.refresh is not None:
            self._authorization = self.endpoint.refresh() or used
            if self._authorization != used:
                answer = ask()
        if data is not None and "warning" in answer.headers:
            self._local.warnings = [*self.take_warnings(), *_WARNING.findall(answer.headers["warning"])]
        if answer.status == 404 and answer.content.lstrip().startswith(b"<"):
            raise self._strange(path, _seen(answer.content), "404")  # nothing says that what was asked for is not there
        if answer.status >= 300:
            raise _api_error(answer.status, answer.headers, answer.content)
        return answer

    def take_warnings(self) -> list[str]:
        """What the server warned of in answer to this thread's writes, since it was asked for last."""
        found = getattr(self._local, "warnings", [])
        self._local.warnings = []
        return [foreign(text.replace('\\"', '"').replace("\\\\", "\\")) for text in found]

    def _object(
        self, path: str, content: bytes, method: str = "GET", accept: str = JSON, stored: bool = True
    ) -> dict[str, Any]:
        """What an API server says with success; whatever else answers at its address says something else.

        :raises ClusterError: when it is not of the form that the API promises for this path.
        """
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            raise self._strange(path, _seen(content)) from None
        wrong = answers.fault(path, body, method, "PartialObjectMetadata" in accept, stored)
        if wrong:
            raise self._strange(path, wrong)
        return body

    def _strange(self, path: str, wrong: str, status: str = "success") -> ClusterError:
        return ClusterError(
            f"{self.endpoint.server} answers {foreign(path, 200)} with {status}, but not as a Kubernetes API does: "
            f"{foreign(wrong, 200)}. Is this the API server's address, or is a proxy or a login page in between?"
        )

    def _target(self, path: str, query: dict[str, Any] | None) -> str:
        target = self._prefix + path
        if query:
            pairs = ((key, str(value)) for key, value in query.items() if value not in (None, ""))
            target += "?" + _query_text(tuple(pairs))
        return target

    def _head(self, method: str, target: str, accept: str = JSON, content_type: str = "") -> bytes:
        """A request's head; all but its first line is made once."""
        kind = (accept, content_type, self._authorization)
        try:
            if kind not in self._fields:
                fields = [("Host", self._authority), ("Accept", accept), ("User-Agent", USER_AGENT)]
                if self._authorization:
                    fields.append(("Authorization", self._authorization))
                if content_type:
                    fields.append(("Content-Type", content_type))
                self._fields[kind] = field_lines([*fields, *self.endpoint.headers])
            return first_line(method, target) + self._fields[kind]
        except ValueError as error:
            raise ClusterError(str(error)) from None

    def _exchange(self, request: bytes, data: bytes | None) -> Answer:
        """Send and receive over a kept-open connection, or a new one where the server has closed the old."""
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
                self.requests += 1
            reused = connection is not None
            if connection is None:
                connection = self._connect(self.request_timeout)
            try:
                connection.begin(self.request_timeout)
                connection.send(request, data)
                answer = connection.receive()
            except OSError as error:
                connection.close()
                if reused and isinstance(error, (ConnectionError, ssl.SSLEOFError)):
                    # The server dropped an idle connection: no fault, and every request here may be repeated.
                    continue
                raise Fault(_fault_sentence(error, self.endpoint.server)) from None
            if answer.last:
                connection.close()
            else:
                with self._lock:
                    self._idle.append(connection)
            return answer

    def _connect(self, timeout: float) -> Connection:
        """Open a connection, through the proxy where there is one."""
        proxy = self.endpoint.proxy if not bypasses(self._host, self._port, self.endpoint.no_proxy) else ""
        host, port = self._host, self._port
        if proxy:
            try:
                via = urlsplit(proxy if "//" in proxy else "http://" + proxy)
                port = via.port or 80
            except ValueError:
                raise ClusterError("The proxy's address is not valid; use http://host:port.") from None
            if via.scheme != "http" or not via.hostname:
                raise ClusterError(
                    f"The proxy {via.scheme}://{via.hostname or ''} does not use http://; others (https, socks5) are "
                    "not supported."
                )
            host = via.hostname
        connection = None
        try:
            connection = Connection(host, port, timeout)
            if proxy:
                headers = dict(self.endpoint.proxy_headers)
                if via.username:
                    headers["Proxy-Authorization"] = _basic(unquote(via.username), unquote(via.password or ""))
                connection.tunnel(self._authority, headers.items())
            if self._tls is not None:
                connection.secure(self._tls, self.endpoint.tls_server_name or self._host)
        except ssl.SSLCertVerificationError as error:
            if connection is not None:
                connection.close()
            raise ClusterError(
                f"{self.endpoint.server} shows a certificate that is not trusted: {error.verify_message.rstrip('.')}. "
                "Set ca_cert, or a kubeconfig with the cluster's CA."
            ) from None
        except (OSError, ValueError) as error:
            if connection is not None:
                connection.close()
            raise Fault(_fault_sentence(error, self.endpoint.server)) from None
        return connection


@functools.lru_cache(maxsize=16)  # hundreds of requests have the same
def _query_text(pairs: tuple[tuple[str, str], ...]) -> str:
    return "&".join(f"{key}={quote(value, safe='')}" for key, value in pairs)


def encoded(body: Any) -> bytes:
    """JSON that is YAML too, as the server reads the body of an apply.

    Go's YAML refuses the pairs by which JSON escapes letters above U+FFFF, so these are written as they are; all else
    that is not ASCII stays escaped, since raw control characters and line separators would not arrive.
    """
    text = _encode(body)
    if "\\ud" in text:
        text = _PAIR.sub(lambda match: json.loads(f'"{match.group()}"'), text)
    return text.encode("utf-8")


def _tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    """TLS settings for an endpoint; the certificate is verified unless told otherwise."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if not endpoint.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif endpoint.ca_data:
            context.load_verify_locations(cadata=endpoint.ca_data)
        elif endpoint.ca_file:
            context.load_verify_locations(cafile=endpoint.ca_file)
        else:
            context.load_default_certs()
        if endpoint.cert_file or endpoint.cert_data:
            _load_client_certificate(context, endpoint)
    except (OSError, ssl.SSLError, ValueError) as error:
        gone = [
            name
            for name in (endpoint.ca_file, endpoint.cert_file, endpoint.key_file)
            if not os.path.exists(name or "/")
        ]
        if gone:
            raise ClusterError(f"The file {gone[0]}, which is named for {endpoint.server}, is not there.") from None
        raise ClusterError(f"A certificate or key for {endpoint.server} cannot be loaded: {error}.") from None
    return context


def _load_client_certificate(context: ssl.SSLContext, endpoint: Endpoint) -> None:
    """OpenSSL reads client certificates from files only, so text is put into private files for that moment."""
    made: list[str] = []

    def as_file(path: str, text: str) -> str:
        if not text:
            return path
        handle, name = tempfile.mkstemp(prefix="bramble-kube-")  # mkstemp makes it with mode 0600
        made.append(name)
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(text)
        return name

    try:
        certificate = as_file(endpoint.cert_file, endpoint.cert_data)
        key = as_file(endpoint.key_file, endpoint.key_data)
        context.load_cert_chain(certificate, key or None)
    finally:
        for name in made:
            os.unlink(name)


def _fault_sentence(error: Exception, server: str) -> str:
    """What went wrong on the way, as a person says it."""
    if isinstance(error, ConnectionRefusedError):
        what = "connection refused"
    elif isinstance(error, socket.gaierror):
        what = "the host name cannot be resolved"
    elif isinstance(error, (TimeoutError, socket.timeout)):
        what = "TLS handshake timeout" if "handshake" in str(error) else "no answer in time"
    elif isinstance(error, (Ended, ssl.SSLEOFError)):
        what = "the connection ended in the middle"
    elif isinstance(error, ConnectionError):
        what = "the connection was reset"
    else:
        what = str(error) or type(error).__name__
    return f"{server}: {what}"


def _api_error(status: int, headers: dict[str, str], content: bytes) -> ApiError:
    body: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        body = json.loads(content)
    if not isinstance(body, dict):
        text = content.decode("utf-8", "replace").strip()
        if 300 <= status < 400:
            text = f"HTTP status {status}, on to {headers.get('location', 'nowhere')}; is a login page in between?"
        elif text.startswith("<"):
            text = f"HTTP status {status} with {_seen(content)}; is a proxy or a login page in between?"
        body = {"message": text[:300]}
    retry_after = None
    value = headers.get("retry-after")
    if value and value.isascii() and value.isdigit() and len(value) < 10:
        retry_after = float(value)
    return ApiError(status, body, retry_after)


def _seen(content: bytes) -> str:
    """What came where JSON belongs."""
    text = content.strip()
    if not text:
        return "an empty answer"
    if text.startswith(b"<"):
        return "a page of HTML or XML"
    return "half of a JSON text" if text.startswith((b"{", b"[")) else "no JSON"
