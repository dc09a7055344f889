# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`tools/catalogue --news`, asked of a server that speaks like GitHub's API."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[3] / "tools/pins"))

from news import newer, report


class GitHub(BaseHTTPRequestHandler):
    """Two repositories; the one that has moved is sent on by its number, as GitHub does, and refused without a name."""

    releases = (("v1.1.0", 0), ("v1.2.0-rc.1", 1), ("v1.0.4", 0), ("v1.0.0", 0), ("nightly", 0))
    answers = {
        "/repos/new/name": {"full_name": "new/name", "archived": False},
        "/repositories/7": {"full_name": "new/name", "archived": False},
        "/repos/a/done": {"full_name": "a/done", "archived": True},
        "/repos/new/name/releases?per_page=100": [
            {"tag_name": tag, "draft": False, "prerelease": bool(pre)} for tag, pre in releases
        ],
        "/repos/a/done/releases?per_page=100": [{"tag_name": "v0.1.0", "draft": False, "prerelease": False}],
        "/repos/a/odd": "no object",
    }

    def do_GET(self) -> None:
        if not self.headers.get("User-Agent"):
            return self.answer(403, {"message": "Request forbidden by administrative rules."})
        if self.path == "/repos/old/name":
            return self.answer(301, {"message": "Moved Permanently"}, "/repositories/7")
        if self.path in self.answers:
            return self.answer(200, self.answers[self.path])
        return self.answer(404, {"message": "Not Found"})

    def answer(self, status: int, body: object, location: str = "") -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        if location:
            self.send_header("Location", f"http://{self.headers['Host']}{location}")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture
def api() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), GitHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def entry(repository: str, tag: str, name: str = "it") -> dict:
    return {"name": name, "source": {"repository": repository, "tag": tag}}


def test_a_newer_release_is_the_change_to_the_entry(api: str) -> None:
    assert report([entry("new/name", "v1.0.0")], api) == [
        "it: a newer release; tools/catalogue --try it v1.0.4",
        "-      tag: v1.0.0",
        "+      tag: v1.0.4",
        "it: a newer release; tools/catalogue --try it v1.1.0",
        "-      tag: v1.0.0",
        "+      tag: v1.1.0",
    ]


def test_a_repository_with_another_name_is_found_by_the_old_one(api: str) -> None:
    assert report([entry("old/name", "v1.1.0")], api) == [
        "it: its repository has another name",
        "-      repository: old/name",
        "+      repository: new/name",
    ]


def test_one_that_is_archived_or_cannot_be_asked_is_named(api: str) -> None:
    assert report([entry("a/done", "v0.1.0"), entry("no/such", "v1.0.0"), entry("a/odd", "v1.0.0")], api) == [
        "it: a/done is archived, so nothing newer will come",
        "it: no/such cannot be asked: the answer is 404 Not Found",
        f"it: a/odd cannot be asked: {api} answers something else than GitHub",
    ]


def test_where_nothing_is_new_nothing_is_said(api: str) -> None:
    assert report([entry("new/name", "v1.1.0"), {"name": "own", "source": {"template": "x.yaml.j2"}}], api) == []


@pytest.mark.parametrize(
    ("tag", "releases", "found"),
    [
        ("v0.9.0", ["v0.10.0", "v0.9.9"], ["v0.9.9", "v0.10.0"]),
        ("2.16.0", ["2.17.0", "sdk-2.18.0", "2.16.0"], ["2.17.0"]),
        ("26.03", ["26.03.1", "v1.11.0"], ["26.03.1"]),
        ("master-abc", ["v1.0.0"], []),
    ],
)
def test_versions_are_compared_by_their_numbers(tag: str, releases: list[str], found: list[str]) -> None:
    assert newer(tag, releases) == found
