# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The proof of notebooks: a test user's server started through JupyterHub's API, a cell, a restart, the file again."""

from __future__ import annotations

from typing import Any

from .namespace import Workplace, told
from .proof import NotProven
from .training import CONTAINER, POD

NAME = "smoke-notebook"


def prober(program: str, image: str, hub: dict[str, Any], patience: int) -> list[dict[str, Any]]:
    """A Job that uses JupyterHub from inside the cluster, in the hub's own image.

    :param hub: ``url`` of the proxy in the cluster, ``token`` with which the hub lets this be done.
    """
    env = [
        {"name": "HUB_URL", "value": hub["url"]},
        {"name": "HUB_USER", "value": NAME},
        {"name": "HUB_PATIENCE", "value": str(patience)},
        {"name": "HUB_TOKEN", "valueFrom": {"secretKeyRef": {"name": NAME, "key": "token"}}},
    ]
    container = {
        "name": "prober",
        "image": image,
        "command": ["python3", "/program/notebook.py"],
        "env": env,
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": CONTAINER,
        "volumeMounts": [{"name": "program", "mountPath": "/program"}],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    spec = {
        **POD,
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [{"name": "program", "configMap": {"name": NAME}}],
    }
    metadata = {"name": NAME}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"notebook.py": program}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"token": hub["token"]}},
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata,
            "spec": {"backoffLimit": 0, "template": {"spec": spec}},
        },
    ]


def image_of(place: Workplace, namespace: str, deployment: str) -> str:
    """Image of the hub that runs.

    :raises NotProven: when there is no such hub.
    """
    found = place.read("Deployment", deployment, namespace)
    if found is None:
        raise NotProven(f"there is no Deployment {deployment} in the namespace {namespace}")
    return found["spec"]["template"]["spec"]["containers"][0]["image"]


def prove_notebook(place: Workplace, program: str, image: str, hub: dict[str, Any]) -> str:
    """Let the prober work; what it has seen."""
    selector = f"job-name={NAME}"
    if not hub["token"]:
        raise NotProven("the hub created no token for this test: is it running, and installed by this collection?")
    # The prober waits for two starts and two stops, and says itself which took too long.
    place.make(*prober(program, image, hub, max(30, int(place.timeout / 4))))
    place.condition("Job", NAME, "Complete", "Failed", selector)
    result = told(place.pods(selector), "printed")
    return (
        f"JupyterHub {result['version']}, a cell printed {result['printed'].split()[0]}, its file was there after a"
        f" restart (starts: {result['first_start']} s and {result['second_start']} s)"
    )
