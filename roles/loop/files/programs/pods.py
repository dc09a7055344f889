# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods of the loop, as hand and switch make them: restricted, small, with the programs and the volume."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from kube import GROUP, MODEL_LABEL, NAMESPACE, seconds_of

Object = dict[str, Any]

IMAGE = os.environ.get("LOOP_IMAGE") or "docker.io/kserve/sklearnserver:v0.21.0"
PROGRAMS = os.environ.get("LOOP_PROGRAMS") or ""
RELEASE_LABEL, STEP_LABEL = f"{GROUP}/release", f"{GROUP}/step"
MEMORY = "768Mi"
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def labels(model: str, release: str, step: str) -> dict[str, str]:
    """Labels of what belongs to a release."""
    return {MODEL_LABEL: model, RELEASE_LABEL: release, STEP_LABEL: step}


def pod_spec(
    program: Sequence[str],
    rules: Mapping[str, Any],
    environment: Mapping[str, Any],
    reads: Sequence[str] = (),
    writes: str = "",
    code: str = "",
) -> Object:
    """A Pod that runs one program, and sees of the volume only what it needs: never the desk's conversations.

    :param program: file name and arguments.
    :param rules: the gate's entry of the model; its data may be on a claim of its own.
    :param environment: name → text, or → a source (valueFrom).
    :param reads: folders of the loop's volume, read-only.
    :param writes: one that the program writes to.
    :param code: ConfigMap with the model's code, mounted at /code.
    """
    mounts: list[Object] = [
        {"name": "programs", "mountPath": "/programs", "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},
    ]
    volumes: list[Object] = [
        {"name": "programs", "configMap": {"name": "loop-programs"}},
        {"name": "loop", "persistentVolumeClaim": {"claimName": "loop"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "512Mi"}},
    ]
    for folder in reads:
        mount = {"name": "loop", "mountPath": f"/data/{folder}", "subPath": folder, "readOnly": True}
        if folder.startswith("data/") and rules.get("volume"):
            mount = {"name": "data", "mountPath": f"/data/{folder}", "readOnly": True}
            volumes.append({"name": "data", "persistentVolumeClaim": {"claimName": rules["volume"]}})
        mounts.append(mount)
    if writes:
        mounts.append({"name": "loop", "mountPath": f"/data/{writes}", "subPath": writes})
    if code:
        mounts.append({"name": "code", "mountPath": "/code", "readOnly": True})
        volumes.append({"name": "code", "configMap": {"name": code}})
    values = {"HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", **environment}
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "fsGroup": 1000,
            "fsGroupChangePolicy": "OnRootMismatch",
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "program",
                "image": IMAGE,
                "command": ["python", f"/programs/{program[0]}", *program[1:]],
                "env": [
                    {"name": name, **({"value": value} if isinstance(value, str) else {"valueFrom": value})}
                    for name, value in values.items()
                ],
                "resources": {
                    "requests": {"cpu": "50m", "memory": "256Mi"},
                    "limits": {"memory": rules.get("memory") or MEMORY},
                },
                "securityContext": RESTRICTED,
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": mounts,
            }
        ],
        "volumes": volumes,
    }


def job(name: str, marks: Mapping[str, str], spec: Object) -> Object:
    """A Job that gives up at once when its program ends with 3, and tries again after a cut or a lost Pi."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": dict(marks)},
        "spec": {
            "backoffLimit": 3,
            "podFailurePolicy": {
                "rules": [
                    {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [3]}},
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                ]
            },
            "ttlSecondsAfterFinished": 7 * 86400,
            "template": {"metadata": {"labels": dict(marks)}, "spec": {**spec, "restartPolicy": "Never"}},
        },
    }


def last_message(pods: Sequence[Object]) -> str:
    """Why the newest of some Pods ended or waits, in one sentence; empty when there is nothing to say."""
    for pod in sorted(pods, key=lambda pod: pod["metadata"].get("creationTimestamp") or "", reverse=True):
        status = pod.get("status") or {}
        for container in status.get("containerStatuses") or []:
            for state in (container.get("state") or {}, container.get("lastState") or {}):
                ended = state.get("terminated") or {}
                if ended.get("reason") == "OOMKilled":
                    return "it took more memory than its limit and was stopped."
                lines = (ended.get("message") or "").strip().splitlines()
                if ended.get("exitCode") and lines:
                    return lines[-1][:500]
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
                return f"{waiting['reason']}: {waiting.get('message') or ''}".strip()[:500]
        for condition in status.get("conditions") or []:
            if condition["type"] == "PodScheduled" and condition["status"] == "False":
                return f"no node takes it: {condition.get('message') or ''}"[:500]
    return ""


def placed_at(pods: Sequence[Object]) -> float | None:
    """When the newest Pod that stays came to a node, seconds since 1970; 0 while none takes it, None without one."""
    staying = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    if not staying:
        return None
    newest = max(staying, key=lambda pod: pod["metadata"].get("creationTimestamp") or "")
    for condition in (newest.get("status") or {}).get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "True":
            return seconds_of(condition["lastTransitionTime"])
    return 0.0


def exit_codes(pod: Object) -> list[int]:
    """What the containers of a Pod ended with, now and the time before."""
    return [
        state["terminated"]["exitCode"]
        for container in (pod.get("status") or {}).get("containerStatuses") or []
        for state in (container.get("state") or {}, container.get("lastState") or {})
        if state.get("terminated")
    ]


def crashed(pod: Object) -> bool:
    """Whether a container of a Pod ended by itself: not well, not by SIGTERM, and not with its Pi (255)."""
    return any(code not in (0, 143, 255) for code in exit_codes(pod))
