# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What the loop's own programs will start beside those of the role: servers and trainings, for the fit check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

STEP_LABEL = "loop.bramble.kube/step"
#: What a server and a training reserve, as roles/loop/files/programs/pods.py writes it.
REQUESTS = {"cpu": "50m", "memory": "256Mi"}


def demand(models: Sequence[Mapping[str, Any]], image: str) -> list[dict[str, Any]]:
    """For each model the live server and the next one beside it, and one training at a time.

    :param models: loop_models.
    :param image: the image of all programs.
    :returns: Deployments that stand for them; their names are nobody's.
    """
    found = [_stand_in(f"servers of {model['name']}", 2, image) for model in models]
    return [*found, _stand_in("a training", 1, image)] if found else []


def others(pods: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """All Pods but the loop's servers and trainings, which `demand` stands for."""
    return [
        pod
        for pod in pods
        if pod["metadata"].get("namespace") != "loop" or STEP_LABEL not in (pod["metadata"].get("labels") or {})
    ]


def _stand_in(name: str, replicas: int, image: str) -> dict[str, Any]:
    container = {"name": "program", "image": image, "resources": {"requests": dict(REQUESTS)}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "loop"},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [container]}}},
    }
