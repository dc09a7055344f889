"""One API server for these tests, with the nodes of a small cluster, and kubeflow_push called in this very process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / ".lab/collections"))

from apiserver import ApiServer


def node(name: str, architecture: str, memory: str = "3700Mi") -> dict[str, Any]:
    """A node that is ready, as the API has it."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/arch": architecture, "kubernetes.io/os": "linux"}},
        "status": {
            "allocatable": {"cpu": "4", "memory": memory, "pods": "110"},
            "addresses": [{"type": "InternalIP", "address": "192.168.13.7"}],
            "nodeInfo": {
                "architecture": architecture,
                "operatingSystem": "linux",
                **dict.fromkeys(
                    (
                        "bootID",
                        "containerRuntimeVersion",
                        "kernelVersion",
                        "kubeProxyVersion",
                        "kubeletVersion",
                        "machineID",
                        "osImage",
                        "systemUUID",
                    ),
                    "",
                ),
            },
        },
    }


@pytest.fixture(scope="session")
def api() -> Iterator[ApiServer]:
    """A real API server with two nodes of different architectures; nothing starts pods."""
    server = ApiServer("--disable-admission-plugins=TaintNodesByCondition")
    try:
        server.start()
        for document in (node("k8s-node1", "arm64"), node("k8s-node2", "amd64")):
            server.kubectl("create", "--filename=-", text=json.dumps(document))
            patch = json.dumps({"status": document["status"]})
            server.kubectl("patch", "node", document["metadata"]["name"], "--subresource=status", f"--patch={patch}")
        yield server
    finally:
        server.stop()


@pytest.fixture
def install(api: ApiServer, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`install(entries, components, option=…)` → the module's result, with `failed`."""
    from ansible_collections.bramble.kube.plugins.module_utils.kubeflow import options, run

    def call(catalogue: list[dict], components: list, check: bool = False, **more: Any) -> dict[str, Any]:
        params = {name: spec.get("default") for name, spec in options.ARGUMENT_SPEC.items()}
        params.update(
            kubeconfig=api.kubeconfig,
            catalogue=catalogue,
            components=components,
            timeout=10,
            image_cache=str(tmp_path / "images"),
            **{"wait": False, **more},
        )
        failed, result = run.run(params, check=check, diff=False)
        return {**result, "failed": failed}

    return call
