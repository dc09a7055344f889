# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP for many small questions at once: kept connections, proxies, redirects, limits on time and size.

The standard library alone: importing it takes a quarter of the time of ``requests``, and a module that asks from
the cache should cost no more than its start. ``urllib.request`` keeps no connection open, so ``http.client`` it is.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
import urllib.parse
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError

REDIRECTS_MAX = 5
# The distribution specification asks registries to take manifests of up to 4 MiB; configurations are smaller.
BODY_MAX = 8 * 1024 * 1024
USER_AGENT = "bramble.kube image_platforms"


class TransportError(BrambleError):
    """No HTTP answer could be had; the message says why, as the end of a sentence: 'connection refused'."""


@dataclass(frozen=True)
class Response:
    """An HTTP answer with its whole body; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Transport:
    """Sends requests from many threads over kept connections.

    :param timeout: seconds for connecting and for each read.
    :param ca_path: file or folder with certificates of authorities to trust besides the system's.
    :param validate_certs: whether to check certificates at all.
    :param environment: where ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY`` are looked up.
    """

    def __init__(
        self,
        timeout: float = 15.0,
        ca_path: str | None = None,
        validate_certs: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._timeout = timeout
        self._ca_path = ca_path
        self._validate_certs = validate_certs
        self._environment = os.environ if environment is None else environment
        self._context: ssl.SSLContext | None = None
        self._idle: dict[tuple[str, str], list[http.client.HTTPConnection]] = {}
        self._lock = threading.Lock()
        self.requests = 0

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Response:
        """One request, following redirects.

        An ``Authorization`` header goes to the first host alone: registries hand contents on to storage servers
        that neither need nor should see it.

        :raises TransportError: no answer, a redirect that must not be followed, or an answer that is too large.
        """
        sent = dict(headers or {})
        for _hop in range(REDIRECTS_MAX + 1):
            response = self._once(method, url, sent, body)
            location = response.headers.get("location")
            if response.status not in (301, 302, 303, 307, 308) or not location:
                return response
            target = urllib.parse.urljoin(url, location)
            before, after = urllib.parse.urlsplit(url), urllib.parse.urlsplit(target)
            if after.scheme not in ("http", "https") or (before.scheme == "https" and after.scheme != "https"):
                raise TransportError(f"it sends on to {after.scheme}://{after.hostname}, away from https")
            if (before.scheme, before.netloc) != (after.scheme, after.netloc):
                sent = {name: value for name, value in sent.items() if name.lower() != "authorization"}
            if response.status == 303 or (method == "POST" and response.status in (301, 302)):
                method, body = "GET", None
            url = target
        raise TransportError(f"it sends on more than {REDIRECTS_MAX} times")

    def close(self) -> None:
        """Close what is kept open."""
        with self._lock:
            connections = [connection for kept in self._idle.values() for connection in kept]
            self._idle.clear()
        for connection in connections:
            connection.close()

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        parts = urllib.parse.urlsplit(url)
        proxy = self._proxy_for(parts.scheme, parts.hostname or "", parts.port)
        path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        sent = {"User-Agent": USER_AGENT, **headers}
        if proxy and parts.scheme == "http":
            path = url
            sent.update(_proxy_authorization(proxy))
        key = (parts.scheme, parts.netloc)
        connection = self._take(key)
        # A kept connection may have been closed by the other side in the meantime: once more on a new one.
        if connection is not None:
            try:
                return self._exchange(key, connection, method, path, sent, body, url)
            except (http.client.HTTPException, OSError):
                connection.close()
        try:
            connection = self._connect(parts, proxy)
        except (OSError, ValueError) as error:
            raise TransportError(_reason(error, parts, self._timeout)) from None
        try:
            return self._exchange(key, connection, method, path, sent, body, url)
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            raise TransportError(_reason(error, parts, self._timeout)) from None

    def _exchange(
        self,
        key: tuple[str, str],
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        url: str,
    ) -> Response:
        with self._lock:
            self.requests += 1
        connection.request(method, path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        data = answer.read(BODY_MAX + 1)
        if len(data) > BODY_MAX:
            connection.close()
            raise TransportError(f"its answer is larger than {BODY_MAX // 1024 // 1024} MiB")
        response = Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, data, url)
        if answer.will_close:
            connection.close()
        else:
            with self._lock:
                self._idle.setdefault(key, []).append(connection)
        return response

    def _take(self, key: tuple[str, str]) -> http.client.HTTPConnection | None:
        with self._lock:
            kept = self._idle.get(key)
            return kept.pop() if kept else None

    def _connect(self, parts: urllib.parse.SplitResult, proxy: str | None) -> http.client.HTTPConnection:
        via = urllib.parse.urlsplit(proxy) if proxy else parts
        host, port = via.hostname or "", via.port
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            default_port = 443 if via is parts else 80
            connection = http.client.HTTPSConnection(
                host, port or default_port, timeout=self._timeout, context=self._tls()
            )
            if proxy:
                connection.set_tunnel(parts.hostname or "", parts.port or 443, headers=_proxy_authorization(proxy))
        else:
            connection = http.client.HTTPConnection(host, port or 80, timeout=self._timeout)
        connection.connect()
        if connection.sock is not None:
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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

    def _proxy_for(self, scheme: str, host: str, port: int | None) -> str | None:
        def value(name: str) -> str:
            return self._environment.get(name.lower()) or self._environment.get(name.upper()) or ""

        proxy = value(f"{scheme}_proxy") or value("all_proxy")
        if not proxy or _bypassed(host, port, value("no_proxy")):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"


def _bypassed(host: str, port: int | None, no_proxy: str) -> bool:
    if no_proxy.strip() == "*" or host in ("localhost", "127.0.0.1", "::1"):
        return True
    proxies = {"no": no_proxy}
    if urllib.request.proxy_bypass_environment(host, proxies):
        return True
    return port is not None and bool(urllib.request.proxy_bypass_environment(f"{host}:{port}", proxies))


def _proxy_authorization(proxy: str) -> dict[str, str]:
    parts = urllib.parse.urlsplit(proxy)
    if not parts.username:
        return {}
    pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
    return {"Proxy-Authorization": "Basic " + b64encode(pair.encode()).decode("ascii")}


def _reason(error: Exception, parts: urllib.parse.SplitResult, timeout: float) -> str:
    """Why there was no answer, in words of the person who reads it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); give its authority with ca_path"
    if isinstance(error, ssl.SSLError):
        if "WRONG_VERSION_NUMBER" in str(error) or "HTTP_REQUEST" in str(error):
            address = f"http://{parts.netloc}"
            return f"it speaks plain http; say so with mirrors: {{'{parts.netloc}': ['{address}']}}"
        return f"TLS failed ({error.reason or 'no reason given'})"
    if isinstance(error, socket.gaierror):
        return f"the name {parts.hostname} cannot be resolved"
    if isinstance(error, (socket.timeout, TimeoutError)):
        return f"no answer within {timeout:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, http.client.HTTPException):
        return f"it answered something that is no HTTP ({type(error).__name__})"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return str(error)
