# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that misbehave, and a certificate that has ended: what the faults of tests/faults need beside the lab."""

from __future__ import annotations

import base64
import json
import socket
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from toxiproxy import toxiproxy_program

#: Seconds between 1900, where NTP counts from (RFC 5905), and 1970.
_NTP_EPOCH = 2_208_988_800


@contextmanager
def delay_on(container: str, upstream: str, port: int, milliseconds: int) -> Iterator[None]:
    """A proxy in a container, as the user nobody, that holds back what comes and what goes.

    :param upstream: host:port.
    :param port: on which it listens in the container.
    """
    program = "/usr/local/bin/toxiproxy-server"
    subprocess.run(["docker", "cp", "-q", str(toxiproxy_program()), f"{container}:{program}"], check=True)
    config = json.dumps([{"name": "api", "listen": f"0.0.0.0:{port}", "upstream": upstream, "enabled": True}])
    toxic = {"type": "latency", "attributes": {"latency": milliseconds}}
    post = (
        "import json, sys, urllib.request\n"
        "for stream in ('upstream', 'downstream'):\n"
        f"    body = json.dumps({{**{toxic!r}, 'name': stream, 'stream': stream}}).encode()\n"
        "    urllib.request.urlopen(urllib.request.Request('http://127.0.0.1:18474/proxies/api/toxics', body))\n"
    )
    script = (
        f"cat > /tmp/toxiproxy.json <<'END'\n{config}\nEND\n"
        f"setpriv --reuid=65534 --regid=65534 --clear-groups {program} -host 127.0.0.1 -port 18474"
        " -config /tmp/toxiproxy.json >/dev/null 2>&1 & echo $! > /run/toxiproxy.pid\n"
        "for _ in $(seq 50); do (exec 3<>/dev/tcp/127.0.0.1/18474) 2>/dev/null && break; sleep 0.1; done\n"
        f"python3 - <<'END'\n{post}END"
    )
    try:
        subprocess.run(["docker", "exec", "-i", container, "bash", "-ec", script], check=True, stdin=subprocess.DEVNULL)
        yield
    finally:
        stop = f"kill $(cat /run/toxiproxy.pid); rm -f /run/toxiproxy.pid /tmp/toxiproxy.json {program}"
        subprocess.run(["docker", "exec", container, "bash", "-c", stop], check=False)


@contextmanager
def broken_repository(source: str, address: str, damage: str) -> Iterator[str]:
    """A package repository whose indexes are right and whose packages are not.

    :param source: address of the real one.
    :param address: of this machine, by which Pis reach it.
    :param damage: "500", or "half": the connection is closed in the middle of each package.
    :returns: its address.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: object) -> None:
            return

        def do_GET(self) -> None:
            if self.path.endswith(".deb") and damage == "500":
                self.send_error(500)
                return
            try:
                with urllib.request.urlopen(source + self.path, timeout=30) as answer:
                    body = answer.read()
            except urllib.error.HTTPError as error:
                self.send_error(error.code)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.path.endswith(".deb"):
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
                return
            self.wfile.write(body)

        do_HEAD = do_GET

    server = ThreadingHTTPServer((address, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{address}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def wrong_clock(address: str, offset: float) -> Iterator[None]:
    """A time server (RFC 5905, mode 4) whose clock is off.

    :param address: of this machine, by which Pis reach it.
    :param offset: seconds.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind((address, 123))
    listening.settimeout(0.5)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                question, sender = listening.recvfrom(512)
            except TimeoutError:
                continue
            now = time.time() + offset + _NTP_EPOCH
            stamp = struct.pack("!II", int(now), int(now % 1 * 2**32))
            head = struct.pack("!BBbbII4s", (question[0] & 0x38) | 4, 2, question[2], -20, 0, 0, b"LOCL")
            listening.sendto(head + stamp + question[40:48] + stamp + stamp, sender)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        listening.close()


def with_expired_certificate(kubeconfig: str, ca_certificate: str, ca_key: str) -> str:
    """The kubeconfig with a certificate for the same user, by the same CA, that ended yesterday."""
    document = yaml.safe_load(kubeconfig)
    user = document["users"][0]["user"]
    old = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))
    authority = x509.load_pem_x509_certificate(ca_certificate.encode())
    key = ec.generate_private_key(ec.SECP256R1())
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(yesterday - timedelta(days=365))
        .not_valid_after(yesterday)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(serialization.load_pem_private_key(ca_key.encode(), None), hashes.SHA256())
    )
    user["client-certificate-data"] = base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    user["client-key-data"] = base64.b64encode(pem).decode()
    return yaml.safe_dump(document)
