# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""A reading client for registries that speak the OCI distribution specification v1.1.

It asks mirrors first and the registry itself last, as containerd does; logs in by the Bearer and Basic challenges of
docker's token specification; waits where a registry says how long, and says until when where that is too long.
"""

from __future__ import annotations

import email.utils
import hashlib
import json
import re
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..common.errors import BrambleError
from ..common.http import Response, Transport, TransportError
from . import cache as image_cache
from .cache import Cache, Pointer
from .credentials import CredentialStore
from .reference import DEFAULT_REGISTRY, DOCKER_HUB_NAMES, Reference, normalize_registry

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
# What registries kept for images from before 2017; some of 2018's Kubeflow images still come so.
SCHEMA1_TYPES = (
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
)
_ACCEPT = ", ".join((*INDEX_TYPES, *MANIFEST_TYPES, *(f"{kind}; q=0.5" for kind in SCHEMA1_TYPES)))

NOT_FOUND = "not_found"
UNAUTHORIZED = "unauthorized"
UNREACHABLE = "unreachable"
RATE_LIMITED = "rate_limited"
ERROR = "error"

_SERVER_ERROR_TRIES = 3
_RATE_LIMIT_TRIES = 4
_LONGEST_WAIT = 366 * 86400.0  # seconds; what a registry asks for beyond that is as good as for ever
_TOKEN_SLACK = 10.0
_TOKEN_LIFETIME = 60.0  # what docker's token specification has where the server names none


class RegistryError(BrambleError):
    """A registry could not answer; ``status`` is one of this file's words, the message a sentence."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


class InvalidMirror(BrambleError, ValueError):
    """A mirror's address cannot be used; the message is one sentence."""


@dataclass(frozen=True)
class Endpoint:
    """Where a registry's API is: ``url`` ends in ``/v2``; ``host`` is what credentials are looked up for."""

    url: str
    host: str
    registry: str
    mirror: bool

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"mirror {self.url.rsplit('/v2', 1)[0]}" if self.mirror else self.registry


@dataclass(frozen=True)
class Document:
    """A manifest or index as the registry has it.

    :ivar source: address that gave it, now or when it was cached.
    :ivar asked_at: seconds since 1970 when a registry last said so.
    :ivar stale: true if that was longer ago than wanted, and no registry answers now.
    """

    digest: str
    media_type: str
    content: Mapping[str, object]
    source: str
    asked_at: float
    stale: bool = False


def endpoints_for(registry: str, mirrors: Mapping[str, Sequence[str]]) -> list[Endpoint]:
    """Addresses to ask for a registry's images: its mirrors (those of ``_default`` if it has none), then itself.

    :raises InvalidMirror: an address is not http:// or https:// with a host.
    """
    table = {normalize_registry(name): urls for name, urls in mirrors.items()}
    found = [_mirror(registry, url) for url in table.get(registry, table.get("_default", ()))]
    host = "registry-1.docker.io" if registry == DEFAULT_REGISTRY else registry
    scheme = "http" if _is_local(host) else "https"
    own = Endpoint(f"{scheme}://{host}/v2", host, registry, False)
    if not all(endpoint.mirror for endpoint in found):
        # The table says how to reach the registry itself, by http for example.
        return list(dict.fromkeys(found))
    return [*dict.fromkeys(found), own]


def _mirror(registry: str, url: str) -> Endpoint:
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or ".." in parts.path.split("/") or re.search(r"[\x00-\x20\x7f]", url):
        raise InvalidMirror(f"mirror {url!r} of {registry} is not an address; write one like http://192.168.13.2:5000")
    if parts.username or parts.password:
        raise InvalidMirror(
            f"a mirror of {registry} has a login in its address; put it into credentials, where it stays secret"
        )
    path = parts.path.rstrip("/")
    if "v2" not in path.split("/"):
        path += "/v2"
    # A registry known under its own name with plain http is no mirror but itself.
    return Endpoint(
        f"{parts.scheme}://{parts.netloc}{path}", parts.netloc, registry, parts.netloc not in _own_hosts(registry)
    )


def _own_hosts(registry: str) -> tuple[str, ...]:
    return DOCKER_HUB_NAMES if registry == DEFAULT_REGISTRY else (registry,)


def _is_local(host: str) -> bool:
    """Docker's and containerd's exception: registries on this machine speak plain http."""
    name, _colon, port = host.rpartition(":") if re.search(r":\d+\Z", host) else (host, "", "")
    return port != "443" and (name in ("localhost", "[::1]") or bool(re.match(r"127\.\d+\.\d+\.\d+\Z", name)))


