# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People are told once that a release waits: what is sent, to whom again, and that no secret is said."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from email import message_from_bytes
from email.policy import default as EMAIL

import notify
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from apiserver import free_port
from certificates import self_signed
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from loop_memory import FakeKube, Killed

SECRET = "tk_very_secret"


def release(name="digits-7", phase="Waiting", different=14, **spec):
    evidence = {"digests": {}}
    if different is not None:
        evidence["changed"] = {"with": "digits-6", "different": different, "cases": 360}
    return {
        "kind": "Release",
        "metadata": {"name": name, "uid": f"uid-{name}"},
        "spec": {"model": name.rpartition("-")[0], "evidence": evidence, **spec},
        "status": {"phase": phase},
    }


@pytest.mark.parametrize(
    ("different", "text"),
    [
        (14, "digits, release 7 waits for you: 14 answers differ"),
        (1, "digits, release 7 waits for you: 1 answer differs"),
        (0, "digits, release 7 waits for you: no answers differ"),
        (None, "digits, release 7 waits for you: nothing is live to compare it with"),
    ],
)
def test_what_people_are_told(different, text):
    assert notify.words(release(different=different)) == text


def test_people_are_told_that_nothing_could_be_compared():
    evidence = {"digests": {}, "tests": {"infra-7": {"points": 0, "failed": True}}}
    told = notify.words(release(evidence=evidence))
    assert told == "digits, release 7 waits for you: it could not be compared with the live one"


