# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody on the laptop who writes one ConfigMap after the other, and knows which of them the API server has taken."""

from __future__ import annotations

import http.client
import json
import ssl
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from lab_cluster import Cluster

from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import (
    client_certificate,
    parse_kubeconfig,
)

#: Seconds that one try may take.
PATIENCE = 2.0


class Writer:
    """Writes until it is told to end; use it with ``with``.

    :ivar acknowledged: names of the ConfigMaps that the API server has taken.
    :ivar longest: seconds between two answers, at most.
    :ivar failures: what was said, by how often.
    """

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        text = cluster.kubeconfig.read_text()
        known = parse_kubeconfig(text)
        address = urlsplit(known.server)
        self._host, self._port = address.hostname, address.port
        self._context = ssl.create_default_context(cadata=known.ca_pem)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "client.pem"
            file.touch(0o600)
            file.write_text("".join(client_certificate(text)))
            self._context.load_cert_chain(file)
        self._connection: http.client.HTTPSConnection | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write_all)
        self.acknowledged: list[str] = []
        self.longest = 0.0
        self.failures: dict[str, int] = {}

    def __enter__(self) -> Writer:
        self._cluster.kubectl("create", "namespace", self._namespace)
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._ended.set()
        self._thread.join()

    def wait(self, more: int, seconds: float = 120) -> None:
        """Wait until so many more were acknowledged."""
        wanted, deadline = len(self.acknowledged) + more, time.monotonic() + seconds
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < deadline, f"{self.failures} since the last of {len(self.acknowledged)} writes"
            time.sleep(0.1)

    def lost(self) -> set[str]:
        """Those that were acknowledged and are not there."""
        listed = self._cluster.kubectl("get", "configmaps", "--namespace", self._namespace, "--output=name")
        return set(self.acknowledged) - {line.partition("/")[2] for line in listed.split()}

    def _write_all(self) -> None:
        number, last = 0, time.monotonic()
        while not self._ended.is_set():
            name = f"written-{number}"
            if self._write(name):
                self.acknowledged.append(name)
                self.longest = max(self.longest, time.monotonic() - last)
                number, last = number + 1, time.monotonic()
            time.sleep(0.05)

    def _write(self, name: str) -> bool:
        body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}})
        try:
            if self._connection is None:
                self._connection = http.client.HTTPSConnection(
                    self._host, self._port, timeout=PATIENCE, context=self._context
                )
            path = f"/api/v1/namespaces/{self._namespace}/configmaps"
            self._connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            said, self._connection = type(error).__name__, None
        else:
            if answer.status in (201, 409):  # one that was taken, and whose answer was lost, is there
                return True
            said = str(answer.status)
        self.failures[said] = self.failures.get(said, 0) + 1
        return False
