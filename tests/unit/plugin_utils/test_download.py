# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup `download` takes what has the checksum and the size that are asked for, and nothing else."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible.errors import AnsibleLookupError

from ansible_collections.bramble.kube.plugins.lookup import download

TEXT = "kind: Grüße\n".encode()
SUM = hashlib.sha256(TEXT).hexdigest()


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = self.server.answers.pop(0) if self.server.answers else 200
            self.server.asked += 1
            body = self.server.body
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_values: object) -> None:
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.body, made.answers, made.asked = TEXT, [], 0
    made.url = f"http://127.0.0.1:{made.server_port}/app.yaml"
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSES", (0, 0))


def text(server: ThreadingHTTPServer, sha256: str = SUM, most: int = 1000) -> str:
    return download.LookupModule._text(server.url, sha256, most)


def test_a_text_with_its_checksum(server) -> None:
    assert text(server) == TEXT.decode()


def test_another_text_is_not_taken(server) -> None:
    with pytest.raises(AnsibleLookupError, match=f"has the SHA-256 checksum {SUM}, not {'0' * 64}, which was expected"):
        text(server, "0" * 64)


def test_more_than_it_may_have_is_not_read(server) -> None:
    server.body = b"x" * 100_000
    with pytest.raises(AnsibleLookupError, match=r"app\.yaml cannot be fetched: .*larger than"):
        text(server)


def test_what_is_no_text(server) -> None:
    server.body = b"\xff\xfe"
    with pytest.raises(AnsibleLookupError, match=r"is not UTF-8 text\."):
        text(server, hashlib.sha256(server.body).hexdigest())


def test_a_server_in_trouble_is_asked_again_and_one_that_has_it_not_is_not(server) -> None:
    server.answers = [503, 500]
    assert text(server) == TEXT.decode()
    assert server.asked == 3
    server.answers = [404]
    with pytest.raises(AnsibleLookupError, match="cannot be fetched: the answer is 404 Not Found"):
        text(server)
    assert server.asked == 4
