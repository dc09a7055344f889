"""Old API versions, rewritten and taken by a real API server of today."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.manifests.modernize import TABLE

POD = {"containers": [{"name": "c", "image": "example.org/c:1"}]}
TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": POD}
WEBHOOK = {
    "name": "hook.old.example.org",
    "clientConfig": {"url": "https://hook.example.org/"},
    "failurePolicy": "Ignore",
}
ROLE_REF = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
OLD_SUBJECT = {"apiVersion": "rbac.authorization.k8s.io/v1alpha1", "kind": "User", "name": "anna"}
FLOW = {
    "priorityLevelConfiguration": {"name": "catch-all"},
    "matchingPrecedence": 9000,
    "rules": [
        {
            "subjects": [{"kind": "User", "user": {"name": "anna"}}],
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}],
        }
    ],
}
LEVEL = {"type": "Limited", "limited": {"assuredConcurrencyShares": 5, "limitResponse": {"type": "Reject"}}}
V2BETA1_METRICS = [
    {"type": "Resource", "resource": {"name": "cpu", "targetAverageUtilization": 50}},
    {"type": "Resource", "resource": {"name": "memory", "targetAverageValue": "1Gi"}},
    {"type": "Pods", "pods": {"metricName": "p", "targetAverageValue": "5"}},
    {
        "type": "Object",
        "object": {
            "target": {"kind": "Service", "name": "s", "apiVersion": "v1"},
            "metricName": "o",
            "targetValue": "5",
        },
    },
    {
        "type": "External",
        "external": {"metricName": "e", "metricSelector": {"matchLabels": {"a": "b"}}, "targetValue": "5"},
    },
]

# kind → content of a manifest in the old form
CONTENT: dict[str, dict[str, Any]] = {
    "Deployment": {"spec": {"template": TEMPLATE, "replicas": 0}},
    "DaemonSet": {"spec": {"template": TEMPLATE, "templateGeneration": 1}},
    "ReplicaSet": {"spec": {"template": TEMPLATE, "replicas": 0}},
    "StatefulSet": {"spec": {"template": TEMPLATE, "serviceName": "x", "replicas": 0}},
    "ControllerRevision": {"revision": 1, "data": {"a": "b"}},
    "NetworkPolicy": {"spec": {"podSelector": {}}},
    "Ingress": {
        "spec": {
            "backend": {"serviceName": "s", "servicePort": 80},
            "rules": [{"http": {"paths": [{"path": "/", "backend": {"serviceName": "s", "servicePort": "http"}}]}}],
        }
    },
    "IngressClass": {"spec": {"controller": "example.org/x"}},
    "Role": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    "ClusterRole": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    "RoleBinding": {"roleRef": ROLE_REF},
    "ClusterRoleBinding": {"roleRef": ROLE_REF},
    "APIService": {
        "spec": {"group": "old.example.org", "version": "v1", "groupPriorityMinimum": 10, "versionPriority": 10}
    },
    "MutatingWebhookConfiguration": {"webhooks": [WEBHOOK]},
    "ValidatingWebhookConfiguration": {"webhooks": [WEBHOOK]},
    "ValidatingAdmissionPolicy": {
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["old.example.org"],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["x"],
                    }
                ]
            },
            "validations": [{"expression": "true"}],
        }
    },
    "ValidatingAdmissionPolicyBinding": {"spec": {"policyName": "x", "validationActions": ["Audit"]}},
    "PodDisruptionBudget": {"spec": {"minAvailable": 1, "selector": {}}},
    "CronJob": {
        "spec": {
            "schedule": "0 0 * * *",
            "jobTemplate": {"spec": {"template": {"spec": {**POD, "restartPolicy": "Never"}}}},
        }
    },
    "HorizontalPodAutoscaler": {
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"},
            "maxReplicas": 2,
            "metrics": V2BETA1_METRICS,
        }
    },
    "PriorityClass": {"value": 10},
    "StorageClass": {"provisioner": "example.org/x"},
    "VolumeAttachment": {"spec": {"attacher": "x", "nodeName": "n", "source": {"persistentVolumeName": "pv"}}},
    "CSIDriver": {"spec": {"attachRequired": False}},
    "CSINode": {"spec": {"drivers": []}},
    "CSIStorageCapacity": {"storageClassName": "x", "capacity": "1Gi"},
    "Lease": {"spec": {"holderIdentity": "x"}},
    "EndpointSlice": {
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": ["10.1.1.1"],
                "topology": {
                    "kubernetes.io/hostname": "n",
                    "topology.kubernetes.io/zone": "z",
                    "example.org/rack": "r",
                },
            }
        ],
    },
    "RuntimeClass": {"handler": "x"},
    "FlowSchema": {"spec": FLOW},
    "PriorityLevelConfiguration": {"spec": LEVEL},
}
CONVERTIBLE = sorted(key for key, rule in TABLE.items() if rule.target)
SPECIAL = ("CertificateSigningRequest", "CustomResourceDefinition")


def old_object(api_version: str, kind: str, name: str) -> dict:
    content = copy.deepcopy(CONTENT[kind])
    if api_version.endswith("rbac.authorization.k8s.io/v1alpha1") and kind.endswith("Binding"):
        content["subjects"] = [dict(OLD_SUBJECT)]
    if api_version == "node.k8s.io/v1alpha1":
        content = {"spec": {"runtimeHandler": "x"}}
    if api_version == "autoscaling/v2beta2":
        content["spec"]["metrics"] = [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
            }
        ]
    if api_version == "flowcontrol.apiserver.k8s.io/v1beta3" and kind == "PriorityLevelConfiguration":
        content["spec"]["limited"] = {"nominalConcurrencyShares": 5, "limitResponse": {"type": "Reject"}}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **content}


@pytest.mark.parametrize(("api_version", "kind"), [key for key in CONVERTIBLE if key[1] not in SPECIAL])
def test_every_row_of_the_table_gives_what_this_server_takes(push, space, api_version, kind):
    name = (
        "v1.old.example.org" if kind == "APIService" else "old-" + api_version.replace("/", "-").replace(".", "-")[:40]
    )
    document = old_object(api_version, kind, name)
    result = push([document], namespace=space)
    assert not result["failed"], result["msg"]
    entry = result["rewritten"][0]
    assert (entry["kind"], entry["from"], entry["to"]) == (kind, api_version, TABLE[api_version, kind].target)
    again = push([document], namespace=space)
    assert again["counts"]["unchanged"] == 1, again


def old_crd(name: str, **spec: Any) -> dict:
    plural, _dot, group = name.partition(".")
    return {
        "apiVersion": "apiextensions.k8s.io/v1beta1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {"group": group, "names": {"kind": plural[:-1].capitalize(), "plural": plural}, **spec},
    }


def test_a_crd_without_validation_becomes_one_that_keeps_everything(push, live):
    document = old_crd("plains.old.example.org", version="v1")
    custom = {"apiVersion": "old.example.org/v1", "kind": "Plain", "metadata": {"name": "p", "namespace": "default"}}
    result = push([{**custom, "spec": {"any": ["thing"]}}, document])
    assert not result["failed"], result["msg"]
    assert any("no validation" in change for change in result["rewritten"][0]["changes"])
    assert live("plains.old.example.org", "p", "default")["spec"] == {"any": ["thing"]}
    assert push([document])["counts"]["unchanged"] == 1


def test_a_crds_validation_is_kept_where_it_is_structural(push, api, live):
    schema = {
        "properties": {
            "metadata": {"properties": {"name": {"type": "string", "maxLength": 20, "description": "short"}}},
            "spec": {
                "required": ["size"],
                "anyOf": [{"required": ["size"]}, {"properties": {"unknown": {"type": "string"}}}],
                "properties": {
                    "size": {"type": "integer", "minimum": 1},
                    "port": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
                    "mode": {"enum": ["a", "b"]},
                    "list": {"type": "array", "uniqueItems": True, "items": {"type": "string"}},
                    "free": {},
                    "map": {"additionalProperties": {"type": "string"}},
                    "closed": {"properties": {"a": {"type": "string"}}, "additionalProperties": False},
                    "either": {
                        "type": "object",
                        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                        "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
                    },
                },
            },
        }
    }
    document = old_crd(
        "schemes.old.example.org",
        versions=[{"name": "v1", "served": True, "storage": True}, {"name": "v2", "served": True, "storage": False}],
        validation={"openAPIV3Schema": schema},
        subresources={"status": {}},
        additionalPrinterColumns=[{"name": "Size", "type": "integer", "JSONPath": ".spec.size"}],
    )
    result = push([document])
    assert not result["failed"], result["msg"]
    changes = "\n".join(result["rewritten"][0]["changes"])
    assert "v1: anyOf at .spec left out" in changes
    assert "v2: uniqueItems at .spec.list left out" in changes
    found = live("crd", "schemes.old.example.org")["spec"]
    spec = found["versions"][1]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert spec["properties"]["size"] == {"type": "integer", "minimum": 1}
    assert spec["properties"]["port"] == {"x-kubernetes-int-or-string": True}
    assert spec["properties"]["either"]["oneOf"] == [{"required": ["a"]}, {"required": ["b"]}]
    assert found["versions"][0]["additionalPrinterColumns"] == [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"}
    ]
    custom = {"apiVersion": "old.example.org/v2", "kind": "Scheme", "metadata": {"name": "s", "namespace": "default"}}
    good = push([{**custom, "spec": {"size": 1, "port": "http", "more": 1, "either": {"a": "x"}}}])
    assert not good["failed"], good["msg"]
    assert live("schemes.old.example.org", "s", "default")["spec"]["more"] == 1
    bad = push([{**custom, "spec": {"size": 0}}])
    assert bad["failed"] and "spec.size" in bad["msg"]
    assert push([document])["counts"]["unchanged"] == 1


def test_what_cannot_be_converted_is_refused_by_name_before_the_first_write(push, api, space):
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": space}}
    policy = {"apiVersion": "policy/v1beta1", "kind": "PodSecurityPolicy", "metadata": {"name": "strict"}, "spec": {}}
    result = push([config, policy])
    assert result["failed"]
    assert "PodSecurityPolicy strict" in result["msg"] and "gone since 1.25" in result["msg"]
    assert "NotFound" in api.kubectl("get", "configmap", "c", "-n", space, check=False)


def test_one_switch_turns_it_off(push, space):
    result = push([old_object("extensions/v1beta1", "Deployment", "d")], namespace=space, modernize=False)
    assert result["failed"] and "does not serve" in result["msg"]
