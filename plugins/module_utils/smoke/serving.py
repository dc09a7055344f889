# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The proof of serving: KServe's model server with a model trained a moment ago, asked over the V2 protocol."""

from __future__ import annotations

import copy
from typing import Any

from .namespace import Workplace
from .proof import NotProven

NAME = "smoke-server"
RIGHT = 9  # of ten digits, one of each; the model is not perfect


def copy_of(server: dict[str, Any], volume: str) -> dict[str, Any]:
    """The model server that runs, image, resources and all, with another volume and without its own first model.

    :param server: the component's Deployment; the model of whoever uses it is not touched.
    """
    pod = copy.deepcopy(server["spec"]["template"]["spec"])
    pod.pop("initContainers", None)
    container = pod["containers"][0]
    mounted = {mount["name"] for mount in container.get("volumeMounts") or []}
    pod["containers"] = [container]
    pod["volumes"] = [entry for entry in pod.get("volumes") or [] if entry["name"] in mounted]
    for entry in pod["volumes"]:
        if "persistentVolumeClaim" in entry:
            entry["persistentVolumeClaim"] = {"claimName": volume}
    labels = {"app": NAME}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }


def programs_of(place: Workplace, server: dict[str, Any], namespace: str) -> list[dict[str, Any]]:
    """The ConfigMaps that a model server mounts, for its copy."""
    named = [entry.get("configMap") for entry in server["spec"]["template"]["spec"]["volumes"]]
    found = [place.read("ConfigMap", volume["name"], namespace) for volume in named if volume]
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": one["metadata"]["name"]}, "data": one["data"]}
        for one in found
        if one and "data" in one
    ]


def model_name(server: dict[str, Any]) -> str:
    """The name under which a model server offers its model."""
    for argument in server["spec"]["template"]["spec"]["containers"][0].get("args") or []:
        if argument.startswith("--model_name="):
            return argument.partition("=")[2]
    return "model"


def service() -> dict[str, Any]:
    """A name for the model server."""
    spec = {"selector": {"app": NAME}, "ports": [{"port": 80, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME}, "spec": spec}


def question(examples: list[dict[str, Any]]) -> dict[str, Any]:
    """A request of the V2 (Open Inference) protocol for these images."""
    data = [float(value) for example in examples for value in example["pixels"]]
    return {"inputs": [{"name": "pixels", "shape": [len(examples), 64], "datatype": "FP64", "data": data}]}


def judge(answer: dict[str, Any], examples: list[dict[str, Any]]) -> str:
    """What a V2 answer says, if it is right.

    :raises NotProven: when it is no such answer, or too many digits are wrong.
    """
    outputs = answer.get("outputs") or []
    served = [int(value) for value in outputs[0].get("data") or []] if outputs else []
    wanted = [example["digit"] for example in examples]
    if len(served) != len(wanted):
        raise NotProven(f"the answer has {len(served)} classes for {len(wanted)} images")
    right = sum(one == other for one, other in zip(served, wanted))
    if right < RIGHT:
        raise NotProven(f"only {right} of {len(wanted)} digits were recognized: {served} instead of {wanted}")
    return f"{right} of {len(wanted)} digits that it had never seen got the right class"


def prove_serving(place: Workplace, where: dict[str, str], volume: str, examples: list[dict[str, Any]]) -> str:
    """Serve the model on `volume` and ask for the classes of the examples.

    :param where: namespace and deployment of the model server that is installed.
    """
    server = place.read("Deployment", where["deployment"], where["namespace"])
    if server is None:
        raise NotProven(f"there is no Deployment {where['deployment']} in the namespace {where['namespace']}")
    place.make(*programs_of(place, server, where["namespace"]), copy_of(server, volume), service())

    def ready() -> bool:
        status = (place.read("Deployment", NAME) or {}).get("status") or {}
        return bool(status.get("availableReplicas"))

    place.until(ready, "the model server is not ready", lambda: place.trouble(f"app={NAME}"))
    answer = place.post_to_service(NAME, 80, f"/v2/models/{model_name(server)}/infer", question(examples))
    return judge(answer, examples)
