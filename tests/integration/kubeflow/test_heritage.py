"""Components of earlier days: beside, in place of, and without what succeeds them, on a real API server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "push"))

from apiserver import ApiServer

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


@pytest.mark.lab
def test_an_old_component_beside_without_and_with_its_successor(server: ApiServer, tmp_path: Path) -> None:
    play("heritage.yml", server, tmp_path)


@pytest.mark.lab
@pytest.mark.skipif(not SNAPSHOT, reason="KUBEFLOW_SNAPSHOT names no checkout of kubeflow/kubeflow at v0.1.3")
def test_kubeflow_0_1_3_as_it_was(server: ApiServer, tmp_path: Path) -> None:
    play("kubeflow_2018.yml", server, tmp_path, "-e", f"snapshot={SNAPSHOT}")
