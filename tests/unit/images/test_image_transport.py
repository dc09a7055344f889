"""Certificates, plain http and redirects: what is refused, and in which words."""

from __future__ import annotations

import http.client
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_registry import FakeRegistry

from ansible_collections.bramble.kube.plugins.module_utils.images.transport import Transport, TransportError


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
    with pytest.raises(TransportError, match=r"certificate is not trusted .*give its authority with ca_path"):
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
    assert isinstance(kept, http.client.HTTPConnection)
    kept.sock.close()
    assert transport.request("GET", url).status == 200
    transport.close()


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(TransportError, match=r"the name nowhere\.invalid cannot be resolved"):
        get("http://nowhere.invalid/v2/")


def test_an_answer_without_end(registry: FakeRegistry) -> None:
    registry.add("a", b"x" * (9 * 1024 * 1024), "application/json", "1")
    with pytest.raises(TransportError, match="larger than 8 MiB"):
        get(f"{registry.url}/v2/a/manifests/1")
