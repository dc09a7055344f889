# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A component's manifests in some version: fetched, built, and shown to a real API server, which keeps none of them."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.bramble.kube.plugins.module_utils.common.http import fetch
from ansible_collections.bramble.kube.plugins.module_utils.fit.quantity import show
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow import options, run
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.catalogue import Component, Source, retagged
from ansible_collections.bramble.kube.plugins.module_utils.manifests.kustomize import OWN_FOLDER, digest, lay_out, pick

MOST = 200 * 2**20
#: What others need is not installed: nothing runs.
PROVIDED = ("local-path", "cert-manager", "argo-workflows", "jobset")
#: What makes Pods
MAKERS = ("CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "StatefulSet")


def archive(source: Source, base: str) -> bytes:
    """A release's archive, from below a folder or an address, by the code by which a run downloads it."""
    where = source.address(base)
    return fetch(where, MOST) if where.startswith(("http://", "https://")) else Path(where).read_bytes()


def build(source: Source, packed: bytes, kubectl: str) -> tuple[list[dict[str, Any]], str]:
    """The objects that kustomize makes of a release's archive, and the checksum of the files that it takes."""
    folder = pick(packed, source.folder)
    checksum = digest(folder.files)
    overlay = source.overlay or OWN_FOLDER
    if source.kustomization:
        folder.files[f"{overlay}/kustomization.yaml"] = json.dumps(source.kustomization).encode()
    with tempfile.TemporaryDirectory() as place:
        lay_out(folder, place)
        text = subprocess.run([kubectl, "kustomize", Path(place) / overlay], check=True, stdout=subprocess.PIPE).stdout
    return [document for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document], checksum


def at(entry: Mapping[str, Any], tag: str) -> dict[str, Any]:
    """An entry at another tag, which its kustomization and images may name, too."""
    return retagged({key: value for key, value in entry.items() if key != "lab"}, entry["source"]["tag"], tag)


def fields(objects: Sequence[dict], found: Mapping[str, set], checksum: str) -> dict[str, Any]:
    """What an entry says of these manifests: checksum, images, CRDs, workloads."""
    works = []
    for kind, name, pods, cpu, memory in sorted(found["workloads"], key=lambda work: work[1]):
        work: dict[str, Any] = {"name": name, **({"kind": kind} if kind != "Deployment" else {})}
        work.update({"pods": pods} if pods != 1 else {})
        work.update({"cpu": show("cpu", cpu)} if cpu else {})
        works.append(
            {**work, **({"memory": show("memory", memory).replace(" ", "").removesuffix("B")} if memory else {})}
        )
    images = [{"image": image} for image in sorted(found["images"])]
    return {"sha256": checksum, "images": images, "crds": sorted(found["crds"]), "workloads": works}


def shown_to(
    server: Any, component: Component, entries: list, objects: list, cache: Path, check: bool = True
) -> dict[str, Any]:
    """What the module kubeflow_push says of these objects in check mode: a server is asked about every one.

    :param server: tests/support/apiserver.py's.
    :param check: whether the server keeps none of them.
    """
    kubectl = server.kubectl
    # In a namespace that is not there the server would look no further.
    if not kubectl("get", "namespace", component.namespace, "--ignore-not-found"):
        kubectl("create", "namespace", component.namespace)
    params = {name: spec.get("default") for name, spec in options.ARGUMENT_SPEC.items()}
    params.update(
        kubeconfig=server.kubeconfig,
        catalogue=entries,
        components=[component.name],
        manifests={component.name: {"text": yaml.safe_dump_all(objects)}},
        provided=[name for name in PROVIDED if name != component.name],
        force=True,
        wait=False,
        timeout=10,
        image_cache=str(cache),
    )
    failed, result = run.run(params, check=check, diff=False)
    return {**result, "failed": failed}


def pod_security(server: Any, objects: Sequence[Mapping[str, Any]]) -> str:
    """The strictest level of Pod Security that the Pods of these objects pass, by what a server warns of."""
    space = "pod-security-rehearsal"
    works = [
        {**item, "metadata": {**item["metadata"], "namespace": space}} for item in objects if item["kind"] in MAKERS
    ]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": works})
    if not server.kubectl("get", "namespace", space, "--ignore-not-found"):
        server.kubectl("create", "namespace", space)
    for level in ("restricted", "baseline"):
        server.kubectl("label", "--overwrite", "namespace", space, f"pod-security.kubernetes.io/warn={level}")
        told = server.warnings("create", "--dry-run=server", "--filename=-", text=text)
        if not any("would violate PodSecurity" in warning for warning in told):
            return level
    return "privileged"
