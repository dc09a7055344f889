"""Starts KServe's model server so that whoever reaches it may read and ask for predictions, and nothing else.

By itself it also lets anybody load and unload models (Triton's model repository extension), without a login.
What is passed on is a list: what a later release may add stays closed.

usage: model_server.py OPTIONS of python -m sklearnserver
"""

from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path

HANDED_OVER = Path("/handed-over")  # see model_server_handed_over.py
READ = ("GET", "HEAD")
# V1: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol, V2 likewise; {model} as there
INFERENCE = re.compile(r"/v1/models/[^/]+:(predict|explain)|/v2/models/[^/]+(/versions/[^/]+)?/infer")


def passes(method: str, path: str) -> bool:
    """Whether a request is a read or an inference; `path` as the server's own routing sees it."""
    return method in READ or (method == "POST" and INFERENCE.fullmatch(path) is not None)


class ReadsAndInference:
    """ASGI middleware that answers everything else with 403."""

    def __init__(self, app) -> None:
        self.app = app

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan" or (scope["type"] == "http" and passes(scope["method"], scope["path"])):
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            body = json.dumps({"error": "this server answers reads and inference, and nothing else"}).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": body})


def answer_text() -> None:
    """Let models answer with text. KServe 0.21.0 writes text of object arrays alone, and scikit-learn gives others."""
    from kserve.protocol.infer_type import InferOutput

    write = InferOutput.set_data_from_numpy

    def set_data_from_numpy(self, tensor, binary_data=True):
        return write(self, tensor.astype(object) if tensor.dtype.kind == "U" else tensor, binary_data)

    InferOutput.set_data_from_numpy = set_data_from_numpy


if __name__ == "__main__":
    from kserve.model_server import app

    answer_text()
    app.add_middleware(ReadsAndInference)
    if (HANDED_OVER / "model.joblib").exists():
        sys.argv.append(f"--model_dir={HANDED_OVER}")  # the last one counts
    runpy.run_module("sklearnserver", run_name="__main__", alter_sys=True)
