"""What has failed for good is told soon, whatever else of the set still waits for something."""

from __future__ import annotations

import json
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
