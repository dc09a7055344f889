# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The password of a new JupyterHub is shown once, to a person at a terminal, and nowhere that is kept."""

from __future__ import annotations

import base64
import http.server
import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "5ecret-first-evening"
LINE = "Log in to jupyterhub with this, which is shown once"


class Answer(http.server.BaseHTTPRequestHandler):
    """The cluster's one Secret."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert self.path == "/api/v1/namespaces/jupyterhub/secrets/jupyterhub-passwords"
        about = {"name": "jupyterhub-passwords", "namespace": "jupyterhub", "resourceVersion": "1"}
        data = {"admin": base64.b64encode(PASSWORD.encode()).decode()}
        content = json.dumps({"metadata": about, "data": data}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A play with the report alone, and a cluster's kubeconfig."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    named = {"name": "x", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
    config = {"clusters": [named], "users": [{"name": "x", "user": {}}], "current-context": "x"}
    config["contexts"] = [{"name": "x", "context": {"cluster": "x", "user": "x"}}]
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    report = {"kubeconfig": str(tmp_path / "kubeconfig"), "installed": "{{ installed }}"}
    play = {"hosts": "master", "gather_facts": False, "tasks": [{"bramble.kube.site_report": report}]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    (tmp_path / "hosts.yml").write_text("master: {hosts: {k8s-master: {ansible_host: 127.0.0.1}}}\n")
    yield tmp_path
    server.shutdown()


def printed(folder: Path, installed: str = "jupyterhub", terminal: bool = True, **environment: str) -> str:
    """What is seen on a terminal, or comes out of a pipe."""
    kept = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("ANSIBLE_")}
    settings = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LOG_PATH": str(folder / "log")}
    extra = json.dumps({"installed": [installed]})
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(folder / "hosts.yml"), "-vvv"]
    command += ["-e", extra, str(folder / "play.yml")]
    ours, theirs = pty.openpty() if terminal else os.pipe()
    done = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**kept, **settings, **environment},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.STDOUT,
    )
    os.close(theirs)
    found = b""
    try:
        while part := os.read(ours, 65536):
            found += part
    except OSError:  # a terminal that nobody writes to any more
        pass
    os.close(ours)
    assert done.wait() == 0, found.decode()
    return found.decode()


def test_a_person_at_a_terminal_sees_it_and_no_log_has_it(folder: Path) -> None:
    seen = printed(folder)
    assert LINE in seen and f"  admin      {PASSWORD}" in seen
    log = (folder / "log").read_text()
    assert "kubectl get nodes" in log and PASSWORD not in log


@pytest.mark.parametrize(
    ("installed", "terminal", "environment"),
    [
        ("trainer", True, {}),
        ("jupyterhub", False, {}),
        ("jupyterhub", True, {"CI": "true"}),
        ("jupyterhub", True, {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal"}),
    ],
)
def test_nothing_else_has_it(folder: Path, installed: str, terminal: bool, environment: dict[str, str]) -> None:
    seen = printed(folder, installed, terminal, **environment)
    assert "kubectl get nodes" in seen
    assert PASSWORD not in seen + (folder / "log").read_text() and LINE not in seen
