"""Waiting by watches; the controllers' part is played by patches of the status."""

from __future__ import annotations

import json
import threading
import time

from test_objects_pushed import CRD, config, deployment


def deployment_of(space: str, replicas: int = 1) -> dict:
    document = deployment("d", space)
    document["spec"]["replicas"] = replicas
    return document


def set_status(api, kind: str, name: str, space: str, **status) -> None:
    api.kubectl(
        "patch", kind, name, "-n", space, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status})
    )


def ready_later(api, space: str, seconds: float) -> threading.Timer:
    def ready() -> None:
        counts = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}
        set_status(api, "deployment", "d", space, observedGeneration=1, **counts)

    timer = threading.Timer(seconds, ready)
    timer.start()
    return timer


def test_waits_for_a_deployment_with_one_watch(push, api, space):
    timer = ready_later(api, space, 3)
    start = time.monotonic()
    result = push([deployment_of(space), config("c", space)], wait=True, wait_timeout=20)
    timer.join()
    assert not result["failed"], result["msg"]
    assert 2.5 < time.monotonic() - start < 10
    assert result["requests"] < 15  # a watch, not a polling loop


def test_a_time_out_says_what_each_object_waits_for(push, api, space):
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "d-1", "namespace": space, "labels": {"app": "d"}},
        "spec": {"containers": [{"name": "app", "image": "example.org/missing:1"}]},
    }
    api.kubectl("create", "serviceaccount", "default", "-n", space, check=False)
    push([pod])
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    container = {"name": "app", "image": "example.org/missing:1", "imageID": "", "ready": False, "restartCount": 0}
    set_status(api, "pod", "d-1", space, containerStatuses=[{**container, "state": {"waiting": waiting}}])
    set_of_two = [deployment_of(space), {**pod, "metadata": {**pod["metadata"], "name": "d-1"}}]
    result = push(set_of_two, wait=True, wait_timeout=2)
    assert result["failed"]
    assert len(result["not_ready"]) == 2
    assert f"Deployment {space}/d: its controller has not seen it yet" in result["msg"]
    assert "Pod d-1: ImagePullBackOff: image example.org/missing:1 of container app" in result["msg"]


def test_a_watch_that_breaks_is_taken_up_again(push, api, space):
    from faults import Toxiproxy

    toxic = Toxiproxy(api.port)
    try:
        breaker = threading.Timer(1.5, toxic.enable, [False])
        mender = threading.Timer(2.5, toxic.enable, [True])
        breaker.start()
        mender.start()
        timer = ready_later(api, space, 3.5)
        kubeconfig = api.write_kubeconfig("watch", f"https://127.0.0.1:{toxic.port}")
        result = push([deployment_of(space)], kubeconfig=kubeconfig, wait=True, wait_timeout=20)
        timer.join()
    finally:
        toxic.close()
    assert not result["failed"], result["msg"]


def test_an_expression_for_an_object_of_any_kind(push, api, space):
    push([CRD])
    widget = {
        "apiVersion": "push.example.org/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "namespace": space},
        "spec": {},
    }
    wait_for = [{"kind": "Widget", "name": "w", "namespace": None, "expression": "spec.size == `5`"}]
    late = push([widget], wait=True, wait_timeout=1, wait_for=wait_for)
    assert late["failed"] and "not true yet: spec.size == `5`" in late["msg"]
    timer = threading.Timer(
        1,
        api.kubectl,
        ["patch", "widgets.push.example.org", "w", "-n", space, "--type=merge", "-p", '{"spec":{"size":5}}'],
    )
    timer.start()
    assert not push([widget], wait=True, wait_timeout=10, wait_for=wait_for)["failed"]
    timer.join()
    wrong = push(
        [widget], wait=True, wait_for=[{"kind": "Widget", "name": None, "namespace": None, "expression": "a =="}]
    )
    assert wrong["failed"] and "is not a JMESPath expression" in wrong["msg"]


def test_a_failed_job_ends_the_wait_with_its_reason(push, api, space):
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "namespace": space},
        "spec": {
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "example.org/c"}]}}
        },
    }
    push([job])
    time_ = "2026-01-01T00:00:00Z"
    conditions = [
        {
            "type": kind,
            "status": "True",
            "reason": "BackoffLimitExceeded",
            "message": "Job has reached the limit",
            "lastTransitionTime": time_,
        }
        for kind in ("FailureTarget", "Failed")
    ]
    set_status(api, "job", "j", space, startTime=time_, failed=1, conditions=conditions)
    start = time.monotonic()
    result = push([job], wait=True, wait_timeout=60)
    assert result["failed"] and "failed: Job has reached the limit" in result["msg"]
    assert time.monotonic() - start < 10
