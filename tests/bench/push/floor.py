"""The floor: what the API server itself needs. Prepared bytes over kept-open TLS connections, answers thrown away.

Run as a program by run, so that its memory and time are its own: floor.py KUBECONFIG SET PHASE WORKERS
"""

from __future__ import annotations

import json
import queue
import socket
import ssl
import sys
import tempfile
import threading
import time
from base64 import b64decode
from collections.abc import Iterable
from urllib.parse import urlsplit

import yaml

PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Service": "/api/v1/namespaces/{}/services",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
}


class Connection:
    """One TLS connection that sends prepared bytes and skips the answer."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        raw = socket.create_connection((host, port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(raw, server_hostname=host)
        self._reader = self._socket.makefile("rb")

    def ask(self, request: bytes) -> None:
        """Send one request; raise when the answer is not a success."""
        self._socket.sendall(request)
        line = self._reader.readline()
        length = chunked = 0
        while True:
            header = self._reader.readline().strip().lower()
            if not header:
                break
            if header.startswith(b"content-length:"):
                length = int(header[15:])
            chunked = chunked or header == b"transfer-encoding: chunked"
        if chunked:
            while True:
                size = int(self._reader.readline(), 16)
                self._reader.read(size + 2)
                if not size:
                    break
        else:
            self._reader.read(length)
        if line.split()[1] not in (b"200", b"201"):
            raise RuntimeError(line.decode())


def prepare(documents: list[dict], host: str, phase: str) -> tuple[list[bytes], list[bytes]]:
    """Requests to send one after the other first, and those to send at once."""
    space = documents[0]["metadata"]["name"]

    def write(document: dict) -> bytes:
        body = json.dumps(document, separators=(",", ":")).encode()
        path = f"{PATHS[document['kind']].format(space)}/{document['metadata']['name']}?fieldManager=floor&force=true"
        head = f"PATCH {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/apply-patch+yaml\r\n"
        return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body

    def read(kind: str) -> bytes:
        path = PATHS[kind].format(space)
        path += f"/{space}" if kind == "Namespace" else ""
        return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n\r\n".encode()

    if phase == "first":
        return [write(documents[0])], [write(document) for document in documents[1:]]
    reads = [read(kind) for kind in PATHS]
    if phase == "unchanged":
        return [], reads
    return reads, [write(next(document for document in documents if document["kind"] == "ConfigMap"))]


def run(requests: Iterable[bytes], workers: int, connect) -> None:
    """Send all requests over so many connections."""
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    for request in requests:
        waiting.put(request)

    def work() -> None:
        connection = connect()
        while True:
            try:
                request = waiting.get_nowait()
            except queue.Empty:
                return
            connection.ask(request)

    threads = [threading.Thread(target=work) for _ in range(min(workers, waiting.qsize()))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    """Print the seconds of the phase."""
    kubeconfig, path, phase, workers = sys.argv[1:5]
    with open(kubeconfig) as stream:
        config = yaml.safe_load(stream)
    with open(path) as stream:
        documents = list(yaml.load_all(stream, Loader=yaml.CSafeLoader))
    address = urlsplit(config["clusters"][0]["cluster"]["server"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(
        cadata=b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    )
    user = config["users"][0]["user"]
    with tempfile.NamedTemporaryFile() as file:
        file.write(b64decode(user["client-certificate-data"]) + b64decode(user["client-key-data"]))
        file.flush()
        context.load_cert_chain(file.name)
    before, at_once = prepare(documents, address.netloc, phase)

    def connect() -> Connection:
        return Connection(address.hostname, address.port, context)

    start, used = time.perf_counter(), time.process_time()
    if phase == "first":
        run(before, 1, connect)
    else:
        run(before, int(workers), connect)
    run(at_once, int(workers), connect)
    print(time.perf_counter() - start, time.process_time() - used)


if __name__ == "__main__":
    main()
