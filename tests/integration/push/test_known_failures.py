"""What has failed for good is told soon, whatever else of the set still waits for something."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from test_refusals import config

LONG, SOON = 90, 30  # seconds: the time that a push has, and the one in which a known failure is told
HOLD = {"finalizers": ["example.org/hold"]}


def held(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "metadata": {**document["metadata"], **HOLD}}


def make(api, document: dict[str, Any]) -> None:
    api.kubectl("create", "-f", "-", text=json.dumps(document))


def delete(api, kind: str, name: str, space: str = "") -> None:
    api.kubectl("delete", kind, name, *(["-n", space] if space else []), "--wait=false")


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def wrong(space: str) -> dict[str, Any]:
    return config(space, "wrong", data={"port": 8080})


def role(space: str) -> dict[str, Any]:
    group = "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": 7}
    metadata = {"name": "r", "namespace": space}
    return {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]}


def of_its_wave(api, space: str) -> list[dict[str, Any]]:
    make(api, held(config(space)))
    delete(api, "configmap", "c", space)
    return [config(space), wrong(space)]


def of_an_earlier_wave(api, space: str) -> list[dict[str, Any]]:
    make(api, held(config(space)))
    delete(api, "configmap", "c", space)
    return [config(space), role(space)]


def to_be_recreated(api, space: str) -> list[dict[str, Any]]:
    make(api, held(config(space, immutable=True, data={"a": "1"})))
    return [config(space, immutable=True, data={"a": "2"}), wrong(space)]


def behind_a_webhook_that_does_not_answer(api, space: str) -> list[dict[str, Any]]:
    hook = {
        "name": "closed.example.org",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "objectSelector": {"matchLabels": {"hooked": space}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}],
    }
    group = "admissionregistration.k8s.io/v1"
    kind = "ValidatingWebhookConfiguration"
    make(api, {"apiVersion": group, "kind": kind, "metadata": {"name": space}, "webhooks": [hook]})
    document = config(space)
    document["metadata"]["labels"] = {"hooked": space}
    deadline = time.monotonic() + 20
    ask = ("create", "--dry-run=server", "-f", "-")
    while "failed calling" not in api.kubectl(*ask, text=json.dumps(document), check=False):
        assert time.monotonic() < deadline, "the API server does not ask the webhook"
        time.sleep(0.2)
    return [document, wrong(space)]


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (of_its_wave, "is being deleted, and held by the finalizer example.org/hold"),
        (of_an_earlier_wave, "is being deleted, and held by the finalizer example.org/hold"),
        (to_be_recreated, "is being deleted, and held by the finalizer example.org/hold"),
        (behind_a_webhook_that_does_not_answer, 'failed calling webhook "closed.example.org"'),
    ],
)
def test_what_waits_for_something_else_does_not_keep_back_what_has_failed(
    push, api, space, before: Callable[..., list[dict[str, Any]]], reason: str
):
    objects = before(api, space)
    start = time.monotonic()
    result = push(objects, timeout=LONG, recreate=True, force_conflicts=True)
    assert time.monotonic() - start < SOON
    assert result["counts"]["failed"] == 2 and reason in result["msg"], result["msg"]
    assert "is the number" in result["msg"]


def finish(api, name: str) -> None:
    """What the controller of namespaces does with one that is being deleted."""
    api.kubectl("delete", "configmap", "--all", "-n", name)
    path = f"/api/v1/namespaces/{name}/finalize"
    api.kubectl("replace", "--raw", path, "-f", "-", text=json.dumps({**namespace(name), "spec": {"finalizers": []}}))


@pytest.mark.parametrize("apply_set", [None, "set"])
def test_what_is_in_a_namespace_that_is_being_deleted_is_made_again_with_it(push, api, live, space, apply_set):
    options = {"apply_set": apply_set, "namespace": space, "timeout": 60}
    objects = [namespace(space), config(space, data={"a": "1"})]
    push(objects, **options)
    assert push(objects, **options)["counts"]["unchanged"] == 2
    delete(api, "namespace", space)
    assert push(objects, check=True, **options)["counts"]["created"] == 2
    timer = threading.Timer(2, finish, [api, space])
    timer.start()
    result = push(objects, **options)
    timer.join()
    assert not result["failed"] and result["counts"]["created"] == 2, result["msg"]
    assert live("configmap", "c", space)["data"] == {"a": "1"}
    if apply_set:
        assert "ConfigMap" in json.dumps(live("configmap", "set", space)["metadata"]["annotations"])


@pytest.mark.parametrize("apply_set", [None, "set"])
def test_a_namespace_that_stays_is_named_with_what_holds_it(push, api, space, apply_set):
    push([config(space)], apply_set=apply_set, namespace=space)
    delete(api, "namespace", space)
    objects = [namespace(space), config(space), config(space, "other")]
    result = push(objects, apply_set=apply_set, namespace=space, timeout=3)
    assert result["counts"]["failed"] == 3 and "held by the finalizer kubernetes" in result["msg"], result["msg"]
    assert result["msg"].count("its namespace is being deleted") == 2


@pytest.mark.parametrize("apply_set", [None, "set"])
def test_what_would_go_with_a_namespace_that_nothing_makes_again_is_refused_at_once(push, api, space, apply_set):
    push([config(space)], apply_set=apply_set, namespace=space)
    delete(api, "namespace", space)
    before = api.kubectl("get", "configmap", "-n", "default", "-o", "name")
    objects = [config("default", "not-yet"), config(space), config(space, "other")]
    start = time.monotonic()
    result = push(objects, apply_set=apply_set, namespace=space, timeout=LONG)
    assert result["failed"] and time.monotonic() - start < SOON
    assert f"Namespace {space} is being deleted, and held by the finalizer kubernetes" in result["msg"]
    assert f"ConfigMap {space}/c at object 2" in result["msg"] and "and 1 more" in result["msg"]
    assert api.kubectl("get", "configmap", "-n", "default", "-o", "name") == before
    # An earlier task would make the namespace again.
    assert push(objects, check=True, apply_set=apply_set, namespace=space)["counts"]["created"] == 3


def test_a_set_whose_namespace_is_not_there_is_refused_and_so_is_one_whose_record_goes(push, api, space):
    result = push([config(space)], apply_set="set", namespace=f"{space}-none")
    assert result["failed"] and f"the namespace {space}-none, which is not there" in result["msg"], result["msg"]
    assert "NotFound" in api.kubectl("get", "configmap", "c", "-n", space, check=False)
    push([config(space)], apply_set="set", namespace=space)
    api.kubectl("patch", "configmap", "set", "-n", space, "--type=merge", "-p", json.dumps({"metadata": HOLD}))
    delete(api, "configmap", "set", space)
    result = push([config(space)], apply_set="set", namespace=space)
    assert result["failed"] and "is being deleted, and held by the finalizer example.org/hold" in result["msg"]


def test_what_joins_a_set_while_it_is_being_deleted_is_waited_for(push, api, live, space):
    push([config(space, "first")], apply_set="set", namespace=space)
    make(api, held(config(space)))
    delete(api, "configmap", "c", space)
    objects = [config(space, "first"), config(space)]
    result = push(objects, apply_set="set", namespace=space, timeout=2)
    assert result["failed"] and "held by the finalizer example.org/hold" in result["msg"], result["msg"]
    release = ("patch", "configmap", "c", "-n", space, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    timer = threading.Timer(1, api.kubectl, release)
    timer.start()
    result = push(objects, apply_set="set", namespace=space, timeout=60)
    timer.join()
    assert not result["failed"], result["msg"]
    assert "deletionTimestamp" not in live("configmap", "c", space)["metadata"]


def test_a_set_that_cannot_be_recorded_is_told_beside_what_was_done(push, api, space):
    group = "admissionregistration.k8s.io/v1"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "object.metadata.name != 'refused-set'", "message": "no such set"}],
    }
    make(api, {"apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": space}, "spec": spec})
    binding = {"policyName": space, "validationActions": ["Deny"]}
    kind = "ValidatingAdmissionPolicyBinding"
    make(api, {"apiVersion": group, "kind": kind, "metadata": {"name": space}, "spec": binding})
    ask = ("create", "configmap", "refused-set", "--dry-run=server", "-n", space)
    deadline = time.monotonic() + 30
    while "no such set" not in api.kubectl(*ask, check=False):
        assert time.monotonic() < deadline, "the API server does not ask the policy"
        time.sleep(0.2)
    new = f"{space}-new"
    result = push([namespace(new), config(new)], apply_set="refused-set", namespace=new)
    assert result["changed"] and result["counts"]["created"] == 1 and result["counts"]["failed"] == 2, result["msg"]
    assert f"ConfigMap {new}/refused-set: the apply set could not be recorded" in result["msg"]
    assert "no such set" in result["msg"] and "not tried, since the apply set" in result["msg"]


def definition(plural: str, group: str, version: str) -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"plural": plural, "kind": "Gadget"}
    versions = [{"name": version, "served": True, "storage": True, "schema": schema}]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": versions},
    }


def test_a_kind_whose_name_is_taken_is_not_waited_for(push, space):
    group = f"{space[:20].strip('-')}.example.org"
    push([definition("gadgets", group, "v1")])
    gadget = {"apiVersion": f"{group}/v2", "kind": "Gadget", "metadata": {"name": "g", "namespace": space}}
    start = time.monotonic()
    result = push([definition("others", group, "v2"), gadget], timeout=LONG)
    assert time.monotonic() - start < SOON
    assert result["counts"]["created"] == result["counts"]["failed"] == 1, result["msg"]
    assert f"others.{group} is not established: condition NamesAccepted" in result["warnings"][0]
    assert "does not serve Gadget" in result["msg"] and "condition NamesAccepted" in result["msg"], result["msg"]


def test_a_crd_that_is_not_established_keeps_back_nothing_that_has_failed(push, space, monkeypatch):
    from ansible_collections.bramble.kube.plugins.module_utils.manifests import waiting

    monkeypatch.setattr(waiting, "definition", lambda _document: (False, "condition Established: not reported yet"))
    group = f"{space[:20].strip('-')}.example.org"
    gadget = {"apiVersion": f"{group}/v1", "kind": "Gadget", "metadata": {"name": "g", "namespace": space}}
    unfit = {**namespace(f"{space}-x"), "spec": {"finalizers": 7}}
    start = time.monotonic()
    result = push([unfit, definition("gadgets", group, "v1"), gadget], timeout=LONG)
    assert time.monotonic() - start < SOON
    assert result["failed"] and "is not established: condition Established" in result["warnings"][0]
    assert "is the number 7" in result["msg"], result["msg"]
