"""What a server refuses is told at once and as a person says it; what can be done about it is done on demand."""

from __future__ import annotations

import copy
import json
import threading
import time
from typing import Any

import pytest

POD: dict[str, Any] = {"containers": [{"name": "c", "image": "nginx"}]}


def deployment(space: str, pod: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod or POD}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": space},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template, "replicas": 0, **spec},
    }


def config(space: str, name: str = "c", **rest: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": space}, **rest}


def env(*pairs: tuple[str, Any]) -> dict[str, Any]:
    return {"containers": [{"name": "c", "image": "nginx", "env": [{"name": n, "value": v} for n, v in pairs]}]}


@pytest.mark.parametrize(
    ("make", "sentences"),
    [
        (lambda space: deployment(space, env(("PORT", 8080))), ["value is the number 8080: put it in quotes"]),
        (lambda space: deployment(space, env(("A", "1"), ("A", "2"))), ["env has two entries with name A; keep one"]),
        (
            lambda space: config(space, data={"port": 8080, "on": True, "l": [1]}),
            ["data.port is the number 8080", "data.on is the truth value true", "data.l is a list"],
        ),
        (lambda space: deployment(space, replicas="two"), ["spec.replicas is a text: write a number, without quotes"]),
        (lambda space: deployment(space, {"containers": {"name": "c"}}), ["containers is a mapping: write a list"]),
        (
            lambda space: deployment(space, {**POD, "readinessProbe": {}, "x": 1}, y=1),
            ["spec.y is no field", "spec.template.spec.readinessProbe is no field", "spec.template.spec.x is no field"],
        ),
        (lambda space: config(space, extra="x"), ["extra is no field of a ConfigMap of v1", "drop_unknown_fields"]),
    ],
)
def test_what_only_the_manifest_can_change_is_told_at_once(push, space, make, sentences):
    start = time.monotonic()
    result = push([make(space)])
    assert result["failed"] and "at object 1 of definition" in result["msg"]
    for words in sentences:
        assert words in result["msg"], result["msg"]
    assert "Value:" not in result["msg"] and time.monotonic() - start < 15 and result["requests"] < 15


def test_all_slips_of_a_set_are_told_in_one_run(push, space):
    slips = [config(space, f"c{number}", data={"port": number}) for number in range(3)]
    result = push([*slips, deployment(space, env(("A", 1)))])
    assert result["counts"]["failed"] == 4 and all(f"the number {number}:" in result["msg"] for number in (0, 1, 2))
    kinds = [{"apiVersion": "none.example.org/v1", "kind": kind, "metadata": {"name": "x"}} for kind in ("A", "B")]
    assert all(f"{kind} x at object" in push(kinds)["msg"] for kind in "AB")


def test_unknown_fields_are_left_out_on_demand_and_said(push, live, space):
    wanted = deployment(space, {**POD, "readinessProbe": {"a": 1}}, y=1)
    result = push([wanted], drop_unknown_fields=True)
    assert not result["failed"] and result["counts"]["created"] == 1, result
    assert any("left out" in text and "spec.y" in text and "readinessProbe" in text for text in result["warnings"])
    assert push([wanted], drop_unknown_fields=True)["counts"]["unchanged"] == 1
    assert "y" not in live("deployment", "d", space)["spec"]


def test_client_side_refuses_unknown_fields_too(push, api, space):
    result = push([config(space, extra="x")], method="client_side")
    assert result["failed"] and "extra" in result["msg"]
    assert "NotFound" in api.kubectl("get", "configmap", "c", "-n", space, check=False)
    result = push([config(space, extra="x")], method="client_side", drop_unknown_fields=True)
    assert not result["failed"] and any("dropped extra" in text for text in result["warnings"])


UNIONS = {
    "Deployment to Recreate": (
        lambda space: deployment(space),
        lambda space: deployment(space, strategy={"type": "Recreate"}),
        "strategy",
    ),
    "volume to hostPath": (
        lambda space: deployment(space, {**POD, "volumes": [{"name": "v"}]}),
        lambda space: deployment(space, {**POD, "volumes": [{"name": "v", "hostPath": {"path": "/"}}]}),
        "template",
    ),
    "StatefulSet to OnDelete": (
        lambda space: {**deployment(space), "kind": "StatefulSet"},
        lambda space: {**deployment(space, updateStrategy={"type": "OnDelete"}), "kind": "StatefulSet"},
        "updateStrategy",
    ),
}


@pytest.mark.parametrize("method", ["server_side", "client_side"])
@pytest.mark.parametrize("name", list(UNIONS))
def test_another_branch_of_a_union_is_chosen_in_one_push(push, live, space, name, method):
    before, after, field = UNIONS[name]
    assert not push([before(space)], method=method)["failed"]
    result = push([after(space)], method=method)
    assert not result["failed"] and result["counts"]["updated"] == 1, result["msg"]
    kind = after(space)["kind"]
    found = live(kind, "d", space)["spec"][field]
    assert "rollingUpdate" not in json.dumps(found) and "emptyDir" not in json.dumps(found)
    assert push([after(space)], method=method)["counts"]["unchanged"] == 1
    assert not push([before(space)], method=method)["failed"]


def test_a_branch_that_somebody_else_wrote_is_left_to_them(push, api, space):
    push([deployment(space)])
    patch = {"spec": {"strategy": {"rollingUpdate": {"maxSurge": 1}}}}
    api.kubectl("patch", "deployment", "d", "-n", space, "--type=merge", "-p", json.dumps(patch))
    result = push([deployment(space, strategy={"type": "Recreate"})])
    assert result["failed"] and "rollingUpdate" in result["msg"]


def job(space: str, image: str) -> dict[str, Any]:
    pod = {
        "restartPolicy": "Never",
        "containers": [{"name": "c", "image": image, "env": [{"name": "P", "value": "pw"}]}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "namespace": space},
        "spec": {"template": {"spec": pod}},
    }


def binding(space: str, role: str) -> dict[str, Any]:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "r", "namespace": space},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
    }


