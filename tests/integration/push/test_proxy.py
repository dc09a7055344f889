"""A server whose name only a proxy resolves is reached through the proxy of the environment, as by kubectl."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading

import pytest
import yaml
from apiserver import program


class Proxy:
    """Answers CONNECT for any name by a way to one port of this machine."""

    def __init__(self, port: int) -> None:
        self.asked: list[str] = []
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        self.asked.append(head.split()[1].decode())
        onward = socket.create_connection(("127.0.0.1", self._target))
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        threading.Thread(target=self._copy, args=(onward, connection), daemon=True).start()
        self._copy(connection, onward)

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def proxy(api):
    found = Proxy(api.port)
    yield found
    found.close()


def test_the_proxy_of_the_environment_is_used_as_by_kubectl(push, api, space, proxy, monkeypatch):
    path = api.write_kubeconfig("behind-a-proxy", "https://kube.invalid:6443")
    with open(path) as stream:
        config = yaml.safe_load(stream)
    config["clusters"][0]["cluster"]["tls-server-name"] = "localhost"
    with open(path, "w") as stream:
        yaml.safe_dump(config, stream)
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": space}}
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert "cannot be resolved" in push([wanted], kubeconfig=path, timeout=1)["msg"]
    monkeypatch.setenv("HTTPS_PROXY", proxy.address)
    assert push([wanted], kubeconfig=path)["counts"]["created"] == 1
    assert set(proxy.asked) == {"kube.invalid:6443"}
    command = [program("kubectl"), "--kubeconfig", path, "get", "configmap", "c", "-n", space]
    assert subprocess.run(command, capture_output=True, check=False, env=dict(os.environ)).returncode == 0
    monkeypatch.setenv("NO_PROXY", ".invalid")
    assert "cannot be resolved" in push([wanted], kubeconfig=path, timeout=1)["msg"]
