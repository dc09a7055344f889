"""Proxies in front of an API server that break what passes: toxiproxy for connections, an own one for answers."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from apiserver import ApiServer, free_port
from toxiproxy import toxiproxy_program


class Toxiproxy:
    """One toxiproxy with one proxy in front of a port on loopback."""

    def __init__(self, port: int) -> None:
        self._control = free_port()
        self.port = free_port()
        self._process = subprocess.Popen(
            [str(toxiproxy_program()), "-host", "127.0.0.1", "-port", str(self._control)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        body = {"name": "api", "listen": f"127.0.0.1:{self.port}", "upstream": f"127.0.0.1:{port}"}
        for _try in range(100):
            try:
                self._ask("POST", "/proxies", body)
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("toxiproxy does not answer")

    def add(self, kind: str, stream: str = "downstream", toxicity: float = 1.0, **attributes: int) -> None:
        """Add a toxic: latency, timeout, reset_peer, slow_close, limit_data, bandwidth."""
        body = {
            "name": f"{kind}-{stream}",
            "type": kind,
            "stream": stream,
            "toxicity": toxicity,
            "attributes": attributes,
        }
        self._ask("POST", "/proxies/api/toxics", body)

    def remove(self, kind: str, stream: str = "downstream") -> None:
        """Take a toxic away."""
        self._ask("DELETE", f"/proxies/api/toxics/{kind}-{stream}")

    def enable(self, enabled: bool) -> None:
        """Refuse connections, or take them again."""
        self._ask("POST", "/proxies/api", {"enabled": enabled})

    def close(self) -> None:
        """End the proxy."""
        self._process.kill()
        self._process.wait()

    def _ask(self, method: str, path: str, body: Any = None) -> None:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json", "User-Agent": "test"}
        request = urllib.request.Request(f"http://127.0.0.1:{self._control}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()


# What a rule may return: None (pass on), "drop" (close without an answer), "half" (half of the real answer), "hang",
# or (status, headers, body).
Rule = Callable[[str, str, int], Any]


class AnsweringProxy:
    """Speaks TLS as the API server does, passes requests on, or answers itself as a rule says."""

    def __init__(self, api: ApiServer, rule: Rule) -> None:
        self.count = 0
        self.log: list[tuple[str, str, Any]] = []
        self._rule = rule
        self._lock = threading.Lock()
        upstream = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        upstream.load_verify_locations(str(api.path("ca.crt")))
        upstream.load_cert_chain(str(api.path("admin.crt")), str(api.path("admin.key")))
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_args: Any) -> None:
                return

            def _pass(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                verdict = proxy.judge(self.command, self.path)
                if verdict == "hang":
                    time.sleep(3)
                if verdict in ("drop", "hang"):
                    self.close_connection = True
                    return
                if isinstance(verdict, tuple):
                    status, headers, content = verdict
                    self._answer(status, headers, json.dumps(content).encode())
                    return
                connection = http.client.HTTPSConnection("127.0.0.1", api.port, context=upstream, timeout=30)
                headers = {
                    key: value for key, value in self.headers.items() if key.lower() not in ("host", "content-length")
                }
                connection.request(self.command, self.path, body or None, headers)
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                passed = {"Content-Type": answer.headers.get("Content-Type", "")}
                if verdict == "half":
                    self.send_response(answer.status)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content[: len(content) // 2])
                    self.close_connection = True
                    return
                self._answer(answer.status, passed, content)

            def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
                self.send_response(status)
                for key, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PATCH = do_POST = do_DELETE = _pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(api.path("server.crt")), str(api.path("server.key")))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_args: None  # type: ignore[method-assign]
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def judge(self, method: str, path: str) -> Any:
        """Count one request and ask the rule."""
        with self._lock:
            self.count += 1
            verdict = self._rule(method, path, self.count)
            self.log.append((method, path, verdict))
            return verdict

    def close(self) -> None:
        """End the proxy."""
        self._server.shutdown()
        self._server.server_close()


def status(code: int, reason: str, message: str, **more: Any) -> dict:
    """A Status object as the API server sends it."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        **more,
    }
