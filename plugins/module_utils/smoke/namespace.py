# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""A namespace in which proofs are carried out: objects made in it, waited for, and taken away with it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from ..manifests.client import Client, Fault
from ..manifests.errors import ApiError
from ..manifests.retry import call
from ..manifests.waiting import trouble_of_pod
from .proof import NotProven

# Plural and API path of the kinds that proofs make.
PATHS = {
    "ConfigMap": ("/api/v1", "configmaps"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "Ingress": ("/apis/networking.k8s.io/v1", "ingresses"),
    "Job": ("/apis/batch/v1", "jobs"),
    "PersistentVolumeClaim": ("/api/v1", "persistentvolumeclaims"),
    "Pod": ("/api/v1", "pods"),
    "Secret": ("/api/v1", "secrets"),
    "Service": ("/api/v1", "services"),
    "TFJob": ("/apis/kubeflow.org/v1", "tfjobs"),
    "TrainJob": ("/apis/trainer.kubeflow.org/v1alpha1", "trainjobs"),
    "TrainingRuntime": ("/apis/trainer.kubeflow.org/v1alpha1", "trainingruntimes"),
}
PAUSE = 1.0  # seconds between two looks
GRACE = 60.0  # seconds for a controller to notice what is new
LEAVING = 180.0  # seconds for a namespace to go: its Pods end and its volumes are wiped first
ANSWER = 30.0  # seconds for one question to the API server, with all its repetitions


class Workplace:
    """One namespace on one cluster.

    :ivar timeout: seconds for a single wait.
    """

    def __init__(self, client: Client, namespace: str, timeout: float) -> None:
        self.client = client
        self.namespace = namespace
        self.timeout = timeout

    # The namespace -------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Make the namespace, after what an earlier run may have left is gone.

        :raises NotProven: when there is a namespace of this name that no proof has made.
        """
        left = self._ask("GET", f"/api/v1/namespaces/{self.namespace}", missing=True)
        if left is not None:
            if (left["metadata"].get("labels") or {}).get("app.kubernetes.io/managed-by") != "bramble.kube-smoke":
                raise NotProven(
                    f"the namespace {self.namespace} exists and was not created by an earlier smoke test; name another "
                    "one in kubeflow_smoke_namespace"
                )
            self.close()
        labels = {
            "app.kubernetes.io/managed-by": "bramble.kube-smoke",
            "pod-security.kubernetes.io/enforce": "restricted",
        }
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}}
        self._ask("POST", "/api/v1/namespaces", body)

    def close(self) -> None:
        """Delete the namespace with all that is in it, and wait until it is gone."""
        path = f"/api/v1/namespaces/{self.namespace}"
        self._ask("DELETE", path, missing=True)

        def gone() -> bool:
            return self._ask("GET", path, missing=True) is None

        self.until(gone, f"the namespace {self.namespace} is not deleted", patience=max(self.timeout, LEAVING))

    # Objects -------------------------------------------------------------------------------------------------------

    def make(self, *documents: dict[str, Any]) -> None:
        """Create objects in the namespace."""
        for document in documents:
            self._ask("POST", self._collection(document["kind"]), document)

    def make_soon(self, document: dict[str, Any]) -> None:
        """Create an object that a controller checks, which may not have seen yet what was made a moment ago.

        :raises NotProven: with the refusal, when it lasts.
        """
        last = [""]

        def made() -> bool:
            try:
                self.make(document)
            except NotProven as error:
                last[0] = str(error)
                return False
            return True

        name = f"{document['kind']} {document['metadata']['name']}"
        self.until(made, f"{name} is not accepted", lambda: last[0], min(self.timeout, GRACE))

    def read(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """An object, or None when there is none."""
        return self._ask("GET", f"{self._collection(kind, namespace)}/{name}", missing=True)

    def remove(self, kind: str, name: str) -> None:
        """Delete an object and what belongs to it."""
        self._ask("DELETE", f"{self._collection(kind)}/{name}?propagationPolicy=Background", missing=True)

    def pods(self, selector: str) -> list[dict[str, Any]]:
        """The Pods with these labels, by name."""
        listed = call(lambda: self.client.get(self._collection("Pod"), {"labelSelector": selector}), ANSWER)
        return sorted(listed.get("items") or [], key=lambda pod: pod["metadata"]["name"])

    def get(self, path: str) -> dict[str, Any]:
        """Any other question to the API server.

        :raises NotProven: when the answer is not a success.
        """
        return self._ask("GET", path)

    def post_to_service(self, service: str, port: int, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask a Service of the namespace through the API server, so that the laptop needs no way into the cluster."""
        return self._ask("POST", f"{self._collection('Service')}/{service}:{port}/proxy{path}", body)

    # Waiting -------------------------------------------------------------------------------------------------------

    def until(
        self,
        done: Callable[[], Any],
        otherwise: str,
        why: Callable[[], str] = lambda: "",
        patience: float | None = None,
    ) -> Any:
        """Look again and again until `done` is true; its value.

        :param otherwise: what is the matter if it never is; `why` adds to that.
        :param patience: seconds, if not the usual timeout.
        :raises NotProven: when the time is over.
        """
        patience = self.timeout if patience is None else patience
        deadline = time.monotonic() + patience
        while True:
            value = done()
            if value:
                return value
            if time.monotonic() > deadline:
                reason = why()
                raise NotProven(f"{otherwise} within {patience:.0f} s" + (f": {reason}" if reason else ""))
            time.sleep(PAUSE)

    def condition(self, kind: str, name: str, good: str, bad: str, selector: str) -> None:
        """Wait until an object has the condition `good`.

        :raises NotProven: when it gets `bad`, or in time neither, with what its Pods (`selector`) say about it.
        """

        def look() -> bool:
            document = self.read(kind, name) or {}
            told = {
                c["type"]: c for c in (document.get("status") or {}).get("conditions") or [] if c["status"] == "True"
            }
            if bad in told:
                raise NotProven(f"{kind} {name} failed: {self.trouble(selector) or told[bad].get('message')}")
            return good in told

        self.until(look, f"{kind} {name} is not {good}", lambda: self.trouble(selector))

    def trouble(self, selector: str) -> str:
        """What is wrong with the first of these Pods that is not well: its last words, or what it waits for."""
        for pod in self.pods(selector):
            last = last_words(pod)
            if last and exit_code(pod) != 0:
                return f"Pod {pod['metadata']['name']} ended with code {exit_code(pod)}: {last.splitlines()[-1]}"
            waits = trouble_of_pod(pod)
            if waits:
                return f"Pod {pod['metadata']['name']}: {waits}"
        return ""

    # Inside --------------------------------------------------------------------------------------------------------

    def _collection(self, kind: str, namespace: str = "") -> str:
        base, plural = PATHS[kind]
        return f"{base}/namespaces/{namespace or self.namespace}/{plural}"

    def _ask(self, method: str, path: str, body: Any = None, missing: bool = False) -> Any:
        try:
            return call(lambda: self.client.request(method, path, body=body)[1], ANSWER)
        except ApiError as error:
            if error.status == 404 and missing:
                return None
            raise NotProven(f"{method} {path}: {error}") from None
        except Fault as error:
            raise NotProven(str(error)) from None


def _ended(pod: dict[str, Any]) -> dict[str, Any]:
    """The state in which a Pod's container has ended, this time or the last."""
    for status in (pod.get("status") or {}).get("containerStatuses") or []:
        for state in (status.get("state"), status.get("lastState")):
            if (state or {}).get("terminated"):
                return state["terminated"]
    return {}


def last_words(pod: dict[str, Any]) -> str:
    """What a Pod's container has left in its termination message."""
    return (_ended(pod).get("message") or "").strip()


def exit_code(pod: dict[str, Any]) -> int | None:
    """The code with which a Pod's container has ended; None while it has not."""
    return _ended(pod).get("exitCode")


def told(pods: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """The JSON that one of these Pods has left as its last words, known by a key.

    :raises NotProven: when none has.
    """
    for pod in pods:
        try:
            found = json.loads(last_words(pod))
        except ValueError:
            continue
        if isinstance(found, dict) and key in found:
            return found
    raise NotProven("no Pod has reported its result: " + (last_words(pods[0]) if pods else "there is none"))