class Web:
    """A web server that keeps what it was asked.

    :ivar answers: statuses to answer with; 200 when there are none left.
    """

    def __init__(self):
        self.asked, self.answers = [], []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                web.asked.append((self.command, self.path, dict(self.headers), body.decode()))
                status = web.answers.pop(0) if web.answers else 200
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", f"{web.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_PUT = do_GET = do_POST

            def log_message(self, *_arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def web():
    made = Web()
    yield made
    made.stop()


class Mailbox:
    """What came in, and who had logged in for it."""

    def __init__(self):
        self.kept = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address == "nobody@example.org":
            return f"550 no such user {SECRET}"
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server, session, envelope):
        message = message_from_bytes(envelope.content, policy=EMAIL)
        encrypted = server.transport.get_extra_info("sslcontext") is not None
        self.kept.append((message, envelope.rcpt_tos, session.auth_data, encrypted))
        return "250 kept"


def logs_in(server, session, envelope, mechanism, given):
    """Whether somebody has the right password."""
    right = (given.login, given.password) == (b"bramble", SECRET.encode())
    return AuthResult(success=right, handled=False, auth_data=given.login.decode())


@pytest.fixture
def mail_server():
    """Starts mail servers (aiosmtpd), each with a mailbox."""
    running = []

    def start(**more):
        box, port = Mailbox(), free_port()
        running.append(Controller(box, hostname="127.0.0.1", port=port, **more))
        running[-1].start()
        return port, box.kept

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    """A server's side of TLS, with a certificate for 127.0.0.1 that this machine trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "mail.crt").write_text(self_signed("mail", key, addresses=["127.0.0.1"]))
    (tmp_path / "mail.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "mail.crt"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "mail.crt", tmp_path / "mail.key")
    return context


def test_the_shapes_of_webhooks(web):
    text, address = "digits, release 7 waits for you: 14 answers differ", "http://desk/releases/digits-7"
    notify.send({"name": "n", "shape": "ntfy", "url": f"{web.url}/topic", "token": SECRET}, text, address, "key")
    notify.send({"name": "s", "shape": "slack", "url": f"{web.url}/services/T/B"}, text, address, "key")
    matrix = {"name": "m", "shape": "matrix", "url": f"{web.url}/", "room": "!a:b", "token": SECRET}
    notify.send(matrix, text, address, "digits-7 m")
    ntfy, slack, matrix = web.asked
    assert ntfy[:2] == ("POST", "/topic") and ntfy[3] == text
    assert (ntfy[2]["Click"], ntfy[2]["Authorization"]) == (address, f"Bearer {SECRET}")
    assert slack[:2] == ("POST", "/services/T/B") and json.loads(slack[3]) == {"text": f"{text}\n{address}"}
    assert "Authorization" not in slack[2]
    assert matrix[:2] == ("PUT", "/_matrix/client/v3/rooms/%21a%3Ab/send/m.room.message/digits-7%20m")
    assert json.loads(matrix[3]) == {"msgtype": "m.text", "body": f"{text}\n{address}"}
    assert matrix[2]["Authorization"] == f"Bearer {SECRET}"


def test_a_token_follows_no_redirect(web):
    web.answers = [302]
    with pytest.raises(notify.Unsent, match=r"^it answered 302$"):
        notify.send(
            {"name": "n", "shape": "ntfy", "url": f"{web.url}/topic", "token": SECRET}, "text", "address", "key"
        )
    assert len(web.asked) == 1


def by_mail(port, **more):
    sender = {"from": "bramble@example.org", "to": ["ben@example.org", "cleo@example.org"]}
    return {"name": "mail", "shape": "smtp", "host": "127.0.0.1", "port": port, "security": "none", **sender, **more}


def test_an_e_mail(mail_server):
    port, kept = mail_server()
    notify.send(
        by_mail(port), "digits, release 7 waits for you: 14 answers differ", "http://desk/7", "digits-7-mail-uid"
    )
    [(message, to, _login, _encrypted)] = kept
    assert to == ["ben@example.org", "cleo@example.org"]
    assert message["Subject"] == "digits, release 7 waits for you: 14 answers differ"
    assert (message["From"], message["To"]) == ("bramble@example.org", "ben@example.org, cleo@example.org")
    assert message["Message-ID"] == "<digits-7-mail-uid@example.org>"
    assert "http://desk/7" in message.get_content()


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_an_e_mail_with_a_login_goes_encrypted(mail_server, certificate, security):
    kinds = {
        "starttls": {"tls_context": certificate, "require_starttls": True},
        "tls": {"ssl_context": certificate, "auth_require_tls": False},  # that server's words for STARTTLS alone
    }
    port, kept = mail_server(authenticator=logs_in, auth_required=True, **kinds[security])
    target = by_mail(port, security=security, user="bramble", password=SECRET)
    notify.send(target, "text", "http://desk/7", "digits-7-mail-uid")
    [(message, _to, login, encrypted)] = kept
    assert (message["Subject"], login, encrypted) == ("text", "bramble", True)
    with pytest.raises(notify.Unsent, match=r"^the mail server answered 535$"):
        notify.send({**target, "password": "not this one"}, "text", "address", "key")
    assert len(kept) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_server_that_nobody_knows_gets_no_password(mail_server, certificate, monkeypatch, security):
    port, kept = mail_server(**{"ssl_context" if security == "tls" else "tls_context": certificate})
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(notify.Unsent, match="certificate verify failed"):
        notify.send(by_mail(port, security=security, user="bramble", password=SECRET), "text", "address", "key")
    assert kept == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"port": 1, "user": ""}, "Connection refused"),
        ({"security": "starttls"}, "STARTTLS extension not supported"),
        ({"user": "u"}, "SMTP AUTH extension not supported"),
        ({"to": ["nobody@example.org"]}, "SMTPRecipientsRefused"),
    ],
)
def test_what_does_not_get_there_says_why_and_no_secret(mail_server, change, why):
    port, kept = mail_server()
    with pytest.raises(notify.Unsent, match=why) as found:
        notify.send({**by_mail(port, password=SECRET), **change}, "text", "address", "key")
    assert SECRET not in str(found.value)
    assert kept == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/secret-path", "http://no host/secret-path", "http:///secret-path"])
def test_an_address_that_does_not_answer_is_not_said_in_full(url):
    with pytest.raises(notify.Unsent) as found:
        notify.send({"name": "s", "shape": "slack", "url": url}, "text", "address", "key")
    assert "secret-path" not in str(found.value)


@pytest.fixture
def told_once(web, tmp_path):
    """A notifier with two targets, and what they were told."""
    targets = [
        {"name": "slack-1", "shape": "slack", "url": f"{web.url}/one"},
        {"name": "ntfy-2", "shape": "ntfy", "url": f"{web.url}/two", "token": SECRET},
    ]
    file = tmp_path / "notify.json"
    file.write_text(json.dumps({"desk": "http://desk:30086", "targets": targets}))
    api = FakeKube()
    api._write("create", "Release", "digits-7", release())
    return lambda: notify.Notifier(api, file), api, file


def test_each_target_is_told_once_also_by_the_next_hand(told_once, web, capsys):
    make, api, _file = told_once
    for _hand in range(3):
        mine = make()
        mine.tell(["digits-7"])
        mine.tell(["digits-7"])
    assert [path for _method, path, _headers, _body in web.asked] == ["/one", "/two"]
    assert "http://desk:30086/releases/digits-7" in web.asked[0][3]
    assert api.get("Release", "digits-7")["metadata"]["annotations"][notify.TOLD_NOTE] == "slack-1,ntfy-2"
    assert SECRET not in capsys.readouterr().out


def test_one_that_is_away_is_tried_again_later_and_holds_up_nobody(told_once, web, monkeypatch, capsys):
    make, _api, _file = told_once
    clock = [1000.0]
    monkeypatch.setattr(notify.time, "monotonic", lambda: clock[0])
    web.answers = [500, 200, 503]
    mine = make()
    mine.tell(["digits-7"])
    mine.tell(["digits-7"])
    assert [asked[1] for asked in web.asked] == ["/one", "/two"]
    clock[0] += notify.FIRST_PAUSE
    mine.tell(["digits-7"])
    clock[0] += notify.FIRST_PAUSE
    mine.tell(["digits-7"])
    assert [asked[1] for asked in web.asked] == ["/one", "/two", "/one"], "twice as long each time"
    clock[0] += notify.FIRST_PAUSE
    mine.tell(["digits-7"])
    mine.tell(["digits-7"])
    assert [asked[1] for asked in web.asked] == ["/one", "/two", "/one", "/one"]
    assert "slack-1 (127.0.0.1) was not told, next try in 15 s: it answered 500" in capsys.readouterr().out


@pytest.mark.parametrize("seed", range(8))
def test_killed_anywhere_nobody_is_forgotten_and_only_an_unkept_note_is_said_again(told_once, web, seed):
    make, api, _file = told_once
    api.dice.seed(seed)
    api.kill, kills = 0.6, 0
    for _hand in range(60):
        try:
            make().tell(["digits-7"])
        except Killed:
            kills += 1
    api.kill = 0
    make().tell(["digits-7"])
    told = [asked[1] for asked in web.asked]
    assert {"/one", "/two"} == set(told)
    assert len(told) <= 2 + kills
    assert api.get("Release", "digits-7")["metadata"]["annotations"][notify.TOLD_NOTE] == "slack-1,ntfy-2"


def test_what_was_decided_or_has_no_targets_is_not_told(told_once, web):
    make, api, file = told_once
    api.as_person("Release", "digits-7", {"spec": {"decision": {"verdict": "approved"}}})
    make().tell(["digits-7"])
    assert web.asked == []
    file.unlink()
    make().tell(["digits-7"])


def test_the_thread_looks_only_at_what_waits(told_once, web):
    make, _api, _file = told_once
    mine = make()
    mine.look({"digits-7": release(phase="Checking")})
    assert mine._waiting == [] and not mine._news.is_set()
    mine.start().look({"digits-7": release(), "digits-8": release("digits-8", "Live")})
    for _try in range(100):
        if len(web.asked) == 2:
            break
        threading.Event().wait(0.1)
    assert len(web.asked) == 2
