# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who sends a byte now and then holds no program: each call has one deadline, from the connection to the last byte."""

from __future__ import annotations

import importlib.util
import socket
import ssl
import sys
import threading
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import http_call
import kube
import notify
import pytest
import switch
from certificates import self_signed
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

FILES = Path(__file__).resolve().parents[3] / "roles/kubeflow/files"
BODY = b'{"items": [], "metadata": {}}' + b" " * 300
#: What is sent at once, and what byte by byte.
DRIPS = {
    "head": (b"", b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 300),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY), BODY),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 60),
    "mail": (b"220 mail", b"." * 300),
}
SECONDS = 0.4
LONG = 3.0  # seconds in which a whole answer would still not be there


class Dripping:
    """A server that sends a byte each 50 ms, for far longer than anybody waits."""

    def __init__(self, at_once: bytes, drip: bytes, tls: ssl.SSLContext | None = None) -> None:
        self._at_once, self._drip, self._tls = at_once, drip, tls
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _address = self._socket.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                if self._tls:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                connection.sendall(self._at_once)
                for place in range(len(self._drip)):
                    if self._over.wait(0.05):
                        return
                    connection.sendall(self._drip[place : place + 1])
            except OSError:
                return  # the other side has had enough

    def close(self) -> None:
        self._over.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def dripping():
    servers = []

    def start(what: str, tls: ssl.SSLContext | None = None) -> Dripping:
        servers.append(Dripping(*DRIPS[what], tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def in_time():
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < LONG


@pytest.fixture
def certificate(tmp_path):
    """A server's side of TLS; its certificate is in ca.crt of that folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "ca.crt").write_text(self_signed("drip", key, addresses=["127.0.0.1"]))
    (tmp_path / "key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "ca.crt", tmp_path / "key")
    return context


def program(path: Path, monkeypatch, *absent: str) -> ModuleType:
    """A program as a module; of libraries that only its image has, it gets empty ones."""
    for name in absent:
        monkeypatch.setitem(sys.modules, name, module := ModuleType(name))
        module.__getattr__ = lambda _name: SimpleNamespace
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


parts_of_http = pytest.mark.parametrize("part", ["head", "body", "chunks"])


@parts_of_http
def test_a_call_ends_at_its_deadline(dripping, in_time, part):
    with pytest.raises(TimeoutError):
        http_call.ask("GET", dripping(part).url, seconds=SECONDS)


@parts_of_http
def test_over_tls_too(dripping, in_time, certificate, tmp_path, part):
    trusted = ssl.create_default_context(cafile=tmp_path / "ca.crt")
    with pytest.raises(TimeoutError):
        http_call.ask("GET", dripping(part, certificate).url, seconds=SECONDS, tls=trusted)


def test_who_takes_a_connection_and_says_nothing_of_tls_is_left(in_time):
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TimeoutError):
        http_call.ask("GET", f"https://127.0.0.1:{silent.getsockname()[1]}", seconds=SECONDS)


def test_what_is_no_http_is_an_error_of_the_network(dripping):
    with pytest.raises(http_call.NotHttp, match="BadStatusLine"):
        server = dripping("mail")
        server._drip = b"\r\n"
        http_call.ask("GET", server.url, seconds=5)


@parts_of_http
def test_the_switch_goes_on(dripping, in_time, part):
    with pytest.raises(TimeoutError):
        switch.fetch(f"{dripping(part).url}/stats", seconds=SECONDS)


@parts_of_http
@pytest.mark.parametrize("method", ["get", "delete"])
def test_the_client_of_the_api_server_goes_on(dripping, in_time, part, method):
    with pytest.raises(kube.Away):
        getattr(kube.Kube(dripping(part).url, deadline=SECONDS), method)("Gate", "gate")


@parts_of_http
def test_a_watch_ends(dripping, in_time, part):
    with pytest.raises(kube.Away):
        list(kube.Kube(dripping(part).url, deadline=SECONDS).watch("Gate", "", "1", seconds=SECONDS))


@parts_of_http
def test_a_webhook_does_not_hold_up_the_others(dripping, in_time, monkeypatch, part):
    monkeypatch.setattr(notify, "SECONDS", SECONDS)
    with pytest.raises(notify.Unsent, match="timed out"):
        notify.send({"name": "n", "shape": "ntfy", "url": dripping(part).url}, "text", "address", "key")


def test_a_mail_server_does_not_hold_up_the_others(dripping, in_time, monkeypatch):
    monkeypatch.setattr(notify, "SECONDS", SECONDS)
    people = {"from": "bramble@example.org", "to": ["ben@example.org"]}
    where = {"name": "mail", "shape": "smtp", "host": "127.0.0.1", "port": dripping("mail").port, "security": "none"}
    with pytest.raises(notify.Unsent):
        notify.send({**where, **people}, "text", "address", "key")


@parts_of_http
def test_a_check_ends_when_a_models_server_drips(dripping, in_time, monkeypatch, part):
    programs = Path(kube.__file__).parent
    check = program(programs / "check.py", monkeypatch, "joblib", "numpy", "train", "material")
    monkeypatch.setattr(check, "ANSWER", SECONDS)
    served = object.__new__(check.Served)
    served.port, served.latencies = dripping(part).port, []
    with pytest.raises(TimeoutError):
        served._ask("POST", "/v2/models/digits/infer", {"inputs": []})


@parts_of_http
def test_a_notebook_gets_an_error(dripping, in_time, certificate, monkeypatch, tmp_path, part):
    serving = program(FILES / "first_model/serving.py", monkeypatch)
    (tmp_path / "token").write_text("token")
    monkeypatch.setattr(serving, "ACCOUNT", tmp_path)
    monkeypatch.setattr(serving, "SECONDS", SECONDS)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(dripping(part, certificate).port))
    with pytest.raises(TimeoutError):
        serving.log()


@parts_of_http
def test_a_member_of_a_training_gives_up(dripping, in_time, monkeypatch, part):
    parts_of_sklearn = (f"sklearn.{name}" for name in ("datasets", "linear_model", "pipeline", "preprocessing"))
    digits = program(FILES / "smoke/digits.py", monkeypatch, "joblib", "numpy", "sklearn", *parts_of_sklearn)
    monkeypatch.setattr(digits, "PATIENCE", SECONDS)
    with pytest.raises(TimeoutError):
        digits.send("127.0.0.1", dripping(part).port, SimpleNamespace(tolist=lambda: [1.0]))
