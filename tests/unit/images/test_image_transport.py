"""Certificates, plain http and redirects: what is refused, and in which words."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_registry import FakeRegistry

from ansible_collections.bramble.kube.plugins.module_utils.common.http import Transport, TransportError, fetch


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "1", "-subj", "/CN=pi", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "cert.pem"


@pytest.fixture
def secure(certificate: Path) -> Iterator[FakeRegistry]:
    fake = FakeRegistry()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    fake._server.socket = context.wrap_socket(fake._server.socket, server_side=True)
    fake.url = f"https://{fake.host}"
    fake.add_index("a", "1", "linux/arm64")
    yield fake
    fake.close()


def get(url: str, **options: object):
    transport = Transport(timeout=5, environment={}, **options)
    try:
        return transport.request("GET", url, {"Authorization": "Bearer t"})
    finally:
        transport.close()


def test_own_authority(secure: FakeRegistry, certificate: Path) -> None:
    url = f"{secure.url}/v2/a/manifests/1"
    with pytest.raises(TransportError, match=r"certificate is not trusted .*give its CA with ca_path"):
        get(url)
    assert get(url, ca_path=str(certificate)).status == 200
    assert get(url, validate_certs=False).status == 200


def test_plain_http_where_https_was_expected(registry: FakeRegistry) -> None:
    with pytest.raises(TransportError, match=r"speaks plain http; say so with mirrors"):
        get(f"https://{registry.host}/v2/")


def test_never_from_https_to_http(secure: FakeRegistry, registry: FakeRegistry, certificate: Path) -> None:
    secure.redirect_blobs_to = registry.url
    with pytest.raises(TransportError, match="away from https"):
        get(f"{secure.url}/v2/a/blobs/x", ca_path=str(certificate))
    assert not registry.asked


def test_redirects_end(registry: FakeRegistry) -> None:
    registry.redirect_blobs_to = registry.url
    with pytest.raises(TransportError, match="more than 5 times"):
        get(f"{registry.url}/v2/a/blobs/x")
    assert registry.asked == {"GET": 6}


def test_kept_connection_that_the_other_side_closed(registry: FakeRegistry) -> None:
    registry.add_index("a", "1", "linux/arm64")
    transport = Transport(timeout=5, environment={})
    url = f"{registry.url}/v2/a/manifests/1"
    assert transport.request("GET", url).status == 200
    (kept,) = next(iter(transport._idle.values()))
    kept.close()
    assert transport.request("GET", url).status == 200
    transport.close()


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(TransportError, match=r"the name nowhere\.invalid cannot be resolved"):
        get("http://nowhere.invalid/v2/")


def test_an_answer_without_end(registry: FakeRegistry) -> None:
    registry.add("a", b"x" * (9 * 1024 * 1024), "application/json", "1")
    with pytest.raises(TransportError, match="larger than 8 MiB"):
        get(f"{registry.url}/v2/a/manifests/1")


class Answering:
    """Answers every request with the same bytes, and keeps what was asked; byte by byte if it is to trickle."""

    def __init__(self, answer: bytes, pause: float = 0.0) -> None:
        self.asked: list[bytes] = []
        self._answer, self._pause = answer, pause
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            sock, _address = self._listener.accept()
            with sock, contextlib.suppress(OSError):
                self.asked.append(sock.recv(65536))
                for start in range(0, len(self._answer), 1 if self._pause else 65536):
                    sock.sendall(self._answer[start : start + 1] if self._pause else self._answer)
                    time.sleep(self._pause)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


def redirect(status: int, target: str) -> bytes:
    return f"HTTP/1.1 {status} Go\r\nLocation: {target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_login_never_follows_a_redirect_to_another_server(status: int) -> None:
    other = Answering(OK)
    first = Answering(redirect(status, f"{other.url}/token"))
    assert get(f"{first.url}/").status == 200
    assert b"Bearer t" in first.asked[0]
    assert len(other.asked) == 1 and b"uthorization" not in other.asked[0]


@pytest.mark.parametrize("status", [307, 308])
def test_what_is_posted_never_follows_a_redirect_to_another_server(status: int) -> None:
    other = Answering(OK)
    first = Answering(redirect(status, f"{other.url}/token"))
    transport = Transport(timeout=5, environment={})
    with pytest.raises(TransportError, match=r"which must not get what is meant for 127\.0\.0\.1"):
        transport.request("POST", f"{first.url}/token", {}, b"refresh_token=s3cret")
    assert other.asked == []


class Counting:
    """Answers the first request of each connection and keeps it open; at the second it ends it without a word."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            threading.Thread(target=self._serve, args=self._listener.accept()[:1], daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            self.asked.append(sock.recv(65536).partition(b" ")[0])
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            self.asked += filter(None, [sock.recv(65536).partition(b" ")[0]])


def test_what_is_posted_is_never_sent_twice() -> None:
    """On a kept connection that breaks, nobody knows whether the server did it already."""
    server = Counting()
    transport = Transport(timeout=5, environment={})
    for method, body in (("GET", None), ("GET", None), ("POST", b"x")):
        assert transport.request(method, server.url, {}, body).status == 200
    transport.close()
    assert server.asked == [b"GET", b"GET", b"GET", b"POST"]


def test_see_other_after_a_head_stays_one() -> None:
    other = Answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n")
    transport = Transport(timeout=5, environment={})
    assert transport.request("HEAD", Answering(redirect(303, other.url)).url).status == 200
    assert [asked.split()[0] for asked in other.asked] == [b"HEAD"]


def test_see_other_after_a_post_is_a_get() -> None:
    other = Answering(OK)
    transport = Transport(timeout=5, environment={})
    assert transport.request("POST", Answering(redirect(303, other.url)).url, {}, b"x").status == 200
    assert [asked.split()[0] for asked in other.asked] == [b"GET"]


def test_a_registry_that_trickles_is_given_up_in_time() -> None:
    begun = time.monotonic()
    with pytest.raises(TransportError, match=r"no whole answer within 0\.5 s"):
        Transport(timeout=0.5, environment={}).request("GET", Answering(OK, pause=0.1).url)
    assert time.monotonic() - begun < 1.5


@pytest.mark.parametrize(
    "target", ["http://[", "http://a:99999/", "ftp://a/", "http://a b/", "http://\u00e9\u00e9..x/"]
)
def test_a_redirect_to_nowhere_is_one_sentence(target: str) -> None:
    with pytest.raises(TransportError):
        get(Answering(redirect(302, target)).url)


def test_a_download_is_bounded_and_says_what_came() -> None:
    with pytest.raises(TransportError, match="larger than 0 MiB"):
        fetch(Answering(OK).url, most=1)
    with pytest.raises(TransportError, match="the answer is 404 Not Found") as caught:
        fetch(Answering(OK.replace(b"200 OK", b"404 Gone")).url, most=10)
    assert caught.value.status == 404
