"""Which addresses are tried, and what their answers mean."""

from __future__ import annotations

import gzip
import http.server
import json
import socket
import threading
from collections.abc import Iterator

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.bramble.kube.plugins.module_utils.preflight.sources import (
    is_finished,
    registries,
    repositories,
)
from ansible_collections.bramble.kube.plugins.modules import source_probe

INDEX = """\
Package: kubeadm
Version: 1.37.10-1.1
Architecture: arm64

Package: kubeadm
Version: 1.37.2-1.1
Architecture: arm64

Package: kubelet
Version: 1.37.9-1.1
"""


class Handler(http.server.BaseHTTPRequestHandler):
    """A server whose paths say what they answer."""

    answers = {
        "/plain/Packages": (200, INDEX.encode()),
        "/packed/Packages.gz": (200, gzip.compress(INDEX.encode())),
        "/docker/dists/trixie/InRelease": (200, b"Origin: Docker"),
        "/open/v2/": (200, b"{}"),
        "/login/v2/": (401, b""),
        "/broken/v2/": (500, b""),
        "/broken/Packages": (500, b""),
    }

    def do_GET(self) -> None:
        code, body = self.answers.get(self.path, (404, b""))
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_unused) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def probe(capfd):
    def run(**parameters) -> list[dict]:
        capfd.readouterr()
        with patch_module_args({"timeout": 3, **parameters}), pytest.raises(SystemExit):
            source_probe.main()
        result = json.loads(capfd.readouterr().out)
        assert result["changed"] is False
        return result["sources"]

    return run


def kubernetes(server: str, folder: str, version: str) -> list[dict]:
    settings = {"kubeadm_apt_repository": f"{server}/{folder}", "kubeadm_version": version}
    return repositories(settings.get, "trixie")


@pytest.mark.parametrize("folder", ["plain", "packed"])
def test_a_release_is_found_in_the_index(probe, server, folder):
    (result,) = probe(repositories=kubernetes(server, folder, "1.37.2"))
    assert (result["trouble"], result["unknown_release"]) == ("", False)
    assert result["known"] == ["1.37.2", "1.37.10"], "sorted as numbers, and of kubeadm alone"


def test_a_release_that_is_not_there(probe, server):
    (result,) = probe(repositories=kubernetes(server, "plain", "1.37.9"))
    assert result["unknown_release"] and result["known"] == ["1.37.2", "1.37.10"] and result["version"] == "1.37.9"


def test_a_minor_release_without_a_repository(probe, server):
    (result,) = probe(repositories=kubernetes(server, "v1.99", "1.99.0"))
    assert result["unknown_release"] and result["trouble"] == "the answer is 404 Not Found" and result["known"] == []


def test_a_repository_that_is_broken_is_no_unknown_release(probe, server):
    (result,) = probe(repositories=kubernetes(server, "broken", "1.37.2"))
    assert (result["trouble"], result["unknown_release"]) == ("the answer is 500 Internal Server Error", False)


def test_registries_answer_by_any_of_their_addresses(probe, server):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{listener.getsockname()[1]}"
    results = probe(
        registries=[
            {"name": "open", "urls": [f"{server}/open/"]},
            {"name": "login", "urls": [f"{server}/login"]},
            {"name": "second", "urls": [closed, f"{server}/open"]},
            {"name": "broken", "urls": [f"{server}/broken"]},
            {"name": "closed", "urls": [f"{server}/broken", closed]},
            {"name": "nameless", "urls": ["http://registry.invalid"]},
        ]
    )
    assert [(result["name"], result["trouble"]) for result in results] == [
        ("open", ""),
        ("login", ""),
        ("second", ""),
        ("broken", "the answer is 500 Internal Server Error"),
        ("closed", "connection refused"),
        ("nameless", "the name registry.invalid cannot be resolved"),
    ]


def test_nothing_to_try(probe):
    assert probe() == []


SETTINGS = {
    "kubeadm_version": "1.37.2",
    "kubeadm_apt_repository": "https://pkgs.example/v1.37/deb/",
    "docker_apt_repository": "https://docker.example/debian",
    "docker_edition": "ce",
    "kubeadm_cni": "flannel",
    "docker_registry_mirrors": {"registry.k8s.io": ["http://192.168.13.2:5000"]},
}


def test_addresses_come_from_the_roles_variables():
    assert [source["urls"] for source in repositories(SETTINGS.get, "trixie")] == [
        ["https://pkgs.example/v1.37/deb/Packages", "https://pkgs.example/v1.37/deb/Packages.gz"],
        ["https://docker.example/debian/dists/trixie/InRelease", "https://docker.example/debian/dists/trixie/Release"],
    ]
    assert [source["urls"] for source in registries(SETTINGS.get)] == [
        ["http://192.168.13.2:5000", "https://registry.k8s.io"],
        ["https://ghcr.io"],
    ]
    other = {**SETTINGS, "docker_edition": "distro", "kubeadm_cni": "none"}
    assert len(repositories(other.get, "trixie")) == 1 and len(registries(other.get)) == 1
    assert repositories({}.get, "") == [] and len(registries({}.get)) == 1


def test_apt_is_asked_where_the_key_is_known():
    keys = {"kubeadm_apt_key_url": "https://pkgs.example/key", "kubeadm_apt_key_fingerprints": ["AB"]}
    kubernetes, docker = repositories({**SETTINGS, **keys}.get, "trixie")
    assert kubernetes["apt"] == {
        "url": SETTINGS["kubeadm_apt_repository"],
        "suite": "/",
        "components": [],
        "settings": "kubeadm_apt",
        "key_url": "https://pkgs.example/key",
        "key_fingerprints": ["AB"],
    }
    assert docker["apt"] is None


@pytest.mark.parametrize(
    ("server", "version", "finished"),
    [("https://m:6443", "1.37.2-1.1", True), ("https://m:6443", "1.36.3-1.1", False), ("", "1.37.2-1.1", False)],
)
def test_a_finished_host_is_left_in_peace(server, version, finished):
    facts = {"pi_kubernetes": {"kubelet_server": server}, "pi_packages": {"kubelet": {"version": version}}}
    assert is_finished(facts, "1.37.2") is finished
    assert is_finished({}, "1.37.2") is False
