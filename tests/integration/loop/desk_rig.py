# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The desk as it runs on the cluster: its own program, with the libraries of the image that it runs from."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from apiserver import ApiServer, cache, free_port

ROOT = Path(__file__).resolve().parents[3]
FILES = ROOT / "roles/loop/files"
LIBRARIES = (
    "starlette",
    "uvicorn",
    "anyio",
    "h11",
    "click",
    "idna",
    "typing_extensions.py",
    "httptools",
    "uvloop",
    "annotated_doc",
)


def libraries() -> Path:
    """Folder with the image's libraries that the desk imports.

    :raises RuntimeError: when the lab has not built the image.
    """
    layers = sorted((cache() / "artifacts" / "layer-sklearnserver").glob("*/layer.tar.gz"), key=os.path.getmtime)
    if not layers:
        raise RuntimeError("The lab has not built the serving image (make lab).")
    target = ROOT / ".lab" / "desk-libraries" / layers[-1].parent.name
    if not (target / ".whole").exists():
        with tarfile.open(layers[-1]) as layer:
            for member in layer:
                _before, found, inner = member.name.partition("/dist-packages/")
                if found and inner.split("/")[0] in LIBRARIES:
                    member.name = inner
                    layer.extract(member, target, filter="data")
        (target / ".whole").touch()
    return target


def hashed(password: str) -> str:
    """A password as the role writes it into the Secret of logins."""
    salt = hashlib.sha256(password.encode()).digest()[:16]
    found = hashlib.scrypt(password.encode(), salt=salt, n=16384, r=8, p=1, dklen=32)
    return f"scrypt:16384:8:1:{salt.hex()}:{found.hex()}"


class Desk:
    """A running desk."""

    def __init__(self, api: ApiServer, token: str, folder: Path, people: list[str]) -> None:
        self.data, self.logins, self.port = folder / "data", folder / "logins", free_port()
        self.logins.mkdir(parents=True, exist_ok=True)
        self.data.mkdir(parents=True, exist_ok=True)
        for name in people:
            (self.logins / name).write_text(hashed(password(name)) + "\n")
        (folder / "token").write_text(token)
        self._environment = {
            **{key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
            "PYTHONPATH": f"{FILES / 'programs'}:{libraries()}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "LOOP_API": f"https://127.0.0.1:{api.port}",
            "LOOP_TOKEN_FILE": str(folder / "token"),
            "LOOP_CA_FILE": str(api.path("ca.crt")),
            "DESK_DATA": str(self.data),
            "DESK_LOGINS": str(self.logins),
            "DESK_HOST": "127.0.0.1",
            "DESK_PORT": str(self.port),
            "DESK_PROXIES": "127.0.0.1",
        }
        self._log = folder / "desk.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Desk:
        """Start it, and wait until it has read the cluster."""
        with open(self._log, "ab") as log:
            command = [sys.executable, "-s", str(FILES / "desk/desk.py")]
            self.process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.ask("GET", "/healthz").body == "ok":
                    return self
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"the desk did not start:\n{self._log.read_text()[-3000:]}")

    def stop(self, how: int = signal.SIGTERM) -> float:
        """End it; returns how many seconds that took."""
        if self.process is None or self.process.poll() is not None:
            return 0.0
        begin = time.monotonic()
        self.process.send_signal(how)
        self.process.wait(20)
        return time.monotonic() - begin

    def log(self) -> str:
        """What it said."""
        return self._log.read_text()

    def memory(self) -> float:
        """MiB that only this process holds, and its share of what others hold, too."""
        assert self.process
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1]) / 1024  # type: ignore[index]

    def ask(self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None) -> Answer:
        """One request, as it is."""
        return send("127.0.0.1", self.port, method, path, body, headers)


@dataclass
class Answer:
    """What came back."""

    status: int
    body: str
    headers: Any


def send(
    host: str, port: int, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
) -> Answer:
    """One request, as it is."""
    connection = http.client.HTTPConnection(host, port, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.read().decode(), answer.headers)
    finally:
        connection.close()


def password(name: str) -> str:
    """A test person's password."""
    return f"{name} opens the door"


def answers_of(body: str) -> list[str]:
    """The answers that a page of a review shows."""
    return re.findall(r'class="answer"><bdi[^>]*>([^<]*)', body)


@dataclass
class Visitor:
    """A browser without script: keeps cookies, and sends forms with the token of the page they stand on."""

    desk: Desk
    cookies: dict[str, str] = field(default_factory=dict)
    language: str = "en"
    page: Answer | None = None

    def get(self, path: str, **headers: str) -> Answer:
        """Look at a page; redirects are followed."""
        return self._ask("GET", path, None, headers)

    def post(
        self,
        path: str,
        fields: dict[str, Any] | None = None,
        token: str | None = None,
        follow: bool = True,
        **headers: str,
    ) -> Answer:
        """Send a form of the page last looked at."""
        if token is None:
            found = re.search(r'name="token" value="([^"]*)"', self.page.body if self.page else "")
            token = found[1] if found else ""
        body = urlencode({"token": token, **(fields or {})})
        headers = {"Content_Type": "application/x-www-form-urlencoded", **headers}
        return self._ask("POST", path, body, headers, follow)

    def login(self, name: str, word: str | None = None) -> Visitor:
        """Go in."""
        self.get("/login")
        self.post("/login", {"name": name, "password": password(name) if word is None else word})
        return self

    def judge_twenty(self, release: str) -> list[float]:
        """Judge all cases of a review; returns the seconds of each page and each answer, one half of both together."""
        took = []
        for place in range(1, 21):
            begin = time.monotonic()
            page = self.get(f"/releases/{release}/review/{place}")
            assert page.status == 200
            choice = "A" if len(answers_of(page.body)) == 2 else "right"
            assert self.post(f"/releases/{release}/review/{place}", {"choice": choice}).status == 200
            took.append((time.monotonic() - begin) / 2)
        return took

    def hand_in(self, release: str) -> None:
        """Hand in a review whose cases are judged."""
        self.get(f"/releases/{release}/review/end")
        assert self.post(f"/releases/{release}/review/end", {"note": ""}).status == 200

    def seconds(self, path: str) -> float:
        """How long a page takes: the median of twenty looks at it."""
        took = []
        for _look in range(20):
            begin = time.monotonic()
            assert self.get(path).status == 200
            took.append(time.monotonic() - begin)
        return sorted(took)[10]

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str], follow: bool = True) -> Answer:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        for _hop in range(5):
            sent = {"Accept-Language": self.language, **headers}
            if self.cookies:
                sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            answer = self.desk.ask(method, path, body, sent)
            for line in answer.headers.get_all("Set-Cookie") or []:
                name, _equals, value = line.split(";")[0].partition("=")
                self.cookies.pop(name, None)
                if value.strip('"'):
                    self.cookies[name] = value
            if answer.status not in (302, 303, 307) or not follow:
                break
            method, path, body = "GET", answer.headers["Location"].split("#")[0], None
            headers = {name: value for name, value in headers.items() if name != "Content-Type"}
        self.page = answer
        return answer


def twenty_at_once(visitors: list[Visitor], release: str) -> tuple[float, float]:
    """Twenty people judge at the same time; returns the seconds within which half, and 95 %, of their pages came."""
    with ThreadPoolExecutor(len(visitors)) as pool:
        took = sorted(seconds for each in pool.map(lambda who: who.judge_twenty(release), visitors) for seconds in each)
    return took[len(took) // 2], took[int(len(took) * 0.95)]
