# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of the API server against a small HTTP server: errors, deadlines, watches."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import kube
import pytest


class Server:
    """Answers each request by a function of (method, path, body) → (status, object or a list of lines)."""

    def __init__(self, answer):
        self.asked = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _handle(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                server.asked.append((self.command, self.path, body, dict(self.headers)))
                status, told = answer(self.command, self.path, body)
                lines = told if isinstance(told, list) else [told]
                self.send_response(status)
                self.end_headers()
                for line in lines:
                    self.wfile.write(json.dumps(line).encode() + b"\n")
                    self.wfile.flush()

            do_GET = do_POST = do_PATCH = do_DELETE = _handle

            def log_message(self, *_arguments):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self):
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def serve():
    servers = []

    def start(answer):
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def wait(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_token_is_read_for_each_call(serve, tmp_path):
    server = serve(lambda *_asked: (200, {"kind": "Release"}))
    token = tmp_path / "token"
    client = kube.Kube(server.address, token)
    for text in ("one", "two\n"):
        token.write_text(text)
        client.get("Release", "digits-1")
    assert [asked[3]["Authorization"] for asked in server.asked] == ["Bearer one", "Bearer two"]
    assert server.asked[0][1] == "/apis/loop.bramble.kube/v1alpha1/namespaces/loop/releases/digits-1"


def test_acting_in_a_persons_name_leaves_the_account_as_it_was(serve):
    server = serve(lambda *_asked: (200, {}))
    client = kube.Kube(server.address)
    client.acting("ada").get("Gate", "gate")
    client.get("Gate", "gate")
    assert [asked[3].get("Impersonate-User") for asked in server.asked] == ["ada", None]


@pytest.mark.parametrize(
    ("status", "error"),
    [(403, kube.Refused), (422, kube.Refused), (404, kube.NotFound), (409, kube.Conflict), (500, kube.KubeError)],
)
def test_each_refusal_is_an_error_of_its_own(serve, status, error):
    told = {"kind": "Status", "reason": "Word", "message": "accuracy is 0.8, 0.93 is wanted"}
    client = kube.Kube(serve(lambda *_asked: (status, told)).address)
    with pytest.raises(error, match=r"0\.93 is wanted") as caught:
        client.patch("Release", "digits-1", {"spec": {}})
    assert (caught.value.status, caught.value.reason) == (status, "Word")


def test_an_api_server_that_does_not_know_its_rules_yet_is_away(serve):
    """As 1.37.2 says it for a moment after its start."""
    words = (
        "releases.loop.bramble.kube 'digits-1' is forbidden: ValidatingAdmissionPolicy 'loop-decision' with binding "
        "'loop-decision' denied request: failed to configure policy: failed to find resource referenced by paramKind: "
        "'loop.bramble.kube/v1alpha1, Kind=Gate'"
    )
    client = kube.Kube(serve(lambda *_asked: (422, {"kind": "Status", "message": words})).address)
    with pytest.raises(kube.Away):
        client.patch("Release", "digits-1", {"spec": {}})


def test_nobody_there_is_away():
    with pytest.raises(kube.Away):
        kube.Kube("http://127.0.0.1:9").get("Gate", "gate")


def test_an_answer_that_never_ends_is_cut_at_the_deadline(serve):
    def slow(*_asked):
        time.sleep(1)
        return 200, {}

    client = kube.Kube(serve(slow).address, deadline=0.2)
    begin = time.monotonic()
    with pytest.raises(kube.Away):
        client.get("Gate", "gate")
    assert time.monotonic() - begin < 0.8


def test_a_mirror_follows_and_keeps_what_it_knew(serve):
    state = {"away": False, "lists": 0}

    def item(name, version):
        return {"metadata": {"name": name, "resourceVersion": version}}

    def answer(_method, path, _body):
        if state["away"]:
            return 500, {}
        if "watch=1" in path:
            if "resourceVersion=5" in path:
                return 200, [
                    {"type": "ADDED", "object": item("two", "6")},
                    {"type": "DELETED", "object": item("one", "7")},
                    {"type": "BOOKMARK", "object": item("", "8")},
                ]
            state["away"] = True
            return 200, [{"type": "ERROR", "object": {"code": 410, "message": "too old"}}]
        state["lists"] += 1
        return 200, {"items": [item("one", "5")], "metadata": {"resourceVersion": "5"}}

    server = serve(answer)
    seen = []
    mirror = kube.Mirror(kube.Kube(server.address), "ConfigMap", "a=b", changed=lambda: seen.append(1)).start()
    wait(lambda: "two" in mirror.objects())
    wait(lambda: mirror.since is not None)
    assert list(mirror.objects()) == ["two"], "what is known stays while the API server is away"
    assert any("resourceVersion=8" in asked[1] for asked in server.asked), "goes on from the bookmark"
    state["away"] = False
    wait(lambda: state["lists"] > 1 and mirror.since is None)


def test_moments():
    assert kube.seconds_since("2026-01-01T00:00:10Z", at=1767225600 + 70) == 60
    assert kube.seconds_since(kube.now()) < 5


def test_a_phase_keeps_the_history():
    release = {"status": {"history": [{"phase": "Asked"}]}}
    told = kube.phase_change(release, "Training", "on it")
    assert [entry["phase"] for entry in told["history"]] == ["Asked", "Training"]
    assert (told["phase"], told["message"]) == ("Training", "on it")
    assert kube.number("two-words-12") == 12
