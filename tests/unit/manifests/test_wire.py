"""HTTP/1.1 as the client reads and writes it, against a listener that says exactly what a test wants."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.module_utils.common import http1 as wire
from ansible_collections.bramble.kube.plugins.module_utils.manifests import client
from ansible_collections.bramble.kube.plugins.module_utils.manifests.auth import Endpoint
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Client, Fault
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError, ClusterError
from ansible_collections.bramble.kube.plugins.module_utils.manifests.retry import Wave

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Listener:
    """Answers each request of each connection with the next text, in pieces of `size` bytes, then hangs up."""

    def __init__(self, *connections: list[bytes], size: int = 1 << 20) -> None:
        self.heard: list[bytes] = []
        self._connections = connections
        self._size = size
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for answers in self._connections:
            sock, _address = self._listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with sock, contextlib.suppress(OSError):
                for answer in answers:
                    self.heard.append(self._request(sock))
                    for start in range(0, len(answer), self._size):
                        sock.sendall(answer[start : start + self._size])

    @staticmethod
    def _request(sock: socket.socket) -> bytes:
        text = b""
        while b"\r\n\r\n" not in text:
            piece = sock.recv(65536)
            if not piece:
                return b""
            text += piece
        head, _end, body = text.partition(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0)
        while len(body) < length:
            body += sock.recv(65536)
        return head + b"\r\n\r\n" + body

    def connect(self) -> wire.Connection:
        return wire.Connection("127.0.0.1", self.port, 5)

    def client(self, **endpoint) -> Client:
        return Client(Endpoint(f"http://127.0.0.1:{self.port}/prefix", **endpoint), 5)


ANSWERS = {
    "length": (b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello", 201, b"hello", False),
    "empty": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b"", False),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", False),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3;a=b\r\nhel\r\nA\r\nlo, world!\r\n0\r\nTrailer: x\r\n\r\n",
        200,
        b"hello, world!",
        False,
    ),
    "continue": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", False),
    "close": (b"HTTP/1.1 429 Slow\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno", 429, b"no", True),
    "old": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", True),
    "to the end": (b"HTTP/1.1 200 OK\r\n\r\nall that comes", 200, b"all that comes", True),
}


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("name", ANSWERS)
def test_answers_however_they_arrive(name, size):
    text, status, content, last = ANSWERS[name]
    connection = Listener([text], size=size).connect()
    connection.send(wire.head("GET", "/", []))
    answer = connection.receive()
    assert (answer.status, answer.content, answer.last) == (status, content, last)
    connection.close()


def test_two_answers_that_arrive_together_are_told_apart():
    connection = Listener([ANSWERS["chunks"][0] + ANSWERS["length"][0]]).connect()
    connection.send(wire.head("GET", "/", []))
    assert connection.receive().content == b"hello, world!"
    second = connection.receive()
    assert second.content == b"hello" and second.headers["x-a"] == "b"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", wire.Ended),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf", wire.Ended),
        (b"HTTP/1.1 200 OK\r\nContent-Le", wire.Ended),
        (b"", wire.Ended),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", wire.Garbled),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", wire.Garbled),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", wire.Garbled),
        (b"x" * 70000, wire.Garbled),
    ],
)
def test_half_and_wrong_answers(text, error):
    connection = Listener([text]).connect()
    connection.send(wire.head("GET", "/", []))
    with pytest.raises(error):
        connection.receive()


def test_a_request_goes_out_as_it_should():
    listener = Listener([OK])
    client = listener.client(authorization="Bearer x", headers=[("Impersonate-User", "zoë")])
    assert client.request("PATCH", "/a", {"q": "a b&c", "empty": ""}, {"k": "v"}, "application/x") == (200, {})
    head, _end, body = listener.heard[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "PATCH /prefix/a?q=a%20b%26c HTTP/1.1" and body == b'{"k":"v"}'
    for line in (f"Host: 127.0.0.1:{listener.port}", "Authorization: Bearer x", "Impersonate-User: zoë"):
        assert line in lines
    assert "Content-Type: application/x" in lines and "Content-Length: 9" in lines


def test_nothing_can_be_slipped_into_a_head():
    with pytest.raises(ValueError, match="Impersonate-User has a control character"):
        wire.head("GET", "/", [("Impersonate-User", "a\r\nEvil: b")])
    with pytest.raises(ValueError, match="has a space"):
        wire.head("GET", "/a b", [])
    client = Client(Endpoint("http://127.0.0.1:1", headers=[("Impersonate-User", "a\nb")]))
    with pytest.raises(ClusterError, match="control character"):
        client.get("/")


def test_one_connection_serves_many_requests_and_an_idle_one_that_ended_is_no_fault():
    listener = Listener([OK, OK], [OK])
    client = listener.client()
    for _count in range(2):
        client.get("/")
    time.sleep(0.1)
    assert client.get("/") == {}
    # The third was sent twice: over the connection that had ended, and over a new one.
    assert client.requests == 4 and len(listener.heard) == 3


def test_so_many_workers_need_no_more_connections():
    listener = socket.create_server(("127.0.0.1", 0))
    accepted = []

    def serve(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while Listener._request(sock):
                sock.sendall(OK)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted.append(listener.accept()[0])
                threading.Thread(target=serve, args=(accepted[-1],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    client = Client(Endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}"), 5)
    outcomes = Wave(lambda _number: client.get("/"), 3, 10).run(range(60))
    assert [outcome.value for outcome in outcomes] == [{}] * 60 and client.requests == 60
    assert len(accepted) <= 3
    client.close()
    listener.close()


def test_a_connection_that_ends_at_once_is_a_fault():
    with pytest.raises(Fault, match="the connection ended in the middle"):
        Listener([b""]).client().get("/")


def test_refusals_keep_their_reason_and_the_time_to_wait():
    body = json.dumps({"kind": "Status", "message": "slow down"}).encode()
    text = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with pytest.raises(ApiError) as caught:
        Listener([text]).client().get("/")
    assert (caught.value.status, caught.value.retry_after, str(caught.value)) == (429, 7.0, "slow down")


def test_a_token_that_has_expired_is_renewed_once():
    refused = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}"
    listener = Listener([refused, OK])
    assert listener.client(authorization="Bearer old", refresh=lambda: "Bearer new").get("/") == {}
    assert b"Bearer old" in listener.heard[0] and b"Bearer new" in listener.heard[1]
    listener = Listener([refused])
    with pytest.raises(ApiError):
        listener.client(authorization="Bearer old", refresh=lambda: "Bearer old").get("/")


@pytest.mark.parametrize("size", [3, 1 << 20])
def test_a_watch_gives_line_by_line(size):
    bodies = [{"metadata": {"name": "a", "resourceVersion": str(number)}} for number in range(3)]
    events = b"\n\n".join(json.dumps({"type": "ADDED", "object": body}).encode() for body in bodies)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (events[:12], events[12:]))
    text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    listener = Listener([text], size=size)
    assert [event["object"] for event in listener.client().watch("/w", {}, 5)] == bodies
    assert b"watch=1" in listener.heard[0]


def test_through_a_proxy():
    listener = Listener([b"HTTP/1.1 200 Connection established\r\n\r\n", OK])
    client = Client(Endpoint("http://k8s.example:6443", proxy=f"http://me:pw@127.0.0.1:{listener.port}"), 5)
    assert client.get("/") == {}
    assert listener.heard[0].startswith(b"CONNECT k8s.example:6443 HTTP/1.1\r\nHost: k8s.example:6443\r\n")
    assert b"Proxy-Authorization: Basic bWU6cHc=" in listener.heard[0]
    assert listener.heard[1].startswith(b"GET / HTTP/1.1\r\nHost: k8s.example:6443\r\n")


def test_a_proxy_that_refuses_is_told():
    listener = Listener([b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"])
    client = Client(Endpoint("http://k8s.example:6443", proxy=f"127.0.0.1:{listener.port}"), 5)
    with pytest.raises(Fault, match=r"the proxy does not connect to k8s.example:6443: HTTP status 407"):
        client.get("/")


@given(st.text(max_size=8) | st.sampled_from(["🍓", "\\ud83c\\udf53", "\\🍓", "\x85\u2028\ufeff\x7f\ufffe"]))
def test_a_body_is_json_and_yaml_with_the_same_content(text):
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return
    body = client.encoded({"a": text})
    assert json.loads(body) == {"a": text}
    assert yaml.safe_load(body) == {"a": text}


def test_letters_above_ffff_are_sent_as_they_are_and_control_characters_are_not():
    assert client.encoded(["🍓\x85\u2028ä"]) == b'["\xf0\x9f\x8d\x93\\u0085\\u2028\\u00e4"]'


class Trickle(Listener):
    """Sends its answer byte by byte, one every tenth of a second."""

    def _serve(self) -> None:
        for answers in self._connections:
            sock, _address = self._listener.accept()
            with sock, contextlib.suppress(OSError):
                self.heard.append(self._request(sock))
                for byte in answers[0]:
                    sock.sendall(bytes([byte]))
                    time.sleep(0.1)


@pytest.mark.parametrize("answer", ["length", "chunks", "to the end"])
def test_a_server_that_trickles_is_not_waited_for_longer_than_one_that_is_silent(answer):
    listener = Trickle([ANSWERS[answer][0]])
    client = Client(Endpoint(f"http://127.0.0.1:{listener.port}"), 0.5)
    begun = time.monotonic()
    with pytest.raises(Fault, match="no answer in time"):
        client.get("/a")
    assert time.monotonic() - begun < 1.5


@pytest.mark.parametrize("value", ["²", "soon", "-1", "9" * 400, "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_wait_that_is_no_number_is_not_waited_for(value):
    answer = b"HTTP/1.1 429 Slow\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n" % value.encode("latin-1")
    with pytest.raises(ApiError) as caught:
        Listener([answer]).client().get("/version")
    assert caught.value.retry_after is None


@pytest.mark.parametrize("server", ["https://[::1", "https://pi:99999", "//pi", "", None, 7, "https://pi:port"])
def test_an_address_that_is_none(server):
    with pytest.raises(ClusterError, match="is not an API server address"):
        Client(Endpoint(server))