@dataclass
class _Token:
    header: str
    expires: float


class RegistryClient:
    """Reads manifests and small blobs of many registries from many threads.

    :param transport: sends the requests.
    :param credentials: logins by registry.
    :param mirrors: registry → addresses of mirrors, asked in this order.
    :param cache: answers of earlier runs.
    :param max_age: seconds for which a tag's cached answer is believed.
    :param rate_limit_wait: seconds that a registry may ask to wait before this counts as rate limited.
    :param sleep: waits; tests pass their own.
    """

    def __init__(
        self,
        transport: Transport,
        credentials: CredentialStore,
        mirrors: Mapping[str, Sequence[str]] | None = None,
        cache: Cache | None = None,
        max_age: float = 86400.0,
        rate_limit_wait: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = transport
        self._credentials = credentials
        self._mirrors = mirrors or {}
        self._cache = cache or Cache(None)
        self._max_age = max_age
        self._rate_limit_wait = rate_limit_wait
        self._sleep = sleep
        self._lock = threading.Lock()
        self._token_locks: dict[tuple[str, str], threading.Lock] = {}
        self._tokens: dict[tuple[str, str], _Token] = {}
        self._challenges: dict[str, tuple[str, dict[str, str]]] = {}
        self._failed: dict[str, RegistryError] = {}

    def manifest(self, reference: Reference) -> Document:
        """The manifest or index that a reference names.

        By digest it comes from the cache at any age. By tag it comes from the cache up to ``max_age``; after that
        a HEAD request, which Docker Hub does not count, asks whether the tag has moved. If no registry can be
        reached, an older answer is better than none and is marked stale.

        :raises RegistryError: no registry has it or can be asked.
        """
        endpoints = endpoints_for(reference.registry, self._mirrors)
        where = " ".join(endpoint.url for endpoint in endpoints)
        key = str(reference)
        if reference.digest:
            return self._by_digest(reference, reference.digest, endpoints)
        known = self._cache.pointer(key, where)
        content = self._cache.content(known.digest) if known else None
        if known and content is not None and time.time() - known.asked_at <= self._max_age:
            return _document(known.digest, known.media_type, content, known.source, known.asked_at)
        try:
            if known and content is not None and self._unmoved(reference, known, endpoints):
                now = time.time()
                self._cache.keep_pointer(key, where, Pointer(known.digest, known.media_type, now, known.source))
                return _document(known.digest, known.media_type, content, known.source, now)
            endpoint, response = self._ask(reference, endpoints, f"manifests/{reference.target}")
        except RegistryError as error:
            if known and content is not None and error.status in (UNREACHABLE, RATE_LIMITED):
                return _document(known.digest, known.media_type, content, known.source, known.asked_at, stale=True)
            raise
        document = _read(response, endpoint, reference)
        self._cache.keep_content(document.digest, response.body)
        self._cache.keep_pointer(
            key, where, Pointer(document.digest, document.media_type, document.asked_at, document.source)
        )
        return document

    def child(self, reference: Reference, digest: str) -> Document:
        """The manifest that an index of ``reference`` names by digest.

        :raises RegistryError: no registry has it or can be asked.
        """
        return self._by_digest(reference, digest, endpoints_for(reference.registry, self._mirrors))

    def blob(self, reference: Reference, digest: str) -> Mapping[str, object]:
        """A small JSON blob, such as an image's configuration.

        :raises RegistryError: no registry has it, can be asked, or what came is no JSON object or not this digest.
        """
        data = self._cache.content(digest)
        if data is None:
            endpoints = endpoints_for(reference.registry, self._mirrors)
            endpoint, response = self._ask(reference, endpoints, f"blobs/{digest}", accept="*/*")
            data = response.body
            if not image_cache.matches(digest, data):
                raise _wrong_digest(endpoint, reference, digest)
            self._cache.keep_content(digest, data)
        return _json(data, reference.registry, digest)

    def _by_digest(self, reference: Reference, digest: str, endpoints: Sequence[Endpoint]) -> Document:
        content = self._cache.content(digest)
        if content is not None:
            return _document(digest, "", content, "", time.time())
        endpoint, response = self._ask(reference, endpoints, f"manifests/{digest}")
        document = _read(response, endpoint, reference.with_target(None, digest))
        self._cache.keep_content(digest, response.body)
        return document

    def _unmoved(self, reference: Reference, known: Pointer, endpoints: Sequence[Endpoint]) -> bool:
        _endpoint, response = self._ask(reference, endpoints, f"manifests/{reference.target}", method="HEAD")
        return response.headers.get("docker-content-digest") == known.digest

    def _ask(
        self, reference: Reference, endpoints: Sequence[Endpoint], path: str, accept: str = _ACCEPT, method: str = "GET"
    ) -> tuple[Endpoint, Response]:
        """Ask one address after the other; the registry's own verdict counts, mirrors' are told beside it."""
        failures: list[RegistryError] = []
        for endpoint in endpoints:
            try:
                return endpoint, self._ask_one(endpoint, reference, path, accept, method)
            except RegistryError as error:
                failures.append(error)
        last = failures[-1]
        raise RegistryError(last.status, "; ".join(str(error) for error in reversed(failures)))

    def _ask_one(self, endpoint: Endpoint, reference: Reference, path: str, accept: str, method: str) -> Response:
        with self._lock:
            failed = self._failed.get(endpoint.url) or self._failed.get(f"{endpoint.url}/{reference.repository}")
        if failed:
            raise failed
        url = f"{endpoint.url}/{reference.repository}/{path}"
        if endpoint.mirror:
            # containerd tells mirrors so whose image it wants; those that serve one registry ignore it.
            url += "?ns=" + urllib.parse.quote(reference.registry, safe="")
        headers = {"Accept": accept}
        authorization = self._authorization(endpoint, reference)
        if authorization:
            headers["Authorization"] = authorization
        response = self._send(endpoint, method, url, headers)
        if response.status == 401:
            authorization = self._answer_challenge(endpoint, reference, response, authorization)
            if authorization:
                headers["Authorization"] = authorization
                response = self._send(endpoint, method, url, headers)
        if response.status == 200:
            return response
        verdict = self._verdict(endpoint, reference, response, path)
        if verdict.status == UNAUTHORIZED:
            self._remember(f"{endpoint.url}/{reference.repository}", verdict)
        raise verdict

    def _send(
        self, endpoint: Endpoint, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Response:
        """One question with patience: rate limits are waited for, server errors tried again, dead hosts remembered."""
        waited = 0.0
        server_errors = limits = 0
        while True:
            try:
                response = self._transport.request(method, url, headers, body)
            except TransportError as error:
                host = urllib.parse.urlsplit(url).netloc.rpartition("@")[2]
                via = "" if host == endpoint.host else f" {host} for its tokens:"
                raise self._remember(
                    endpoint.url, RegistryError(UNREACHABLE, f"{endpoint.label} cannot be reached:{via} {error}")
                ) from None
            if response.status == 429:
                limits += 1
                delay = retry_after(response.headers, time.time())
                pause = delay if delay is not None else float(2 ** (limits - 1))
                if waited + pause > self._rate_limit_wait or limits >= _RATE_LIMIT_TRIES:
                    raise self._remember(endpoint.url, _rate_limited(endpoint, response, delay))
                waited += pause
                self._sleep(pause)
            elif response.status >= 500 and server_errors < _SERVER_ERROR_TRIES - 1:
                server_errors += 1
                self._sleep(0.5 * server_errors)
            else:
                return response

    def _remember(self, url: str, error: RegistryError) -> RegistryError:
        """Later questions to the same host, or repository, need not wait for the same answer."""
        with self._lock:
            return self._failed.setdefault(url, error)

    def _authorization(self, endpoint: Endpoint, reference: Reference) -> str | None:
        """What to send with the first request, once this host has said how it wants to be asked."""
        with self._lock:
            challenge = self._challenges.get(endpoint.url)
        if not challenge:
            return None
        return self._log_in(endpoint, reference, challenge, None)

    def _answer_challenge(
        self, endpoint: Endpoint, reference: Reference, response: Response, sent: str | None
    ) -> str | None:
        challenge = parse_challenge(response.headers.get("www-authenticate", ""))
        if not challenge:
            return None
        with self._lock:
            self._challenges[endpoint.url] = challenge
        return self._log_in(endpoint, reference, challenge, sent)

    def _log_in(
        self, endpoint: Endpoint, reference: Reference, challenge: tuple[str, dict[str, str]], refused: str | None
    ) -> str | None:
        """The ``Authorization`` header for a challenge, or None if there is no other than the refused one."""
        scheme, parameters = challenge
        registry = normalize_registry(endpoint.host)
        credential = self._credentials.get(registry, reference.repository)
        if scheme == "basic":
            header = credential.basic() if credential and not credential.identity_token else None
            return None if header == refused else header
        key = (endpoint.url, reference.repository)
        with self._lock:
            lock = self._token_locks.setdefault(key, threading.Lock())
        with lock:
            token = self._tokens.get(key)
            if token and token.header != refused and token.expires > time.monotonic():
                return token.header
            token = self._fetch_token(endpoint, reference, parameters)
            self._tokens[key] = token
            return token.header if token.header != refused else None

    def _fetch_token(self, endpoint: Endpoint, reference: Reference, parameters: Mapping[str, str]) -> _Token:
        """docker's token specification: GET with Basic, or POST with the refresh token (OAuth 2)."""
        realm = parameters.get("realm", "")
        try:
            parts = urllib.parse.urlsplit(realm)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise RegistryError(ERROR, f"{endpoint.label} sends us to {realm!r} for a token, which is not an address")
        if endpoint.url.startswith("https://") and parts.scheme != "https":
            raise RegistryError(
                ERROR,
                f"{endpoint.label} sends us to {parts.hostname} for a token, without https; nothing was sent there",
            )
        credential = self._credentials.get(normalize_registry(endpoint.host), reference.repository)
        scope = f"repository:{reference.repository}:pull"
        question = {"scope": scope}
        if parameters.get("service"):
            question["service"] = parameters["service"]
        headers = {"Accept": "application/json"}
        if credential and credential.identity_token:
            form = {"grant_type": "refresh_token", "client_id": "bramble.kube", **question}
            body = urllib.parse.urlencode({**form, "refresh_token": credential.identity_token}).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            response = self._send(endpoint, "POST", realm, headers, body)
        else:
            if credential:
                headers["Authorization"] = credential.basic()
            separator = "&" if parts.query else "?"
            response = self._send(endpoint, "GET", realm + separator + urllib.parse.urlencode(question), headers)
        if response.status in (400, 401, 403):
            refused = _refused(endpoint, reference, credential is not None)
            raise self._remember(f"{endpoint.url}/{reference.repository}", refused)
        if response.status != 200:
            raise RegistryError(
                ERROR, f"{endpoint.label}'s token server {parts.hostname} answered HTTP {response.status}"
            )
        try:
            answer = json.loads(response.body)
            token = answer.get("token") or answer.get("access_token")
            lifetime = float(answer.get("expires_in") or _TOKEN_LIFETIME)
        except (ValueError, TypeError, AttributeError):
            token = None
        if not isinstance(token, str) or not token or re.search(r"[\r\n]", token):
            raise RegistryError(ERROR, f"{endpoint.label}'s token server {parts.hostname} answered without a token")
        return _Token(f"Bearer {token}", time.monotonic() + max(lifetime - _TOKEN_SLACK, 1.0))

    def _verdict(self, endpoint: Endpoint, reference: Reference, response: Response, path: str) -> RegistryError:
        """An HTTP status as a sentence."""
        label, repository = endpoint.label, reference.repository
        if response.status == 404:
            thing = reference.digest or f"tag {reference.tag or 'latest'}"
            if "NAME_UNKNOWN" in _error_codes(response.body):
                return RegistryError(NOT_FOUND, f"{label} has no repository {repository}")
            if path.endswith(reference.target):
                return RegistryError(NOT_FOUND, f"{label} has no {thing} of {repository}")
            return RegistryError(NOT_FOUND, f"{label} has {repository} but not its {path}")
        if response.status in (401, 403):
            known = self._credentials.get(normalize_registry(endpoint.host), repository) is not None
            return _refused(endpoint, reference, known)
        if response.status >= 500:
            return RegistryError(UNREACHABLE, f"{label} is broken at the moment (HTTP {response.status})")
        return RegistryError(ERROR, f"{label} answered HTTP {response.status} for {repository}")


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait by ``Retry-After`` (seconds or a date, RFC 9110) or Docker Hub's ``X-Retry-After`` (a moment).

    :param headers: names in lower case.
    :param now: seconds since 1970.
    :returns: seconds, at least 0, or None if the registry does not say.
    """
    for name in ("retry-after", "x-retry-after"):
        value = headers.get(name, "").strip()
        if re.match(r"[0-9]{1,12}(\.[0-9]{1,9})?\Z", value):
            seconds = float(value)
            # A number this large is a moment, not a duration.
            return min(max(seconds - now, 0.0) if seconds > 1_000_000_000 else seconds, _LONGEST_WAIT)
        if value:
            try:
                moment = email.utils.parsedate_to_datetime(value).timestamp()
                return min(max(moment - now, 0.0), _LONGEST_WAIT)
            except (TypeError, ValueError, OverflowError):
                continue
    return None


def parse_challenge(header: str) -> tuple[str, dict[str, str]] | None:
    """The first Bearer (else Basic) challenge of a ``WWW-Authenticate`` header (RFC 9110, 11.6.1).

    :returns: scheme in lower case and its parameters, or None.
    """
    found: dict[str, dict[str, str]] = {}
    scheme = ""
    for match in re.finditer(
        r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|([A-Za-z]+)(?=\s|,|$)', header
    ):
        name, quoted, plain, word = match.groups()
        if word:
            scheme = word.lower()
            found.setdefault(scheme, {})
        elif scheme:
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            found[scheme].setdefault(name.lower(), value)
    for wanted in ("bearer", "basic"):
        if wanted in found and (wanted == "basic" or found[wanted].get("realm")):
            return wanted, found[wanted]
    return None


def _rate_limited(endpoint: Endpoint, response: Response, delay: float | None) -> RegistryError:
    until = ""
    if delay is not None:
        until = time.strftime(" until %H:%M:%S UTC", time.gmtime(time.time() + delay))
    limit = re.match(r"(\d+)(?:;w=(\d+))?", response.headers.get("ratelimit-limit", ""))
    used = ""
    if limit:
        used = f", its {limit.group(1)} requests"
        if limit.group(2):
            used += f" in {int(limit.group(2)) / 3600:g} h"
        used += " are used up"
    return RegistryError(
        RATE_LIMITED,
        f"{endpoint.label} answers no more requests from here{until}{used}; log in there, use a mirror, or try later",
    )


def _refused(endpoint: Endpoint, reference: Reference, logged_in: bool) -> RegistryError:
    if logged_in:
        hint = "the login that was used may not read it, or it does not exist"
    else:
        hint = "it is private or does not exist; log in with docker login or give credentials"
    return RegistryError(UNAUTHORIZED, f"{endpoint.label} does not let us read {reference.repository}: {hint}")


def _wrong_digest(endpoint: Endpoint, reference: Reference, digest: str) -> RegistryError:
    return RegistryError(ERROR, f"what {endpoint.label} sent for {reference.repository} is not what {digest} names")


def _error_codes(body: bytes) -> set[str]:
    try:
        return {str(error.get("code")) for error in json.loads(body)["errors"]}
    except (ValueError, KeyError, TypeError, AttributeError):
        return set()


def _json(data: bytes, registry: str, what: str) -> Mapping[str, object]:
    try:
        value = json.loads(data)
    except ValueError:
        value = None
    if not isinstance(value, Mapping):
        raise RegistryError(ERROR, f"{registry} sent for {what} something other than a JSON object")
    return value


def _document(digest: str, media_type: str, data: bytes, source: str, asked_at: float, stale: bool = False) -> Document:
    content = _json(data, source or "the cache", digest)
    return Document(digest, media_type or _media_type(content, ""), content, source, asked_at, stale)


def _media_type(content: Mapping[str, object], header: str) -> str:
    """The type that the document itself states, else the header's, else by its shape."""
    stated = str(content.get("mediaType") or header.split(";")[0].strip())
    if stated in (*INDEX_TYPES, *MANIFEST_TYPES, *SCHEMA1_TYPES):
        return stated
    if isinstance(content.get("manifests"), list):
        return INDEX_TYPES[0]
    if content.get("schemaVersion") == 1:
        return SCHEMA1_TYPES[0]
    if isinstance(content.get("config"), Mapping):
        return MANIFEST_TYPES[0]
    return stated


def _read(response: Response, endpoint: Endpoint, reference: Reference) -> Document:
    content = _json(response.body, endpoint.label, f"{reference.repository}:{reference.target}")
    media_type = _media_type(content, response.headers.get("content-type", ""))
    stated = reference.digest or response.headers.get("docker-content-digest", "")
    if media_type in SCHEMA1_TYPES:
        # Its digest leaves the signature out, so it cannot be compared with the bytes.
        digest = stated
    else:
        if stated and not image_cache.matches(stated, response.body):
            raise _wrong_digest(endpoint, reference, stated)
        digest = stated or "sha256:" + hashlib.sha256(response.body).hexdigest()
    return Document(digest, media_type, content, endpoint.url, time.time())
