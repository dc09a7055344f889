# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kubectl comes to the laptop with the right checksum or not at all, and the cluster as a context."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
BINARY = b"#!/bin/sh\necho it runs\n"
INVENTORY = "bramble: {children: {master: {hosts: {k8s-master: {kubeadm_version: 1.37.2}}}}}\n"


@pytest.fixture
def source(tmp_path: Path) -> Iterator[str]:
    """A server that has this release for all platforms."""
    for platform in ("linux/amd64", "linux/arm64", "darwin/arm64"):
        folder = tmp_path / "www/release/v1.37.2/bin" / platform
        folder.mkdir(parents=True)
        (folder / "kubectl").write_bytes(BINARY)
        (folder / "kubectl.sha256").write_text(hashlib.sha256(BINARY).hexdigest())
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "www"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def laptop(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "hosts.yml").write_text(INVENTORY)
    return subprocess.run(
        [
            *(str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(folder / "hosts.yml")),
            *(str(ROOT / "playbooks/laptop.yml"), "-e", f"laptop_bin={folder}/bin", *arguments),
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "HOME": str(folder), "no_proxy": "127.0.0.1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_kubectl_with_the_right_checksum(tmp_path: Path, source: str) -> None:
    done = laptop(tmp_path, "--tags", "kubectl", "-e", f"laptop_source={source}")
    assert done.returncode == 0, done.stdout + done.stderr
    kubectl = tmp_path / "bin/kubectl"
    assert subprocess.run([kubectl], capture_output=True, check=True).stdout == b"it runs\n"
    assert f"{kubectl} is kubectl 1.37.2" in done.stdout and f"export PATH={tmp_path}/bin:$PATH" in done.stdout
    assert not (tmp_path / ".kube").exists()
    again = laptop(tmp_path, "--tags", "kubectl", "-e", f"laptop_source={source}")
    assert "changed=0" in again.stdout, again.stdout + again.stderr


def test_kubectl_with_a_wrong_checksum(tmp_path: Path, source: str) -> None:
    for file in tmp_path.glob("www/**/kubectl"):
        file.write_bytes(BINARY + b"rm -rf /\n")
    done = laptop(tmp_path, "--tags", "kubectl", "-e", f"laptop_source={source}")
    assert done.returncode != 0 and "which its release has" in " ".join(done.stdout.split())
    assert not (tmp_path / "bin/kubectl").exists()


def test_the_context(tmp_path: Path) -> None:
    (tmp_path / ".kubeconfig").write_text(
        yaml.safe_dump(
            {
                "clusters": [{"name": "c", "cluster": {"server": "https://192.168.13.7:6443"}}],
                "users": [{"name": "u", "user": {}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    done = laptop(tmp_path, "--tags", "context")
    assert done.returncode == 0, done.stdout + done.stderr
    assert yaml.safe_load((tmp_path / ".kube/config").read_text())["current-context"] == "bramble"
    assert "has the context bramble, which is the current one." in " ".join(done.stdout.split())
    assert not (tmp_path / "bin").exists()
