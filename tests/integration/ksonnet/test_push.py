"""The whole way on a real API server: app, its k.libsonnet from the server itself, rendering, push, unchanged again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from apiserver import ApiServer

HERE = Path(__file__).resolve().parent


@pytest.mark.lab
def test_an_app_gets_to_a_cluster() -> None:
    server = ApiServer()
    try:
        server.start()
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            *("-i", "localhost,", str(HERE / "push.yml"), "-e", f"kubeconfig={server.kubeconfig}"),
        ]
        env = {**os.environ, "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(command, cwd=HERE.parents[2], capture_output=True, text=True, env=env, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert server.kubectl("get", "namespaces", "ksonnet-check", "-o", "name", check=False).strip() in (
            "",
            "namespace/ksonnet-check",  # on its way out: no controller runs here that would finish it
        )
    finally:
        server.stop()