IMMUTABLE = {
    "spec.template of Job": (lambda space: job(space, "a"), lambda space: job(space, "b")),
    "roleRef of RoleBinding": (lambda space: binding(space, "view"), lambda space: binding(space, "edit")),
    "data of ConfigMap": (
        lambda space: config(space, immutable=True, data={"a": "1"}),
        lambda space: config(space, immutable=True, data={"a": "2"}),
    ),
}


@pytest.mark.parametrize("name", list(IMMUTABLE))
def test_what_cannot_be_changed_is_named_and_made_again_on_demand(push, live, space, name):
    before, after = IMMUTABLE[name]
    push([before(space)])
    uid = live(before(space)["kind"], before(space)["metadata"]["name"], space)["metadata"]["uid"]
    result = push([after(space)])
    assert result["failed"] and f"{name} {space}/" in result["msg"] and "recreate: true" in result["msg"]
    assert len(result["msg"]) < 300 and "pw" not in result["msg"]
    result = push([after(space)], recreate=True, check=True)
    assert result["counts"]["updated"] == 1 and "made again" in result["objects"][0]["reason"]
    result = push([after(space)], recreate=True)
    assert not result["failed"], result["msg"]
    assert live(before(space)["kind"], before(space)["metadata"]["name"], space)["metadata"]["uid"] != uid
    assert push([after(space)], recreate=True)["counts"]["unchanged"] == 1


