# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells people that a release waits for them: by ntfy, Slack, Matrix, or e-mail. Standard library only.

Where people are stands in a file of a Secret, $LOOP_NOTIFY or /etc/loop/notify.json: {"desk": address of the desk,
"targets": [{"name", "shape": ntfy|slack|matrix|smtp, …}]}. It is read each time, so a change needs no restart.

Who has been told is kept in the release, one target at a time, after it has answered. So a hand that is killed tells
the others once it is back; only one killed in the moment between an answer and its note tells that one again, with the
same Message-ID or transaction, by which mail programs and Matrix know it. Nothing waits for a target that is away.
"""

from __future__ import annotations

import io
import json
import os
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from http_call import InTime, ask
from kube import GROUP, Conflict, Kube, KubeError, number, phase_of
from rubric import apart
from volume import read_json

Object = dict[str, Any]

FILE = Path(os.environ.get("LOOP_NOTIFY") or "/etc/loop/notify.json")
TOLD_NOTE = f"{GROUP}/told"
SECONDS = 10.0  # for one message
# Errors whose own words hold nothing of the address or the login
PLAIN = (
    *(socket.gaierror, ConnectionError, TimeoutError, ssl.SSLError),
    *(smtplib.SMTPNotSupportedError, smtplib.SMTPServerDisconnected),
)
FIRST_PAUSE, LONGEST_PAUSE = 15.0, 900.0  # seconds until a target that failed is tried again, twice as long each time


class Unsent(Exception):
    """A message that did not get there; the text holds no secret."""


def words(release: Object) -> str:
    """What people are told about a release that waits."""
    name, model = release["metadata"]["name"], release["spec"]["model"]
    changed = (release["spec"].get("evidence") or {}).get("changed")
    what = "nothing is live to compare it with"
    if apart(release["spec"]):
        what = "it could not be compared with the live one"
    if changed:
        count = changed["different"]
        what = f"{count or 'no'} answer{'s differ' if count != 1 else ' differs'}"
    return f"{model}, release {number(name)} waits for you: {what}"


def request(target: Mapping[str, Any], text: str, address: str, key: str) -> tuple[str, str, dict[str, str], bytes]:
    """Method, URL, headers and body of a message.

    :param key: the same for each try, another for each release and target.
    """
    headers = {"Content-Type": "application/json"}
    token = target.get("token")
    if token:
        headers["Authorization"] = f"Bearer {token}"
    url = target["url"]
    if target["shape"] == "ntfy":
        headers |= {"Content-Type": "text/plain; charset=utf-8", "Click": address}
        return "POST", url, headers, text.encode()
    if target["shape"] == "slack":
        return "POST", url, headers, json.dumps({"text": f"{text}\n{address}"}).encode()
    place = f"/_matrix/client/v3/rooms/{quote(target['room'], safe='')}/send/m.room.message/{quote(key, safe='')}"
    body = {"msgtype": "m.text", "body": f"{text}\n{address}"}
    return "PUT", url.rstrip("/") + place, headers, json.dumps(body).encode()


def mail(target: Mapping[str, Any], text: str, address: str, key: str) -> EmailMessage:
    """A message as e-mail."""
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = text, target["from"], ", ".join(target["to"])
    message["Message-ID"] = f"<{key}@{target['from'].rpartition('@')[2].rstrip('>')}>"
    message["Date"] = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
    message.set_content(f"{text}.\n\n{address}\n")
    return message


def send(target: Mapping[str, Any], text: str, address: str, key: str) -> None:
    """Send one message.

    :raises Unsent: when it did not get there.
    """
    try:
        if target["shape"] == "smtp":
            _send_mail(target, mail(target, text, address, key))
            return
        method, url, headers, body = request(target, text, address, key)
        status = ask(method, url, body, headers, seconds=SECONDS).status
        if status >= 300:
            raise Unsent(f"it answered {status}")
    except smtplib.SMTPResponseException as error:
        raise Unsent(f"the mail server answered {error.smtp_code}") from None
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise Unsent(f"{error if isinstance(error, PLAIN) else type(error).__name__}") from None


class _InTime(smtplib.SMTP):
    """A mail server that has SECONDS for all that it says."""

    def __init__(self, *where: Any, **more: Any) -> None:
        self._end = time.monotonic() + SECONDS
        super().__init__(*where, timeout=SECONDS, **more)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            self.file = io.BufferedReader(InTime(self.sock, self._end))
        return super().getreply()


class _InTimeByTls(_InTime, smtplib.SMTP_SSL):
    """The same, with TLS from the start."""


def _send_mail(target: Mapping[str, Any], message: EmailMessage) -> None:
    security = target.get("security") or "starttls"
    kind = _InTimeByTls if security == "tls" else _InTime
    more = {"context": ssl.create_default_context()} if security == "tls" else {}
    with kind(target["host"], int(target.get("port") or 587), **more) as server:
        if security == "starttls":
            server.starttls(context=ssl.create_default_context())
        if target.get("user"):
            server.login(target["user"], target.get("password") or "")
        server.send_message(message)


def told(release: Object) -> list[str]:
    """Names of the targets that know of a release."""
    note = (release["metadata"].get("annotations") or {}).get(TOLD_NOTE) or ""
    return note.split(",") if note else []


def place_of(target: Mapping[str, Any]) -> str:
    """A target as a log may have it: its name and host, no path, no token."""
    return f"{target['name']} ({target.get('host') or urlsplit(target['url']).hostname})"


class Notifier:
    """Tells whoever has not been told yet, in a thread of its own."""

    def __init__(self, kube: Kube, file: Path = FILE) -> None:
        self._kube, self._file = kube, file
        self._pauses: dict[tuple[str, str], tuple[float, float]] = {}  # (release, target) → (not before, pause)
        self._waiting: list[str] = []
        self._news = threading.Event()

    def start(self) -> Notifier:
        """Begin."""
        threading.Thread(target=self._work, name="notify", daemon=True).start()
        return self

    def look(self, releases: Mapping[str, Object]) -> None:
        """Take note of the releases that wait; returns at once."""
        self._waiting = [name for name, release in releases.items() if waits(release)]
        if self._waiting:
            self._news.set()

    def _work(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            try:
                self.tell(self._waiting)
            except Exception as error:  # whatever it is: the thread goes on, and the text could hold a secret
                print(f"notify: {type(error).__name__}", flush=True)
            time.sleep(1)

    def tell(self, names: Sequence[str]) -> None:
        """Tell each target of these releases that has not been told, unless it failed just now."""
        known = read_json(self._file) or {}
        for name in names:
            for target in known.get("targets") or []:
                if time.monotonic() >= self._pauses.get((name, target["name"]), (0.0, 0.0))[0]:
                    self._tell(name, target, known.get("desk") or "")

    def _tell(self, name: str, target: Mapping[str, Any], desk: str) -> None:
        try:
            release = self._kube.get("Release", name)  # not the mirror, which may be a moment old
            if not waits(release) or target["name"] in told(release):
                return
            send(
                target,
                words(release),
                f"{desk}/releases/{name}",
                f"{name}-{target['name']}-{release['metadata']['uid']}",
            )
            print(f"{name}: told {place_of(target)}", flush=True)
            self._note(release, target["name"])
            self._pauses.pop((name, target["name"]), None)
        except (Unsent, KubeError) as error:
            pause = min(2 * self._pauses.get((name, target["name"]), (0.0, FIRST_PAUSE / 2))[1], LONGEST_PAUSE)
            self._pauses[name, target["name"]] = (time.monotonic() + pause, pause)
            print(f"{name}: {place_of(target)} was not told, next try in {pause:.0f} s: {error}", flush=True)

    def _note(self, release: Object, target: str) -> None:
        """Keep in the release that a target was told, whatever else happens to it meanwhile."""
        while True:
            change = {
                "annotations": {TOLD_NOTE: ",".join([*told(release), target])},
                "resourceVersion": release["metadata"]["resourceVersion"],
            }
            try:
                self._kube.patch("Release", release["metadata"]["name"], {"metadata": change})
                return
            except Conflict:
                release = self._kube.get("Release", release["metadata"]["name"])


def waits(release: Object) -> bool:
    """Whether a release waits for a decision."""
    return phase_of(release) == "Waiting" and not release["spec"].get("decision")
