"""Components of earlier days: beside, in place of, and without what succeeds them, on a real API server."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from apiserver import ApiServer

HERE = Path(__file__).resolve().parent

OPENAPI = HERE.parents[1] / "unit/ksonnet/fixtures/openapi/v1.7.0.json"
SNAPSHOT = os.environ.get("KUBEFLOW_SNAPSHOT", "")


@pytest.fixture
def server() -> Iterator[ApiServer]:
    server = ApiServer()
    try:
        server.start()
        yield server
    finally:
        server.stop()


def play(name: str, server: ApiServer, work: Path, *arguments: str) -> None:
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            *("-i", "localhost,", str(HERE / name)),
            *("-e", f"kubeconfig={server.kubeconfig} work={work}", *arguments),
        ],
        cwd=HERE.parents[2],
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def releases(tmp_path: Path) -> Iterator[str]:
    """An address with the test registry's release under the paths that GitHub has: its archive, and one file of it."""
    folder = tmp_path / "releases/bramble/classic"
    archive = folder / "archive/refs/tags/v0.1.3.tar.gz"
    file = folder / "raw/v0.1.3/testing/swagger.json"
    for path in (archive, file):
        path.parent.mkdir(parents=True)
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(HERE / "registry", "classic-0.1.3/registry")
    shutil.copy(OPENAPI, file)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "releases"))
    site = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{site.server_port}"
    site.shutdown()


@pytest.mark.lab
def test_an_old_component_beside_without_and_with_its_successor(
    server: ApiServer, tmp_path: Path, releases: str
) -> None:
    """The checksum is taken as docs/catalogue.md says, so that this is tested, too."""
    command = "find registry -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"
    told = subprocess.run(command, shell=True, cwd=HERE, check=True, capture_output=True, text=True).stdout
    play("heritage.yml", server, tmp_path, "-e", f"releases={releases} registry_sha256={told.split()[0]}")


@pytest.mark.lab
@pytest.mark.skipif(not SNAPSHOT, reason="KUBEFLOW_SNAPSHOT names no checkout of kubeflow/kubeflow at v0.1.3")
def test_kubeflow_0_1_3_as_it_was(server: ApiServer, tmp_path: Path) -> None:
    play("kubeflow_2018.yml", server, tmp_path, "-e", f"snapshot={SNAPSHOT}")
