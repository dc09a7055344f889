"""Objects ask for what the scheduler would reserve for them."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.fit.demand import (
    Demand,
    InvalidObject,
    demands,
    pod_requests,
)

MI = 1024**2


def container(name: str = "a", cpu: str | None = None, memory: str | None = None, **more: object) -> dict:
    requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    return {"name": name, "image": f"{name}:1", "resources": {"requests": requests}, **more}


def thing(kind: str, spec: dict, name: str = "x") -> dict:
    return {"kind": kind, "metadata": {"name": name, "namespace": "kubeflow"}, "spec": spec}


def template(*containers: dict, **more: object) -> dict:
    return {"spec": {"containers": list(containers), **more}}


def totals(*objects: dict) -> tuple[int, int, int]:
    found = demands(objects)
    return (
        sum(demand.count for demand in found),
        sum(demand.count * demand.requests.get("cpu", 0) for demand in found),
        sum(demand.count * demand.requests.get("memory", 0) for demand in found) // MI,
    )


def test_containers_run_together_and_initialization_one_after_the_other() -> None:
    spec = {
        "containers": [container("a", "100m", "100Mi"), container("b", "100m", "50Mi")],
        "initContainers": [container("i", "500m", "20Mi"), container("j", "50m", "120Mi")],
    }
    assert pod_requests(spec) == {"cpu": 500, "memory": 150 * MI}


def test_sidecars_run_beside_what_starts_after_them() -> None:
    """The example of KEP-753: what a later init container needs comes on top of the sidecars before it."""
    spec = {
        "containers": [container("a", "100m")],
        "initContainers": [
            container("before", "250m"),
            container("sidecar", "200m", restartPolicy="Always"),
            container("after", "300m"),
        ],
    }
    assert pod_requests(spec) == {"cpu": 500}
    spec["initContainers"].pop()
    assert pod_requests(spec) == {"cpu": 300}


def test_limits_count_where_nothing_is_requested() -> None:
    spec = {"containers": [{"name": "a", "resources": {"limits": {"memory": "1Gi", "nvidia.com/gpu": 1}}}]}
    assert pod_requests(spec) == {"memory": 1024 * MI, "nvidia.com/gpu": 1}
    spec["containers"][0]["resources"]["requests"] = {"memory": "1Mi"}
    assert pod_requests(spec)["memory"] == MI


def test_requests_of_the_pod_and_overhead() -> None:
    spec = {
        "containers": [container("a", "100m", "10Mi")],
        "resources": {"requests": {"cpu": "1"}},
        "overhead": {"cpu": "250m"},
    }
    assert pod_requests(spec) == {"cpu": 1250, "memory": 10 * MI}


def test_replicas() -> None:
    pod = template(container(cpu="100m", memory="64Mi"))
    assert totals(thing("Deployment", {"template": pod})) == (1, 100, 64)
    assert totals(thing("Deployment", {"replicas": 3, "template": pod})) == (3, 300, 192)
    assert totals(thing("StatefulSet", {"replicas": 0, "template": pod})) == (0, 0, 0)
    assert totals({"kind": "List", "items": [thing("Deployment", {"template": pod})]}) == (1, 100, 64)
    assert totals(thing("Pod", pod["spec"])) == (1, 100, 64)


def test_daemonset_is_counted_by_node() -> None:
    (found,) = demands([thing("DaemonSet", {"template": template(container(cpu="100m"))})])
    assert (found.per_node, found.count, found.requests) == (True, 0, {"cpu": 100})


def test_jobs() -> None:
    pod = template(container(cpu="100m", memory="10Mi"))
    assert totals(thing("Job", {"parallelism": 4, "completions": 2, "template": pod})) == (2, 200, 20)
    assert totals(thing("Job", {"parallelism": 4, "template": pod})) == (4, 400, 40)
    assert totals(thing("CronJob", {"jobTemplate": {"spec": {"template": pod}}})) == (1, 100, 10)


def test_autoscaler_raises_replicas() -> None:
    pod = template(container(cpu="100m", memory="10Mi"))
    scaler = thing(
        "HorizontalPodAutoscaler", {"minReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "x"}}, "h"
    )
    assert totals(thing("Deployment", {"template": pod}), scaler) == (3, 300, 30)
    assert totals(thing("Deployment", {"replicas": 5, "template": pod}), scaler) == (5, 500, 50)


def test_tfjob_and_jobset() -> None:
    pod = template(container("tensorflow", "100m", "10Mi"))
    tfjob = thing("TFJob", {"tfReplicaSpecs": {"Chief": {"template": pod}, "Worker": {"replicas": 2, "template": pod}}})
    assert totals(tfjob) == (3, 300, 30)
    job = {"replicas": 2, "template": {"spec": {"parallelism": 3, "template": pod}}}
    assert totals(thing("JobSet", {"replicatedJobs": [job]})) == (6, 600, 60)


def test_inference_service_has_kserves_default() -> None:
    model = {"modelFormat": {"name": "sklearn"}, "resources": {"requests": {"memory": "256Mi"}}}
    assert totals(thing("InferenceService", {"predictor": {"model": model, "minReplicas": 2}})) == (2, 2000, 512)


def test_descriptions_start_nothing() -> None:
    pod = template(container(cpu="100m"))
    assert demands([thing("ClusterTrainingRuntime", {"template": pod}), thing("ConfigMap", {}), None, "text"]) == []


def test_images() -> None:
    spec = {"containers": [container("a")], "initContainers": [container("b")]}
    assert Demand("x", 1, False, {}, spec).images() == ["b:1", "a:1"]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"template": template(container(memory="1Gb"))}, "'1Gb' is not a quantity"),
        ({"replicas": "two", "template": template(container())}, "'two' is not a number of pods"),
        ({"replicas": -1, "template": template(container())}, "-1 is not a number of pods"),
    ],
)
def test_wrong_objects_are_named(spec: dict, reason: str) -> None:
    with pytest.raises(InvalidObject, match=f"Deployment kubeflow/x has a wrong resource or number: {reason}"):
        demands([thing("Deployment", spec)])
