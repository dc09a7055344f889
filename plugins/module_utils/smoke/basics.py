# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Proofs of what the components stand on: storage and metrics."""

from __future__ import annotations

from typing import Any

from ..common.wording import counted
from .namespace import Workplace, last_words
from .proof import NotProven
from .training import CONTAINER, POD, claim


def _pod(name: str, image: str, volume: str, code: str) -> dict[str, Any]:
    container = {
        "name": "shell",
        "image": image,
        "command": ["python", "-c", code],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": CONTAINER,
        "volumeMounts": [{"name": "volume", "mountPath": "/volume"}],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    volumes = [{"name": "volume", "persistentVolumeClaim": {"claimName": volume}}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {**POD, "restartPolicy": "Never", "containers": [container], "volumes": volumes},
    }


def prove_storage(place: Workplace, image: str) -> str:
    """One Pod writes to a new volume, another one reads it after the first is gone."""
    write = "open('/volume/kept', 'w').write('by the volume')"
    read = "open('/dev/termination-log', 'w').write(open('/volume/kept').read())"
    place.make(claim("smoke-storage"))
    for name, code in (("smoke-write", write), ("smoke-read", read)):
        place.make(_pod(name, image, "smoke-storage", code))

        def ended(name: str = name) -> str:
            phase = ((place.read("Pod", name) or {}).get("status") or {}).get("phase")
            if phase == "Failed":
                raise NotProven(place.trouble(f"app={name}") or f"Pod {name} failed")
            return phase if phase == "Succeeded" else ""

        place.until(ended, f"Pod {name} does not end", lambda name=name: place.trouble(f"app={name}"))
        if name == "smoke-write":
            place.remove("Pod", name)
    kept = last_words(place.pods("app=smoke-read")[0])
    if kept != "by the volume":
        raise NotProven(f"the volume holds {kept!r} instead of what was written")
    volume = place.read("PersistentVolumeClaim", "smoke-storage") or {}
    return f"a volume of the storage class {volume['spec'].get('storageClassName')} kept its file for the next Pod"


def prove_metrics(place: Workplace) -> str:
    """metrics-server tells the memory and CPU of every node."""
    names = {node["metadata"]["name"] for node in place.get("/api/v1/nodes")["items"]}

    def measured() -> set[str]:
        items = place.get("/apis/metrics.k8s.io/v1beta1/nodes").get("items") or []
        return names if names <= {item["metadata"]["name"] for item in items if item.get("usage")} else set()

    place.until(measured, "metrics-server does not know the load of every node")
    return f"CPU and memory of {counted(len(names), 'node')} are measured"
