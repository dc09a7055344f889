"""One API server for all tests of manifest_push, and the module called in this very process."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parents[2] / ".lab" / "collections"))

from apiserver import ApiServer
from options import DEFAULTS

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def api() -> Iterator[ApiServer]:
    """A real API server, shared by the tests; each uses a namespace of its own."""
    server = ApiServer("--feature-gates=AllAlpha=false")
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def space(api: ApiServer, request: pytest.FixtureRequest) -> str:
    """A fresh namespace for one test."""
    test = "".join(char if char.isalnum() else "-" for char in request.node.name.lower().removeprefix("test_"))
    name = f"t{next(_numbers)}-{test[:40].strip('-')}"
    api.kubectl("create", "namespace", name)
    return name


@pytest.fixture
def push(api: ApiServer) -> Callable[..., dict[str, Any]]:
    """`push(objects or text, option=…, check=…, diff=…)` → the module's result, with `failed`."""
    from ansible_collections.bramble.kube.plugins.module_utils.manifests import run

    def call(definition: Any = None, check: bool = False, diff: bool = False, **options: Any) -> dict[str, Any]:
        params = {**DEFAULTS, "kubeconfig": api.kubeconfig, "definition": definition, **options}
        failed, result = run.run(params, check=check, diff=diff)
        result["failed"] = failed
        return result

    return call


@pytest.fixture
def live(api: ApiServer) -> Callable[..., dict[str, Any]]:
    """`live("configmap", "name", "namespace")` → the object as the server has it."""

    def read(kind: str, name: str, namespace: str = "") -> dict[str, Any]:
        where = ["-n", namespace] if namespace else []
        return yaml.safe_load(api.kubectl("get", kind, name, *where, "-o", "yaml", "--show-managed-fields"))

    return read
