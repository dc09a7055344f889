"""What the model server passes on: reads and inference, and nothing that is not on the list."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).parents[3] / "roles" / "kubeflow" / "files" / "model_server.py"


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("model_server", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("method", "path", "passes"),
    [
        ("GET", "/v2/models/digits", True),
        ("GET", "/v2/models/digits/ready", True),
        ("HEAD", "/metrics", True),
        ("POST", "/v2/models/digits/infer", True),
        ("POST", "/v2/models/digits/versions/1/infer", True),
        ("POST", "/v1/models/digits:predict", True),
        ("POST", "/v1/models/digits:explain", True),
        ("POST", "/v2/repository/models/digits/unload", False),
        ("POST", "/v2/repository/models/digits/load", False),
        ("POST", "/v2/repository/models/x/../../models/digits/infer", False),
        ("POST", "/v2/models/digits/infer/", False),
        ("POST", "/v2/models/digits/infer\n", False),
        ("POST", "/v2/models/a/b/infer", False),
        ("POST", "/v1/models/digits:predict/unload", False),
        ("POST", "/openai/v1/completions", False),
        ("post", "/v2/repository/models/digits/unload", False),
        ("DELETE", "/v2/models/digits", False),
        ("PUT", "/v2/models/digits/infer", False),
        ("PATCH", "/", False),
    ],
)
def test_reads_and_inference_and_nothing_else(program, method, path, passes):
    assert program.passes(method, path) is passes


@pytest.mark.parametrize(
    ("scope", "reached", "status"),
    [
        ({"type": "lifespan"}, True, None),
        ({"type": "http", "method": "GET", "path": "/v2"}, True, None),
        ({"type": "http", "method": "POST", "path": "/v2/repository/models/digits/unload"}, False, 403),
        ({"type": "websocket", "path": "/"}, False, None),
    ],
)
def test_what_does_not_pass_never_reaches_the_server(program, scope, reached, status):
    seen, sent = [], []

    async def app(*_arguments):
        seen.append(True)

    async def send(message):
        sent.append(message)

    asyncio.run(program.ReadsAndInference(app)(scope, None, send))
    assert bool(seen) is reached
    assert [message["status"] for message in sent if "status" in message] == ([status] if status else [])
