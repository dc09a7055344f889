"""What a server refuses is told at once and as a person says it; what can be done about it is done on demand."""

from __future__ import annotations

import base64
import copy
import http.server
import json
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
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
            [
                "spec.y is not a field",
                "spec.template.spec.readinessProbe is not a field",
                "spec.template.spec.x is not a field",
            ],
        ),
        (
            lambda space: deployment(
                space,
                {"containers": [{"name": "c", "image": "a", "resources": {"limits": {"cpu": "much", "memory": ""}}}]},
            ),
            [
                "resources.limits.cpu is the text 'much', not a quantity",
                "limits.memory is the text '', not a quantity",
            ],
        ),
        (
            lambda space: deployment(space, strategy={"rollingUpdate": {"maxSurge": {}, "maxUnavailable": 1}}),
            ["spec.strategy.rollingUpdate.maxSurge is a mapping: write a number"],
        ),
        (
            lambda space: deployment(
                space, {"containers": [{"name": "c", "image": "a", "livenessProbe": {"httpGet": {"port": True}}}]}
            ),
            ["livenessProbe.httpGet.port is the truth value true: write a number"],
        ),
        (lambda space: config(space, extra="x"), ["extra is not a field of a ConfigMap of v1", "drop_unknown_fields"]),
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
    assert result["counts"]["updated"] == 1 and "recreated" in result["objects"][0]["reason"]
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


def test_owners_that_this_cluster_does_not_have_are_refused_before_anything_is_changed(push, api, live, space):
    push([config(space, "owner")])
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner"}
    owned = config(space, "owned")
    owned["metadata"]["ownerReferences"] = [{**owner, "uid": "0f0f0f0f-0000-4000-8000-000000000000"}]
    lost = config(space, "lost")
    lost["metadata"]["ownerReferences"] = [{**owner, "name": "gone", "uid": "0f0f0f0f-0000-4000-8000-000000000001"}]
    result = push([config(space, "a"), owned, lost])
    assert result["failed"] and "ConfigMap gone with the uid 0f0f0f0f-0000-4000-8000-000000000001" in result["msg"]
    assert (
        f"ConfigMap {space}/owned at object 2 of definition is owned (ownerReferences) by ConfigMap owner"
        in (result["msg"])
    )
    assert "NotFound" in api.kubectl("get", "configmap", "a", "-n", space, check=False)
    owned["metadata"]["ownerReferences"][0]["uid"] = live("configmap", "owner", space)["metadata"]["uid"]
    assert push([owned])["counts"]["created"] == 1 and push([owned])["counts"]["unchanged"] == 1


def test_an_image_that_is_none_is_taken_as_the_server_takes_it_and_told(push, space):
    result = push([deployment(space, {"containers": [{"name": "c", "image": "$(IMG)"}]})])
    assert not result["failed"] and len(result["warnings"]) == 1
    assert f"Deployment {space}/d at object 1 of definition: image '$(IMG)' is a placeholder" in result["warnings"][0]