def test_objects_of_another_tool_are_taken_over_on_demand(push, api, live, space):
    port = [{"name": "http", "containerPort": 80}]
    first = deployment(space, {"containers": [{**env(("A", "1"), ("B", "2"))["containers"][0], "ports": port}]})
    api.kubectl("create", "-f", "-", text=json.dumps(first))
    wanted = copy.deepcopy(first)
    container = wanted["spec"]["template"]["spec"]["containers"][0]
    container["ports"][0]["containerPort"] = 8080
    container["env"].pop()
    result = push([wanted])
    assert result["failed"] and "take_over: [kubectl-create]" in result["msg"]
    result = push([wanted], take_over=["kubectl-create"])
    assert not result["failed"], result["msg"]
    found = live("deployment", "d", space)["spec"]["template"]["spec"]["containers"][0]
    assert [one["containerPort"] for one in found["ports"]] == [8080] and [one["name"] for one in found["env"]] == ["A"]
    assert push([wanted], take_over=["kubectl-create"])["counts"]["unchanged"] == 1


def test_an_object_that_is_being_deleted_is_waited_for_and_made_again(push, api, live, space):
    held = config(space, data={"a": "1"})
    held["metadata"]["finalizers"] = ["example.org/hold"]
    api.kubectl("create", "-f", "-", text=json.dumps(held))
    api.kubectl("delete", "configmap", "c", "-n", space, "--wait=false")
    wanted = config(space, data={"a": "1"})
    result = push([wanted], timeout=2)
    assert result["failed"] and "held by the finalizer example.org/hold" in result["msg"]
    assert push([wanted], check=True)["counts"]["created"] == 1

    def release() -> None:
        time.sleep(1)
        api.kubectl("patch", "configmap", "c", "-n", space, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')

    thread = threading.Thread(target=release)
    thread.start()
    result = push([wanted], timeout=60)
    thread.join()
    assert not result["failed"] and result["counts"]["created"] == 1, result["msg"]
    assert "deletionTimestamp" not in live("configmap", "c", space)["metadata"]


def test_the_servers_warnings_are_told_once_with_the_object(push, api, space):
    api.kubectl("label", "namespace", space, "pod-security.kubernetes.io/warn=baseline")
    wanted = deployment(space, {**POD, "hostNetwork": True})
    result = push([wanted])
    assert len(result["warnings"]) == 1, result["warnings"]
    assert result["warnings"][0].startswith(f"Deployment {space}/d: ") and "hostNetwork" in result["warnings"][0]
    assert "warnings" not in push([wanted])


def test_failures_are_told_before_waiting_begins(push, space):
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "p", "namespace": space},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    start = time.monotonic()
    result = push([claim, config(space, data={"a": 1})], wait=True, wait_timeout=120)
    assert result["failed"] and "the number 1" in result["msg"] and time.monotonic() - start < 60


def test_nulls_and_what_tools_wrote_are_no_fields_of_ours(push, api, live, space):
    wanted = deployment(
        space, {"containers": [{"name": "c", "image": "nginx", "resources": {"limits": {"cpu": None}}}]}
    )
    wanted["metadata"]["labels"] = {"a": None, "b": "c"}
    assert not push([wanted, config(space, data={"a": None, "b": "c"})])["failed"]
    found = live("deployment", "d", space)
    assert found["metadata"]["labels"] == {"b": "c"} and live("configmap", "c", space)["data"] == {"b": "c"}
    assert "cpu" not in json.dumps(found["spec"])
    api.kubectl("apply", "-f", "-", text=json.dumps(config(space, "saved", data={"a": "1"})))
    saved = live("configmap", "saved", space)
    api.kubectl("delete", "configmap", "saved", "-n", space)
    saved["data"]["a"] = "2"
    assert push([saved])["counts"]["created"] == 1
    saved["data"]["a"] = "3"
    assert push([saved])["counts"]["updated"] == 1 and push([saved])["counts"]["unchanged"] == 1


def test_letters_above_ffff_and_control_characters_arrive(push, api, space):
    text = "\U0001f353 ä \u2028\x85 \x7f \\ud83c"
    assert not push([config(space, data={"a": text})])["failed"]
    found = api.kubectl("get", "configmap", "c", "-n", space, "-o", "json")
    assert json.loads(found)["data"]["a"] == text
    assert push([config(space, data={"a": text})])["counts"]["unchanged"] == 1
