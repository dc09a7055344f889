"""Conversions of old API versions, on data."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.manifests import modernize
from ansible_collections.bramble.kube.plugins.module_utils.manifests.conversions import (
    admission,
    autoscaling,
    definitions,
    networking,
    others,
    workloads,
)
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ManifestError
from ansible_collections.bramble.kube.plugins.module_utils.manifests.load import Item

REPOSITORY = Path(__file__).resolve().parents[3]


def item(api_version: str, kind: str, **content) -> Item:
    return Item({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, **content}, "f.yaml", 7)


def run(*items: Item, served=lambda _version, _kind: True):
    return modernize.modernize(list(items), lambda entry: not served(entry.api_version, entry.kind), served)


def only_v1(version: str, _kind: str) -> bool:
    return version.rpartition("/")[2] == "v1"


def test_what_the_server_serves_is_left_alone():
    old = item("extensions/v1beta1", "Deployment")
    assert run(old) == ([old], [])


def test_what_is_rewritten_is_reported_with_its_source():
    old = item("rbac.authorization.k8s.io/v1beta1", "Role", rules=[])
    items, report = run(old, served=only_v1)
    assert items[0].api_version == "rbac.authorization.k8s.io/v1"
    assert old.api_version == "rbac.authorization.k8s.io/v1beta1"
    assert report[0]["to"] == "rbac.authorization.k8s.io/v1" and report[0]["source"]


def test_without_a_successor_it_is_refused_by_name():
    with pytest.raises(ManifestError, match=r"PodSecurityPolicy x at f\.yaml:7 .* gone since 1\.25"):
        run(item("policy/v1beta1", "PodSecurityPolicy"), served=only_v1)
    with pytest.raises(ManifestError, match="serves neither"):
        run(item("batch/v1beta1", "CronJob"), served=lambda _version, _kind: False)


def test_every_row_has_a_source_and_a_converter_that_exists():
    for key, rule in modernize.TABLE.items():
        assert rule.source, key
        assert rule.target or rule.refusal, key
        assert callable(modernize.converter(rule.convert)), key


def test_the_documentation_shows_every_row():
    text = (REPOSITORY / "docs" / "modernize.md").read_text()
    for (api_version, kind), rule in modernize.TABLE.items():
        rows = [
            line for line in text.splitlines() if line.startswith("|") and f"`{api_version}`" in line and kind in line
        ]
        assert rows, f"{api_version} {kind} is missing"
        assert any((rule.target or "refused") in row for row in rows), rows


def test_the_selector_comes_from_the_templates_labels():
    template = {"metadata": {"labels": {"a": "b"}}}
    document, changes = workloads.deployment(
        {"apiVersion": "apps/v1beta1", "spec": {"template": template, "rollbackTo": {"revision": 1}}}
    )
    assert document["spec"] == {"template": template, "selector": {"matchLabels": {"a": "b"}}}
    assert "spec.selector filled in from the template's labels" in changes
    with pytest.raises(ValueError, match="neither a selector nor labels"):
        workloads.replica_set({"apiVersion": "apps/v1beta2", "spec": {"template": {}}})


def test_what_only_a_pods_security_context_has_leaves_a_containers():
    context = {"runAsUser": 1, "fsGroup": 2}
    pod = {"securityContext": {"fsGroup": 3}, "containers": [{"name": "c", "securityContext": context}, {"name": "d"}]}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod}
    document, changes = workloads.deployment({"apiVersion": "apps/v1beta1", "spec": {"template": template}})
    spec = document["spec"]["template"]["spec"]
    assert spec["containers"][0]["securityContext"] == {"runAsUser": 1}
    assert spec["securityContext"] == {"fsGroup": 3}
    assert "securityContext.fsGroup of container c left out: a Pod's alone" in changes


def test_old_update_strategies_are_written_out():
    template = {"metadata": {"labels": {"a": "b"}}}
    old = {"apiVersion": "extensions/v1beta1", "spec": {"template": template, "templateGeneration": 2}}
    assert workloads.daemon_set(old)[0]["spec"]["updateStrategy"] == {"type": "OnDelete"}
    old = {"apiVersion": "apps/v1beta2", "spec": {"template": template}}
    assert "updateStrategy" not in workloads.stateful_set(old)[0]["spec"]


def test_ingress_backends():
    old = {
        "spec": {
            "backend": {"serviceName": "s", "servicePort": "8080"},
            "rules": [{"http": {"paths": [{"backend": {"serviceName": "t", "servicePort": "web"}}]}}, {"host": "h"}],
        }
    }
    spec = networking.ingress(old)[0]["spec"]
    assert spec["defaultBackend"] == {"service": {"name": "s", "port": {"number": 8080}}}
    path = spec["rules"][0]["http"]["paths"][0]
    assert path == {
        "backend": {"service": {"name": "t", "port": {"name": "web"}}},
        "pathType": "ImplementationSpecific",
    }
    with pytest.raises(ValueError, match="has no servicePort"):
        networking.ingress({"spec": {"backend": {"serviceName": "s"}}})
    for port in (True, 1.5, ["web"]):
        with pytest.raises(ValueError, match="neither a number nor a name"):
            networking.ingress({"spec": {"backend": {"serviceName": "s", "servicePort": port}}})


def test_webhooks_keep_their_old_defaults_and_refuse_side_effects():
    hook = {"name": "h", "timeoutSeconds": 5}
    new, changes = admission.webhooks({"webhooks": [hook]})
    assert new["webhooks"][0] == {
        "name": "h",
        "timeoutSeconds": 5,
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "matchPolicy": "Exact",
        "admissionReviewVersions": ["v1beta1"],
    }
    assert len(changes) == 4
    with pytest.raises(ValueError, match="sideEffects: Some"):
        admission.webhooks({"webhooks": [{"name": "h", "sideEffects": "Some"}]})


def test_metrics_without_a_target_are_refused():
    with pytest.raises(ValueError, match="without a target"):
        autoscaling.from_v2beta1({"spec": {"metrics": [{"type": "Resource", "resource": {"name": "cpu"}}]}})


def test_an_empty_disruption_budget_keeps_its_meaning():
    assert others.disruption_budget({"spec": {"selector": {}, "minAvailable": 1}})[0]["spec"] == {"minAvailable": 1}


def test_signing_requests_need_a_signer():
    with pytest.raises(ValueError, match="signerName"):
        others.signing_request({"spec": {"usages": ["client auth"]}})


def crd(**spec) -> dict:
    return {"metadata": {"name": "x"}, "spec": {"group": "example.org", "names": {"kind": "X", "plural": "xs"}, **spec}}


def schema_of(document: dict) -> dict:
    return document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def test_a_crd_without_validation():
    new, changes = definitions.definition(crd(version="v1"))
    assert schema_of(new) == {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    assert new["spec"]["scope"] == "Namespaced" and "version" not in new["spec"]
    assert any("no validation" in change for change in changes)
    with pytest.raises(ValueError, match=r"neither spec\.version nor spec\.versions"):
        definitions.definition(crd())


def test_pruning_is_kept_where_it_was_on():
    validation = {"openAPIV3Schema": {"properties": {"spec": {"properties": {"a": {"type": "string"}}}}}}
    kept = schema_of(definitions.definition(crd(version="v1", validation=validation))[0])
    pruned = schema_of(definitions.definition(crd(version="v1", validation=validation, preserveUnknownFields=False))[0])
    assert kept["properties"]["spec"]["x-kubernetes-preserve-unknown-fields"] is True
    assert "x-kubernetes-preserve-unknown-fields" not in pruned["properties"]["spec"]


def test_a_crds_conversion_webhook():
    conversion = {
        "strategy": "Webhook",
        "webhookClientConfig": {"url": "https://x"},
        "conversionReviewVersions": ["v1"],
    }
    new = definitions.definition(crd(version="v1", conversion=conversion))[0]
    assert new["spec"]["conversion"] == {
        "strategy": "Webhook",
        "webhook": {"clientConfig": {"url": "https://x"}, "conversionReviewVersions": ["v1"]},
    }


def test_a_crd_in_a_group_of_kubernetes_gets_its_annotation():
    document = crd(version="v1")
    document["spec"]["group"] = "x.k8s.io"
    assert definitions.definition(document)[0]["metadata"]["annotations"]["api-approved.kubernetes.io"].startswith(
        "unapproved"
    )


@pytest.mark.parametrize(
    ("old", "new", "reported"),
    [
        ({"format": "int-or-string"}, {"x-kubernetes-int-or-string": True}, ""),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"x-kubernetes-int-or-string": True}, ""),
        ({"enum": ["a"]}, {"enum": ["a"], "type": "string"}, ""),
        ({"minimum": 1}, {"minimum": 1, "type": "number"}, ""),
        ({}, {"x-kubernetes-preserve-unknown-fields": True}, "had no type"),
        (
            {"type": "array"},
            {"type": "array", "items": {"x-kubernetes-preserve-unknown-fields": True}},
            "were not described",
        ),
        ({"type": "string", "$ref": "#/x"}, {"type": "string"}, "$ref at .f left out"),
        ({"type": "string", "not": {"type": "integer"}}, {"type": "string"}, "not at .f left out"),
        ({"type": "string", "anyOf": [{"type": "integer"}]}, {"type": "string"}, "anyOf at .f left out"),
        (
            {"type": "string", "allOf": [{"pattern": "a", "description": "d"}]},
            {"type": "string", "allOf": [{"pattern": "a"}]},
            "",
        ),
        (
            {"type": "array", "items": {"type": "string", "x-own": 1}, "x-kubernetes-patch-strategy": "merge"},
            {"type": "array", "items": {"type": "string"}},
            "x-kubernetes-patch-strategy left out, which no server knew (1 places)",
        ),
        (
            {"type": "object", "properties": {"x-own": {"type": "string"}}},
            {"type": "object", "properties": {"x-own": {"type": "string"}}},
            "",
        ),
        ({"additionalProperties": True}, {"type": "object", "x-kubernetes-preserve-unknown-fields": True}, ""),
        ("text", {"x-kubernetes-preserve-unknown-fields": True}, "was no mapping"),
    ],
)
def test_structural_schemas(old, new, reported):
    dropped: list[str] = []
    found = definitions.structural({"properties": {"f": old}}, True, dropped)
    assert found == {"type": "object", "properties": {"f": new}}
    assert reported in "".join(dropped) and bool(dropped) is bool(reported)


def test_of_metadata_a_schema_keeps_what_it_says_of_the_name():
    named = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 5, "description": "d"}}}
    found = definitions.structural({"properties": {"metadata": named}}, True, [])
    assert found["properties"]["metadata"] == {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 5}},
    }


def test_a_slip_does_not_take_a_definitions_validation_away():
    spec = {"group": "x.org", "version": "v1", "names": {}, "validation": {"openAPIV3schema": {"type": "object"}}}
    with pytest.raises(ValueError, match="openAPIV3schema, where openAPIV3Schema alone belongs"):
        definitions.definition({"metadata": {"name": "a"}, "spec": spec})