class Webhook(http.server.BaseHTTPRequestHandler):
    """Denies ConfigMaps that need a runtime until it saw one of that name."""

    seen: set[str]

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        data = request["object"].get("data") or {}
        allowed = data.get("needs", "") in {"", *self.seen}
        if allowed and not request.get("dryRun"):
            self.seen.add(request["object"]["metadata"]["name"])
        response = {"uid": request["uid"], "allowed": allowed, "status": {"message": f"no runtime {data.get('needs')}"}}
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
        body = json.dumps(review).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Keep quiet."""


@pytest.fixture
def webhook(api, space) -> Iterator[None]:
    """A webhook for the ConfigMaps of one namespace."""
    handler = type("Handler", (Webhook,), {"seen": set()})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(api.path("server.crt"), api.path("server.key"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ca = base64.b64encode(Path(api.path("ca.crt")).read_bytes()).decode()
    hook = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": space},
        "webhooks": [
            {
                "name": "runtime.example.org",
                "clientConfig": {"url": f"https://127.0.0.1:{server.server_port}/", "caBundle": ca},
                "rules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]}
                ],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space}},
                "sideEffects": "NoneOnDryRun",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }
    api.kubectl("create", "-f", "-", text=json.dumps(hook))
    deadline = time.monotonic() + 30
    probe = json.dumps(config(space, "probe", data={"needs": "nothing"}))
    while "denied" not in api.kubectl("create", "--dry-run=server", "-f", "-", text=probe, check=False):
        assert time.monotonic() < deadline, "the API server does not ask the webhook"
    yield
    api.kubectl("delete", "validatingwebhookconfiguration", space)
    server.shutdown()
    server.server_close()


def test_what_a_webhook_denies_for_something_of_this_set_is_tried_again_after_it(push, webhook, space):
    job = config(space, "job", data={"needs": "runtime"})
    result = push([job, config(space, "runtime")], workers=1)
    assert not result["failed"] and result["counts"]["created"] == 2, result["msg"]


def test_what_a_webhook_denies_for_good_is_told_before_waiting_begins(push, webhook, space):
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "p", "namespace": space},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    start = time.monotonic()
    result = push([config(space, "job", data={"needs": "none"}), claim], wait=True, wait_timeout=300)
    assert result["failed"] and "no runtime none" in result["msg"] and time.monotonic() - start < 100


def test_what_a_policy_denies_for_something_of_this_set_is_tried_again_after_it(push, api, space):
    group = "admissionregistration.k8s.io/v1"
    policy = {
        "apiVersion": group,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": space},
        "spec": {
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["services"], "operations": ["CREATE"]}
                ]
            },
            "validations": [{"expression": "params.data.open == 'yes'", "message": "the shop is closed"}],
        },
    }
    binding = {
        "apiVersion": group,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": space},
        "spec": {
            "policyName": space,
            "validationActions": ["Deny"],
            "paramRef": {"name": "shop", "namespace": space, "parameterNotFoundAction": "Deny"},
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space}}},
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s", "namespace": space},
        "spec": {"ports": [{"port": 80}]},
    }
    push([config(space, "shop", data={"open": "no"})])
    api.kubectl("create", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": [policy, binding]}))
    deadline = time.monotonic() + 30
    while "closed" not in api.kubectl("create", "--dry-run=server", "-f", "-", text=json.dumps(service), check=False):
        assert time.monotonic() < deadline, "the policy is not in force"
        time.sleep(0.2)
    result = push([service])
    assert result["failed"] and "the shop is closed" in result["msg"]
    # The server's own copy of the ConfigMap lags behind what this set writes.
    result = push([config(space, "shop", data={"open": "yes"}), service])
    assert not result["failed"], result["msg"]


def test_what_will_never_be_ready_ends_the_wait_for_all(push, api, space):
    failed = job(space, "nginx")
    push([failed])
    condition = {"type": "Failed", "status": "True", "message": "no luck", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    target = {**condition, "type": "FailureTarget"}
    status = {"status": {"conditions": [target, condition], "startTime": "2026-01-01T00:00:00Z"}}
    patch = ("--subresource=status", "--type=merge", "-p", json.dumps(status))
    api.kubectl("patch", "job", "j", "-n", space, *patch)
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "p", "namespace": space},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    start = time.monotonic()
    result = push([claim, failed], wait=True, wait_timeout=300)
    assert result["failed"] and time.monotonic() - start < 100
    assert result["not_ready"][0] == f"Job {space}/j: failed: no luck" and "phase" in result["not_ready"][1]


def test_numbers_that_the_server_would_cut_are_refused(space, push, api) -> None:
    """Kubernetes 1.37.2 keeps the lower 32 bits alone in server-side apply, and refuses in every other way."""
    probe = {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 4294967297}
    pod = {"containers": [{"name": "c", "image": "nginx", "readinessProbe": probe}]}
    for options in ({}, {"check": True}):
        told = push(deployment(space, pod, replicas=99999999999), **options)
        assert "spec.replicas: 99999999999 is too large, it would become 1215752191" in told["msg"]
        assert "periodSeconds: 4294967297 is too large, it would become 1" in told["msg"]
    assert api.kubectl("get", "deployments", "-n", space, "-o", "name") == ""
    # kubectl hands on what the server makes of it; without --server-side the server refuses.
    text = json.dumps(deployment(space, pod, replicas=99999999999))
    assert "cannot unmarshal number" in api.kubectl("apply", "-f", "-", text=text, check=False)
    api.kubectl("apply", "--server-side", "-f", "-", text=text)
    where = ("get", "deployment", "d", "-n", space, "-o", "jsonpath={.spec.replicas}")
    assert api.kubectl(*where) == "1215752191"
    again = push(deployment(space, pod, replicas=99999999999), force_conflicts=True)
    assert "it would become 1215752191" in again["msg"]


def test_large_numbers_that_fit_are_pushed(space, push) -> None:
    limits = {"limits": {"memory": 4294967297}}
    pod = {
        "containers": [{"name": "c", "image": "nginx", "resources": limits}],
        "securityContext": {"runAsUser": 2147483647, "fsGroup": 2147483647},
        "terminationGracePeriodSeconds": 4294967297,
    }
    made = deployment(space, pod)
    assert push(made)["changed"]
    assert not push(made)["changed"]
