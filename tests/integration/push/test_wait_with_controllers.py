"""Waiting while Kubernetes' own controllers work: kube-controller-manager beside the API server.

There is no node, so the part of scheduler and kubelet is played: Pods are said to run as soon as they are there.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from apiserver import ApiServer, program
from options import DEFAULTS

SPACE = "n"


@pytest.fixture(scope="module")
def cluster() -> Iterator[ApiServer]:
    """An API server with its controllers."""
    api = ApiServer()
    controllers = None
    try:
        api.start()
        with open(api.path("controllers.log"), "wb") as log:
            controllers = subprocess.Popen(
                [
                    program("kube-controller-manager"),
                    f"--kubeconfig={api.kubeconfig}",
                    f"--service-account-private-key-file={api.path('sa.key')}",
                    "--leader-elect=false",
                    "--secure-port=0",
                    "--pvclaimbinder-sync-period=1s",
                ],
                stdout=log,
                stderr=log,
            )
        api.kubectl("create", "namespace", SPACE)
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "pi", "labels": {"kubernetes.io/hostname": "pi"}},
        }
        api.kubectl("create", "-f", "-", text=json.dumps(node))
        _until_the_node_is_seen(api)
        yield api
    finally:
        if controllers is not None:
            controllers.kill()
            controllers.wait()
        api.stop()


def _until_the_node_is_seen(api: ApiServer) -> None:
    """Until then a DaemonSet wants no Pod at all, and so counts as ready."""
    api.kubectl("create", "-n", SPACE, "-f", "-", text=json.dumps(workload("DaemonSet", "probe")))
    deadline = time.monotonic() + 60
    while api.kubectl("get", "ds", "probe", "-n", SPACE, "-o", "jsonpath={.status.desiredNumberScheduled}") != "1":
        assert time.monotonic() < deadline, "the controllers do not see the node"
        # A DaemonSet is looked at again when it changes.
        api.kubectl("annotate", "--overwrite", "ds", "probe", "-n", SPACE, f"looked-at={time.monotonic()}")
        time.sleep(0.3)
    api.kubectl("delete", "ds", "probe", "-n", SPACE, "--wait=false")


class Kubelet:
    """Says of the Pods of some apps that they are in a phase, soon after they appear."""

    def __init__(self, api: ApiServer, phase: str, *apps: str) -> None:
        self.api = api
        self.phase = phase
        self.selector = f"app in ({','.join(apps)})"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Kubelet:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.3):
            listed = json.loads(self.api.kubectl("get", "pods", "-n", SPACE, "-l", self.selector, "-o", "json"))
            for pod in listed["items"]:
                if (pod.get("status") or {}).get("phase") != self.phase:
                    self._report(pod)

    def _report(self, pod: dict) -> None:
        # Ready needs a time in the past: a Deployment counts a Pod as available from there on.
        condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        status = {"phase": self.phase, "conditions": [condition] if self.phase == "Running" else []}
        if self.phase == "Failed":
            ended = {"exitCode": 1, "reason": "Error", "finishedAt": "2026-01-01T00:00:00Z"}
            name = pod["spec"]["containers"][0]["name"]
            shared = {"imageID": "", "image": "example.org/app:1", "ready": False, "restartCount": 0}
            status["containerStatuses"] = [{"name": name, **shared, "state": {"terminated": ended}}]
        patch = json.dumps({"status": status})
        self.api.kubectl(
            *(
                "patch",
                "pod",
                pod["metadata"]["name"],
                "-n",
                SPACE,
                "--subresource=status",
                "--type=merge",
                "-p",
                patch,
            ),
            check=False,
        )


@pytest.fixture
def push(cluster):
    from ansible_collections.bramble.kube.plugins.module_utils.manifests import run

    def call(*objects: dict, wait_timeout: int = 60) -> dict:
        params = {**DEFAULTS, "kubeconfig": cluster.kubeconfig, "definition": list(objects), "namespace": SPACE}
        failed, result = run.run({**params, "wait": True, "wait_timeout": wait_timeout}, check=False, diff=False)
        return {**result, "failed": failed}

    return call


def workload(kind: str, name: str, api_version: str = "apps/v1", **spec) -> dict:
    containers = [{"name": "app", "image": "example.org/app:1"}]
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    if kind == "Job":
        template["spec"]["restartPolicy"] = "Never"
    else:
        spec["selector"] = {"matchLabels": labels}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": {**spec, "template": template}}


def test_workloads_are_waited_for_until_their_pods_run(cluster, push):
    objects = [
        workload("Deployment", "web", replicas=2),
        workload("StatefulSet", "db", replicas=2, serviceName="db"),
        workload("DaemonSet", "agent"),
    ]
    before = push(*objects, wait_timeout=5)
    assert before["failed"], "no Pod runs yet"
    assert len(before["not_ready"]) == 3
    assert f"Deployment {SPACE}/web: 0 of 2 replicas available" in before["msg"]
    assert f"StatefulSet {SPACE}/db: 0 of 2 replicas ready" in before["msg"]
    assert f"DaemonSet {SPACE}/agent: available on 0 of 1 node" in before["msg"]
    with Kubelet(cluster, "Running", "web", "db", "agent"):
        after = push(*objects)
    assert not after["failed"], after["msg"]
    ready = json.loads(cluster.kubectl("get", "deployment/web", "statefulset/db", "-n", SPACE, "-o", "json"))
    assert [item["status"]["readyReplicas"] for item in ready["items"]] == [2, 2]


def test_a_rollout_is_waited_for_until_the_old_pods_are_gone(cluster, push):
    with Kubelet(cluster, "Running", "rolled"):
        first = workload("Deployment", "rolled", replicas=2)
        assert not push(first)["failed"]
        first["spec"]["template"]["spec"]["containers"][0]["image"] = "example.org/app:2"
        result = push(first)
    assert not result["failed"], result["msg"]
    status = json.loads(cluster.kubectl("get", "deployment", "rolled", "-n", SPACE, "-o", "json"))["status"]
    assert (status["replicas"], status["updatedReplicas"], status["availableReplicas"]) == (2, 2, 2)


def test_a_rollout_past_its_deadline_ends_the_wait(push):
    start = time.monotonic()
    result = push(workload("Deployment", "stuck", replicas=1, progressDeadlineSeconds=2), wait_timeout=120)
    assert result["failed"] and time.monotonic() - start < 60
    assert f"Deployment {SPACE}/stuck: " in result["msg"] and "has timed out progressing" in result["msg"]


def test_jobs_that_complete_and_jobs_that_fail(cluster, push):
    with Kubelet(cluster, "Succeeded", "done"):
        result = push(workload("Job", "done", "batch/v1"))
    assert not result["failed"], result["msg"]
    start = time.monotonic()
    with Kubelet(cluster, "Failed", "broken"):
        result = push(workload("Job", "broken", "batch/v1", backoffLimit=0), wait_timeout=120)
    assert result["failed"] and time.monotonic() - start < 60
    assert f"Job {SPACE}/broken: failed: Job has reached the specified backoff limit" in result["msg"]


def test_a_claim_is_waited_for_until_its_volume_is_bound(cluster, push):
    shared = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "disk"},
        "spec": {**shared, "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/srv/disk"}},
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "claim"},
        "spec": {**shared, "volumeName": "disk", "resources": {"requests": {"storage": "1Gi"}}},
    }
    alone = push(claim, wait_timeout=2)
    assert alone["failed"] and f"PersistentVolumeClaim {SPACE}/claim: phase " in alone["msg"]
    result = push(claim, volume)
    assert not result["failed"], result["msg"]
    assert cluster.kubectl("get", "pvc", "claim", "-n", SPACE, "-o", "jsonpath={.status.phase}") == "Bound"


def test_an_api_service_without_a_server_says_so(push):
    service = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1.nobody.example.org"},
        "spec": {
            "group": "nobody.example.org",
            "version": "v1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "service": {"name": "nobody", "namespace": SPACE},
        },
    }
    result = push(service, wait_timeout=10)
    assert result["failed"]
    assert "APIService v1.nobody.example.org: condition Available: " in result["msg"] and "nobody" in result["msg"]


def test_a_deployment_that_may_not_make_its_pods_says_why(cluster, push):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": "full"}}
    spaces = {
        "nobody": ({}, []),
        "full": ({}, [{**quota, "spec": {"hard": {"pods": "0"}}}]),
        "strict": ({"pod-security.kubernetes.io/enforce": "restricted"}, []),
    }
    reasons = {
        "nobody": 'serviceaccount "ghost" not found',
        "full": "exceeded quota: none",
        "strict": 'violates PodSecurity "restricted:latest"',
    }
    objects = []
    for space, (labels, more) in spaces.items():
        objects.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space, "labels": labels}})
        web = workload("Deployment", "web")
        web["metadata"]["namespace"] = space
        if space == "nobody":
            web["spec"]["template"]["spec"]["serviceAccountName"] = "ghost"
        objects += [*more, web]
    result = push(*objects, wait_timeout=15)
    assert result["failed"] and len(result["not_ready"]) == 3
    for space, reason in reasons.items():
        told = next(text for text in result["not_ready"] if text.startswith(f"Deployment {space}/web: "))
        assert "0 of 1 replicas updated; " in told and reason in told, told


class SlowKubelet(Kubelet):
    """Brings the certificate that a Pod has made for itself only when something about the Pod has changed."""

    def _report(self, pod: dict) -> None:
        if pod["metadata"].get("annotations"):
            super()._report(pod)
        else:
            filled = json.dumps({"data": {"tls.crt": "eA=="}})
            self.api.kubectl("patch", "secret", "hook-cert", "-n", SPACE, "--type=merge", "-p", filled)


def test_a_certificate_that_a_pod_makes_for_itself_reaches_it_at_once(cluster, push):
    hook = workload("Deployment", "hook")
    hook["spec"]["template"]["spec"]["volumes"] = [{"name": "cert", "secret": {"secretName": "hook-cert"}}]
    with SlowKubelet(cluster, "Running", "hook"):
        result = push({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook-cert"}}, hook)
    assert not result["failed"], result["msg"]
