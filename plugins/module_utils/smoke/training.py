# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Proofs of training: a team of Pods trains a small model with scikit-learn and stores it on a volume.

Both operators get the same program (roles/kubeflow/files/smoke/digits.py); what differs is who tells its members
who they are.
"""

from __future__ import annotations

from typing import Any

from .namespace import Workplace, told
from .proof import NotProven

ACCURACY = 0.93  # of images that were not trained on; a model that guesses has 0.1
MEMBERS = 3
SCRIPT = "smoke-digits"
# Enough for scikit-learn on a Pi, and no more than a Pi with 1 GB can spare.
RESOURCES = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}


# What the Pod Security level "restricted" wants, and no account of the cluster's: the proofs need neither.
CONTAINER = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
POD = {
    "automountServiceAccountToken": False,
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "fsGroup": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}


def script(programs: dict[str, str]) -> dict[str, Any]:
    """The training program and what it imports, as a ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": SCRIPT}, "data": programs}


def claim(name: str) -> dict[str, Any]:
    """A volume for a model, of the cluster's default storage class."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "64Mi"}}},
    }


def _volumes(volume: str) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [{"name": "program", "configMap": {"name": SCRIPT}}]
    if volume:
        volumes.append({"name": "model", "persistentVolumeClaim": {"claimName": volume}})
    return volumes


def _mounts(volume: str) -> list[dict[str, Any]]:
    mounts = [{"name": "program", "mountPath": "/program"}]
    if volume:
        mounts.append({"name": "model", "mountPath": "/mnt/models"})
    return mounts


COMMAND = ["python", "/program/digits.py", "/mnt/models"]


def tfjob(name: str, image: str, volume: str) -> dict[str, Any]:
    """A chief with the volume, and two workers that may run on any node."""

    def replica(number: int, claim_name: str) -> dict[str, Any]:
        container = {
            "name": "tensorflow",
            "image": image,
            "command": COMMAND,
            "env": [{"name": "OMP_NUM_THREADS", "value": "1"}],
            "resources": RESOURCES,
            "securityContext": CONTAINER,
            "volumeMounts": _mounts(claim_name),
            "terminationMessagePolicy": "FallbackToLogsOnError",
        }
        spec = {**POD, "containers": [container], "volumes": _volumes(claim_name)}
        return {"replicas": number, "restartPolicy": "Never", "template": {"spec": spec}}

    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "TFJob",
        "metadata": {"name": name},
        "spec": {
            "runPolicy": {"cleanPodPolicy": "None"},
            "tfReplicaSpecs": {"Chief": replica(1, volume), "Worker": replica(MEMBERS - 1, "")},
        },
    }


def training_runtime(name: str, image: str, volume: str) -> dict[str, Any]:
    """What a TrainJob of scikit-learn runs in; the policy `torch` tells members their rank and the first one.

    All nodes mount the volume, which the first one writes to. What a TrainJob may change of its runtime has another
    name in each minor version of the trainer, so that it changes nothing.
    """
    container = {
        "name": "node",
        "image": image,
        "resources": RESOURCES,
        "securityContext": CONTAINER,
        "volumeMounts": _mounts(volume),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    spec = {**POD, "containers": [container], "volumes": _volumes(volume)}
    job = {
        "name": "node",
        "template": {
            "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}},
            "spec": {"backoffLimit": 0, "template": {"spec": spec}},
        },
    }
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainingRuntime",
        "metadata": {"name": name},
        "spec": {
            "mlPolicy": {"numNodes": 1, "torch": {}},
            "template": {"spec": {"replicatedJobs": [job]}},
        },
    }


def trainjob(name: str, runtime: str) -> dict[str, Any]:
    """Three nodes."""
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": name},
        "spec": {
            "runtimeRef": {"apiGroup": "trainer.kubeflow.org", "kind": "TrainingRuntime", "name": runtime},
            "trainer": {
                "numNodes": MEMBERS,
                "numProcPerNode": 1,
                "command": COMMAND,
                "env": [{"name": "OMP_NUM_THREADS", "value": "1"}],
            },
        },
    }


def alone(name: str, image: str, volume: str) -> dict[str, Any]:
    """A Job that trains without any operator, for a server that has no other model to serve."""
    container = {
        "name": "node",
        "image": image,
        "command": COMMAND,
        "env": [
            {"name": "PET_NODE_RANK", "value": "0"},
            {"name": "PET_NNODES", "value": "1"},
            {"name": "PET_MASTER_ADDR", "value": "localhost"},
            {"name": "PET_MASTER_PORT", "value": "29400"},
        ],
        "resources": RESOURCES,
        "securityContext": CONTAINER,
        "volumeMounts": _mounts(volume),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    template = {"spec": {**POD, "restartPolicy": "Never", "containers": [container], "volumes": _volumes(volume)}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": template},
    }


def judge(result: dict[str, Any]) -> str:
    """What a training has told, if it is good enough.

    :raises NotProven: when the model is too bad, or not all have taken part.
    """
    if result["members"] != MEMBERS:
        raise NotProven(f"{result['members']} members took part instead of {MEMBERS}")
    if result["accuracy"] < ACCURACY:
        raise NotProven(f"the model recognizes {result['accuracy']:.1%} of unseen digits; {ACCURACY:.0%} are wanted")
    return (
        f"{MEMBERS} members, {result['accuracy']:.1%} of unseen digits recognized ({ACCURACY:.0%} wanted), model stored"
    )


def prove_tfjob(place: Workplace, image: str, volume: str) -> dict[str, Any]:
    """Carry out a TFJob; what its chief has told."""
    selector = "training.kubeflow.org/job-name=smoke-tfjob"
    place.make(claim(volume), tfjob("smoke-tfjob", image, volume))
    place.condition("TFJob", "smoke-tfjob", "Succeeded", "Failed", selector)
    return told(place.pods(selector), "accuracy")


def prove_trainjob(place: Workplace, image: str, volume: str) -> dict[str, Any]:
    """Carry out a TrainJob; what its first node has told."""
    selector = "jobset.sigs.k8s.io/jobset-name=smoke-trainjob"
    place.make(claim(volume), training_runtime("smoke-scikit-learn", image, volume))
    place.make_soon(trainjob("smoke-trainjob", "smoke-scikit-learn"))
    place.condition("TrainJob", "smoke-trainjob", "Complete", "Failed", selector)
    return told(place.pods(selector), "accuracy")


def train_alone(place: Workplace, image: str, volume: str) -> dict[str, Any]:
    """Carry out a Job that trains; what it has told."""
    place.make(claim(volume), alone("smoke-training", image, volume))
    place.condition("Job", "smoke-training", "Complete", "Failed", "job-name=smoke-training")
    return told(place.pods("job-name=smoke-training"), "accuracy")
