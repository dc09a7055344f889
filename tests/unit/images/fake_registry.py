"""A registry with a token server on loopback, with every trouble that tests ask for."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import urllib.parse
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def encode(value: object) -> bytes:
    return json.dumps(value).encode()


class QuietServer(ThreadingHTTPServer):
    """Clients that hang up are part of the tests."""

    def handle_error(self, _request: object, _address: object) -> None:
        pass


class FakeRegistry:
    """Holds images by repository; counts what it was asked; ``login`` and ``mode`` decide how it answers."""

    def __init__(self) -> None:
        self.contents: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.asked: Counter[str] = Counter()
        self.authorizations: list[str | None] = []
        self.queries: list[str] = []
        self.login: tuple[str, str] | None = None  # None: anybody; user and password otherwise
        self.identity_token = ""
        self.scheme = ""  # "", "Bearer" or "Basic"
        self.limit_answers: list[dict[str, str]] = []  # headers of 429 answers still to give
        self.broken_answers = 0  # 500s still to give
        self.redirect_blobs_to = ""
        self.realm = ""
        self.lie = False  # send other bytes than asked for
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_values: object) -> None:
                pass

            def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def do_POST(self) -> None:
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                registry.asked["token"] += 1
                if form.get("refresh_token") == [registry.identity_token] and form["grant_type"] == ["refresh_token"]:
                    self.reply(200, encode({"access_token": "good-" + form["scope"][0], "expires_in": 300}))
                else:
                    self.reply(401)

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                registry.answer(self)

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        self.realm = f"{self.url}/token"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, repository: str, content: object, media_type: str, *tags: str) -> dict[str, object]:
        """Store a manifest (or a blob, without media type) and return its descriptor."""
        data = content if isinstance(content, bytes) else encode(content)
        digest = digest_of(data)
        for name in (digest, *tags):
            self.contents[(repository, name)] = (media_type, data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def add_image(self, repository: str, platform: str, *tags: str, layer: int = 1000) -> dict[str, object]:
        """Store an image for one platform; its layers exist as sizes alone."""
        os, architecture, variant = (*platform.split("/"), "")[:3]
        stated = {"os": os, "architecture": architecture, **({"variant": variant} if variant else {})}
        config = self.add(repository, stated, CONFIG)
        layers = [{"mediaType": "x", "digest": digest_of(platform.encode()), "size": layer}]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
        return {**self.add(repository, manifest, MANIFEST, *tags), "platform": stated}

    def add_index(self, repository: str, tag: str, *platforms: str, more: list[dict[str, object]] | None = None) -> str:
        """Store an index with an image for each platform; returns its digest."""
        entries = [
            self.add_image(repository, platform, layer=1000 * (position + 1))
            for position, platform in enumerate(platforms)
        ]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries + (more or [])}
        return str(self.add(repository, index, INDEX, tag)["digest"])

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urllib.parse.urlsplit(handler.path)
        query = urllib.parse.parse_qs(parts.query)
        authorization = handler.headers.get("Authorization")
        if parts.path == "/token":
            return self._token(handler, query, authorization)
        self.asked[handler.command] += 1
        self.queries.append(parts.query)
        self.authorizations.append(authorization)
        if self.limit_answers:
            return handler.reply(429, **self.limit_answers.pop(0))
        if self.broken_answers:
            self.broken_answers -= 1
            return handler.reply(503)
        words = parts.path.split("/")
        repository, kind, name = "/".join(words[2:-2]), words[-2], words[-1]
        if self.scheme and not self._allowed(authorization, repository):
            if self.scheme == "Basic":
                return handler.reply(401, WWW_Authenticate='Basic realm="here"')
            challenge = f'Bearer realm="{self.realm}",service="fake",scope="repository:{repository}:pull"'
            return handler.reply(401, WWW_Authenticate=challenge)
        if kind == "blobs" and self.redirect_blobs_to:
            return handler.reply(307, Location=f"{self.redirect_blobs_to}/v2/{repository}/blobs/{name}")
        found = self.contents.get((repository, name))
        if not found:
            return handler.reply(404, encode({"errors": [{"code": "MANIFEST_UNKNOWN"}]}))
        media_type, data = found
        if self.lie:
            data = data.replace(b"linux", b"lunix")
        return handler.reply(200, data, Content_Type=media_type, Docker_Content_Digest=digest_of(found[1]))

    def _allowed(self, authorization: str | None, repository: str) -> bool:
        if self.scheme == "Basic":
            return authorization == self._basic()
        return authorization == f"Bearer good-repository:{repository}:pull"

    def _basic(self) -> str | None:
        return "Basic " + base64.b64encode(":".join(self.login).encode()).decode() if self.login else None

    def _token(self, handler: BaseHTTPRequestHandler, query: dict[str, list[str]], authorization: str | None) -> None:
        self.asked["token"] += 1
        if query.get("service") != ["fake"] or (self.login and authorization != self._basic()):
            return handler.reply(401)
        return handler.reply(200, encode({"token": "good-" + query["scope"][0], "expires_in": 300}))
