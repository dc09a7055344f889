"""Hands a model from a notebook to the cluster's model server.

A notebook server's account may do just this in the namespace model-server: change the ConfigMap `model`, restart the
server, and read its log. docs/first-model.md has more.
"""

import base64
import json
import os
import ssl
import time
from pathlib import Path

from http_call import ask

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
LARGEST = 700_000  # bytes; base64 makes a third more of them, and a ConfigMap holds 1 MiB
SECONDS = 60  # for one answer of the API server
PATIENCE = 600  # seconds for a server to start: Python and scikit-learn take their time on a Pi


def _cluster(method, path, body=None):
    """The text that the cluster's API server answers about the namespace model-server."""
    if not (ACCOUNT / "token").exists():
        raise RuntimeError("This notebook server may not hand over models: see kubeflow_jupyterhub_serves.")
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    answer = ask(
        method,
        f"https://{host}:{port}/api/v1/namespaces/model-server/{path}",
        None if body is None else json.dumps(body).encode(),
        {
            "Authorization": "Bearer " + (ACCOUNT / "token").read_text(),
            "Content-Type": "application/merge-patch+json",
        },
        seconds=SECONDS,
        tls=ssl.create_default_context(cafile=ACCOUNT / "ca.crt"),
    )
    if answer.status >= 300:
        raise RuntimeError(f"{method} {path}: {json.loads(answer.body).get('message', answer.status)}")
    return answer.body.decode()


def _pods():
    """The model server's Pods that are not on their way out."""
    pods = json.loads(_cluster("GET", "pods?labelSelector=app=model-server"))["items"]
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def _ready(pod):
    conditions = pod.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _restart():
    """Starts the model server again, waits until it is ready, and says which model it has taken."""
    before = {pod["metadata"]["name"] for pod in _pods()}
    for name in before:
        _cluster("DELETE", f"pods/{name}")
    deadline = time.monotonic() + PATIENCE
    while True:
        for pod in _pods():
            name = pod["metadata"]["name"]
            if name not in before and _ready(pod):
                print(_cluster("GET", f"pods/{name}/log?container=handed-over").strip())
                return
        if time.monotonic() > deadline:
            raise RuntimeError(f"The model server did not start within {PATIENCE} seconds: serving.log() may say why.")
        time.sleep(2)


def serve(file):
    """Serve the model in a file of joblib's, in place of the one that is served now."""
    model = Path(file).read_bytes()
    if len(model) > LARGEST:
        raise ValueError(
            f"{file} has {len(model)} bytes, and at most {LARGEST} can be handed over: see docs/first-model.md."
        )
    handed_over = {"model.joblib": base64.b64encode(model).decode()}
    _cluster("PATCH", "configmaps/model", {"binaryData": handed_over})
    _restart()


def take_back():
    """Serve again what was served before."""
    _cluster("PATCH", "configmaps/model", {"binaryData": {"model.joblib": None}})
    _restart()


def log(lines=20):
    """The last lines that the model server has written, without those about the cluster asking whether it is ready."""
    for pod in _pods():
        written = _cluster("GET", f"pods/{pod['metadata']['name']}/log?container=server&tailLines=1000").splitlines()
        print("\n".join([line for line in written if "/ready " not in line and ".ready: " not in line][-lines:]))
