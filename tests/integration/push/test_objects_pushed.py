"""manifest_push on a real API server: creation, equality, drift, conflicts, waves, check mode, diffs."""

from __future__ import annotations

import json

import pytest
import yaml


def config(name: str, space: str, **data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": space}, "data": data}


def deployment(name: str, space: str, image: str = "example.org/app:1", cpu: str = "500m") -> dict:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": space, "labels": {"app": name}},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "securityContext": {},
                    "containers": [
                        {
                            "name": "app",
                            "image": image,
                            "args": ["--serve", "--port=80"],
                            "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}],
                            "env": [
                                {"name": "EMPTY", "value": ""},
                                {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                                {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                            ],
                            "resources": {"requests": {"cpu": cpu, "memory": "1024Mi"}, "limits": {"cpu": 1}},
                            "livenessProbe": {"httpGet": {"path": "/", "port": 80}},
                        }
                    ],
                    "volumes": [
                        {"name": "scratch", "emptyDir": {}},
                        {
                            "name": "token",
                            "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]},
                        },
                    ],
                },
            },
        },
    }


CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.push.example.org"},
    "spec": {
        "group": "push.example.org",
        "names": {"kind": "Widget", "plural": "widgets"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "size": {"type": "integer", "default": 3},
                                    "limit": {"x-kubernetes-int-or-string": True},
                                    "parts": {
                                        "type": "array",
                                        "x-kubernetes-list-type": "map",
                                        "x-kubernetes-list-map-keys": ["name"],
                                        "items": {
                                            "type": "object",
                                            "required": ["name"],
                                            "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
                                        },
                                    },
                                    "tags": {
                                        "type": "array",
                                        "x-kubernetes-list-type": "set",
                                        "items": {"type": "string"},
                                    },
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}


def whole_set(space: str) -> list[dict]:
    """One object of many kinds, in the wrong order."""
    meta = {"namespace": space}
    return [
        {
            "apiVersion": "push.example.org/v1",
            "kind": "Widget",
            "metadata": {"name": "widget", **meta},
            "spec": {"limit": "500m", "parts": [{"name": "b", "n": 1}, {"name": "a"}], "tags": ["y", "x"]},
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": f"hook-{space}"},
            "webhooks": [
                {
                    "name": "hook.push.example.org",
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "failurePolicy": "Ignore",
                    "clientConfig": {"service": {"name": "hook", "namespace": space}},
                    "rules": [
                        {
                            "apiGroups": ["none.example.org"],
                            "apiVersions": ["v1"],
                            "operations": ["CREATE"],
                            "resources": ["nothing"],
                        }
                    ],
                }
            ],
        },
        deployment("app", space),
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "db", **meta},
            "spec": {
                "replicas": 0,
                "serviceName": "db",
                "selector": {"matchLabels": {"app": "db"}},
                "template": {
                    "metadata": {"labels": {"app": "db"}},
                    "spec": {"containers": [{"name": "db", "image": "example.org/db:1"}]},
                },
                "volumeClaimTemplates": [
                    {
                        "metadata": {"name": "data"},
                        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}},
                    }
                ],
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "app", **meta},
            "spec": {
                "selector": {"app": "app"},
                "ports": [{"port": 80, "name": "http"}, {"port": 443, "name": "https"}],
            },
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "np", **meta},
            "spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}], "policyTypes": ["Ingress"]},
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": "in", **meta},
            "spec": {
                "rules": [
                    {
                        "host": "a.example.org",
                        "http": {
                            "paths": [
                                {
                                    "path": "/",
                                    "pathType": "Prefix",
                                    "backend": {"service": {"name": "app", "port": {"number": 80}}},
                                }
                            ]
                        },
                    }
                ]
            },
        },
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "hpa", **meta},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"},
                "maxReplicas": 2,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "0.5"}},
                    }
                ],
            },
        },
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": "cron", **meta},
            "spec": {
                "schedule": "0 0 * * *",
                "jobTemplate": {
                    "spec": {
                        "template": {
                            "spec": {
                                "restartPolicy": "Never",
                                "containers": [{"name": "c", "image": "example.org/c:1"}],
                            }
                        }
                    }
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s", **meta},
            "stringData": {"password": "hunter22"},
        },
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "q", **meta},
            "spec": {"hard": {"requests.cpu": "1000m", "pods": 10}},
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "pvc", **meta},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "0.5Gi"}}},
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "r", **meta},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "rb", **meta},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
            "subjects": [{"kind": "ServiceAccount", "name": "sa", "namespace": space}],
        },
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "sa", **meta}},
        CRD,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}},
    ]


def test_first_push_creates_everything_in_order_and_the_second_writes_nothing(push, api):
    space = "whole"
    first = push(whole_set(space))
    assert not first["failed"], first["msg"]
    assert first["counts"]["created"] >= len(whole_set(space)) - 1  # another test may have brought the CRD
    second = push(whole_set(space))
    assert second["counts"] == {
        "created": 0,
        "updated": 0,
        "unchanged": len(whole_set(space)),
        "pruned": 0,
        "failed": 0,
    }
    assert not second["changed"]
    versions = api.kubectl(
        "get", "all,secret,pvc,role,widgets", "-n", space, "-o", "jsonpath={.items[*].metadata.resourceVersion}"
    )
    push(whole_set(space))
    again = api.kubectl(
        "get", "all,secret,pvc,role,widgets", "-n", space, "-o", "jsonpath={.items[*].metadata.resourceVersion}"
    )
    assert versions == again


def test_unchanged_kinds_of_kubernetes_are_judged_without_asking(push, space, monkeypatch):
    """No dry-run is needed for any kind of Kubernetes itself in the set: every default is known."""
    from ansible_collections.bramble.kube.plugins.module_utils.manifests import apply

    objects = [entry for entry in whole_set(space) if entry["kind"] not in ("Widget", "CustomResourceDefinition")]
    push(objects)
    asked = []
    monkeypatch.setattr(apply, "apply", lambda _client, item, *_rest, **_more: asked.append(item.label))
    assert push(objects)["counts"]["unchanged"] == len(objects)
    assert asked == []


def test_check_mode_writes_nothing_and_tells_what_would_be_created(push, api):
    space = "would-be"
    result = push(whole_set(space), check=True)
    assert not result["failed"], result["msg"]
    assert result["changed"]
    assert result["counts"]["created"] + result["counts"]["unchanged"] == len(whole_set(space))
    assert "NotFound" in api.kubectl("get", "namespace", space, check=False)


def test_check_mode_without_a_cluster_reports_from_the_manifests(push, tmp_path):
    objects = whole_set("nowhere")
    for kubeconfig in (str(tmp_path / "missing"), _kubeconfig_to_nowhere(tmp_path)):
        result = push(objects, check=True, kubeconfig=kubeconfig)
        assert not result["failed"]
        assert result["counts"]["created"] == len(objects)
        assert result["warnings"]


def test_without_a_cluster_a_push_fails_with_one_sentence(push, tmp_path):
    result = push(whole_set("nowhere"), kubeconfig=str(tmp_path / "missing"))
    assert result["failed"]
    assert "There is no kubeconfig at" in result["msg"]
    result = push(whole_set("nowhere"), kubeconfig=_kubeconfig_to_nowhere(tmp_path), timeout=1)
    assert "connection refused" in result["msg"]


def _kubeconfig_to_nowhere(tmp_path) -> str:
    path = tmp_path / "nowhere"
    path.write_text(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
                "contexts": [{"name": "c", "context": {"cluster": "c"}}],
                "current-context": "c",
            }
        )
    )
    return str(path)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (
            "value",
            lambda space: ["patch", "configmap", "c", "-n", space, "--type=merge", "-p", '{"data":{"a":"hand"}}'],
        ),
        (
            "removed",
            lambda space: ["patch", "configmap", "c", "-n", space, "--type=merge", "-p", '{"data":{"a":null}}'],
        ),
        ("label", lambda space: ["label", "configmap", "c", "-n", space, "--overwrite", "team=hand"]),
        ("deleted", lambda space: ["delete", "configmap", "c", "-n", space]),
    ],
)
def test_drift_made_by_hand_is_found_and_put_right(push, api, live, space, name, change):
    document = config("c", space, a="1", b="2")
    document["metadata"]["labels"] = {"team": "ours"}
    push([document])
    api.kubectl(*change(space))
    result = push([document], force_conflicts=True, diff=True)
    assert result["counts"]["unchanged"] == 0
    found = live("configmap", "c", space)
    assert found["data"] == {"a": "1", "b": "2"}
    assert found["metadata"]["labels"] == {"team": "ours"}
    assert result["diff"]["prepared"]


def test_a_conflict_names_field_and_manager_and_leaves_the_rest_applied(push, api, live, space):
    push([config("mine", space, a="1"), config("other", space, a="1")])
    api.kubectl(
        "patch", "configmap", "mine", "-n", space, "--type=merge", "-p", '{"data":{"a":"hand"}}', "--field-manager=anna"
    )
    result = push([config("mine", space, a="2"), config("other", space, a="2")])
    assert result["failed"]
    assert ".data.a (anna)" in result["msg"]
    assert result["counts"]["updated"] == 1
    assert live("configmap", "mine", space)["data"]["a"] == "hand"
    assert live("configmap", "other", space)["data"]["a"] == "2"
    forced = push([config("mine", space, a="2"), config("other", space, a="2")], force_conflicts=True)
    assert forced["counts"] == {"created": 0, "updated": 1, "unchanged": 1, "pruned": 0, "failed": 0}


def test_a_field_that_left_the_manifest_is_removed(push, live, space):
    push([config("c", space, a="1", b="2"), deployment("d", space)])
    changed = deployment("d", space)
    del changed["spec"]["template"]["spec"]["containers"][0]["env"][1]
    result = push([config("c", space, a="1"), changed])
    assert result["counts"]["updated"] == 2
    assert live("configmap", "c", space)["data"] == {"a": "1"}
    env = live("deployment", "d", space)["spec"]["template"]["spec"]["containers"][0]["env"]
    assert [entry["name"] for entry in env] == ["EMPTY", "CPU"]


def test_a_key_that_left_a_secrets_string_data_is_removed(push, live, space):
    document = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": space}}
    push([{**document, "stringData": {"a": "1", "b": "2"}}])
    push([{**document, "stringData": {"a": "1"}}])
    assert live("secret", "s", space)["data"] == {"a": "MQ=="}


def test_quantities_are_compared_as_numbers(push, space):
    push([deployment("d", space, cpu="500m")])
    assert push([deployment("d", space, cpu="0.5")])["counts"]["unchanged"] == 1
    assert push([deployment("d", space, cpu="0.6")])["counts"]["updated"] == 1


def test_text_that_looks_like_a_quantity_is_text(push, live, space):
    push([config("c", space, a="500m")])
    assert push([config("c", space, a="0.5")])["counts"]["updated"] == 1
    assert live("configmap", "c", space)["data"] == {"a": "0.5"}


def test_secrets_are_masked_in_diffs_and_results(push, space):
    document = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": space}}
    results = [
        push([{**document, "stringData": {"password": "hunter22"}}], diff=True, return_objects="full"),
        push([{**document, "stringData": {"password": "hunter23"}}], diff=True, return_objects="full"),
        push([{**document, "stringData": {"password": "hunter24"}}], diff=True, check=True),
    ]
    text = json.dumps(results)
    for word in ("hunter", "aHVudGVy"):
        assert word not in text
    assert "+  password: '******** (after)'" in results[1]["diff"]["prepared"]


def test_takeover_from_client_side_apply_equals_kubectls(push, api, live, space):
    """What client-side apply owned is ours afterwards: fields that left the manifest go, as with kubectl."""
    before = yaml.safe_dump_all(
        [
            {**config(name, space, a="1", b="2"), "metadata": {"name": name, "namespace": space, "labels": {"x": "1"}}}
            for name in "km"
        ]
    )
    api.kubectl("apply", "-f", "-", text=before)
    api.kubectl("apply", "--server-side", "-f", "-", text=yaml.safe_dump(config("k", space, a="2")))
    result = push([config("m", space, a="2")])
    assert not result["failed"], result["msg"]
    ours, theirs = live("configmap", "m", space), live("configmap", "k", space)
    assert ours["data"] == theirs["data"] == {"a": "2"}
    assert "labels" not in ours["metadata"] and "labels" not in theirs["metadata"]
    managers = [(entry["manager"], entry["operation"]) for entry in ours["metadata"]["managedFields"]]
    expected = [(entry["manager"], entry["operation"]) for entry in theirs["metadata"]["managedFields"]]
    assert sorted(managers) == sorted(("bramble.kube" if name == "kubectl" else name, how) for name, how in expected)
    key = "kubectl.kubernetes.io/last-applied-configuration"
    assert json.loads(ours["metadata"]["annotations"][key])["data"] == {"a": "2"}
    assert push([config("m", space, a="2")])["counts"]["unchanged"] == 1


def test_images_labels_select_and_namespace(push, live, space):
    objects = [deployment("d", ""), config("left-out", "")]
    for document in objects:
        del document["metadata"]["namespace"]
    result = push(
        objects,
        namespace=space,
        images={"example.org/": "registry.local/mirror/"},
        labels={"part": "demo"},
        exclude="kind == 'ConfigMap'",
    )
    assert result["counts"]["created"] == 1
    found = live("deployment", "d", space)
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.local/mirror/app:1"
    assert found["metadata"]["labels"]["part"] == "demo"


def test_a_kind_that_nobody_defines_is_refused_before_the_first_write(push, api, space):
    result = push(
        [config("c", space, a="1"), {"apiVersion": "nobody.example.org/v1", "kind": "X", "metadata": {"name": "x"}}]
    )
    assert result["failed"]
    assert "does not serve" in result["msg"]
    assert "NotFound" in api.kubectl("get", "configmap", "c", "-n", space, check=False)


def test_a_wrong_object_is_reported_and_the_others_are_applied(push, live, space):
    wrong = deployment("wrong", space)
    wrong["spec"]["template"]["metadata"]["labels"] = {"app": "something-else"}
    result = push([wrong, config("c", space, a="1")])
    assert result["failed"]
    assert "1 of 2 objects were not applied: Deployment" in result["msg"]
    assert live("configmap", "c", space)["data"] == {"a": "1"}


def test_who_may_get_but_not_list_can_push(push, api, space):
    api.make_user("getter", "/CN=getter")
    api.kubectl("create", "role", "getter", "-n", space, "--verb=get,patch,create", "--resource=configmaps")
    api.kubectl("create", "rolebinding", "getter", "-n", space, "--role=getter", "--user=getter")
    kubeconfig = api.write_kubeconfig("getter.kubeconfig", f"https://127.0.0.1:{api.port}", "getter")
    objects = [config(f"c{number}", space, a="1") for number in range(5)]
    assert push(objects, kubeconfig=kubeconfig)["counts"]["created"] == 5
    assert push(objects, kubeconfig=kubeconfig)["counts"]["unchanged"] == 5


def test_a_few_objects_among_thousands_are_read_one_by_one(push, api, space):
    others = [config(f"other-{number:04}", space, a="1") for number in range(1200)]
    push(others, workers=8)
    mine = [config(f"zz-{number}", space, a="1") for number in range(3)]
    push(mine)
    result = push(mine)
    assert result["counts"]["unchanged"] == 3
    # version, discovery, the first page, three GETs, the namespace: not the other pages
    assert result["requests"] <= 7


def test_a_wrong_scope_is_refused_without_any_request(push, space):
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "x", "namespace": space},
    }
    result = push([role], kubeconfig="/does/not/exist")
    assert result["failed"]
    assert result["msg"].startswith("ClusterRole x at object 1 of definition has namespace")


def test_a_large_result_is_kept_small_with_failures_first(push, space):
    wrong = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s", "namespace": space},
        "spec": {"ports": []},
    }
    result = push([*(config(f"c{number}", space) for number in range(150)), wrong], return_objects="changed")
    assert len(result["objects"]) == 100 and result["objects"][0]["action"] == "failed"
    assert result["counts"]["created"] == 150


def test_the_impersonated_users_rights_count(push, api, space):
    result = push([config("c", space, a="1")], impersonate_user="nobody", impersonate_groups=["system:authenticated"])
    assert result["failed"] and "nobody" in result["msg"]
    api.kubectl("create", "role", "anna", "-n", space, "--verb=get,patch,create", "--resource=configmaps")
    api.kubectl("create", "rolebinding", "anna", "-n", space, "--role=anna", "--user=anna")
    groups = ["system:authenticated"]  # without it, a user may not even ask what the server serves
    assert not push([config("c", space, a="1")], impersonate_user="anna", impersonate_groups=groups)["failed"]


def test_an_untrusted_certificate_is_refused_unless_told(push, api, space):
    other = {
        "host": f"https://127.0.0.1:{api.port}",
        "client_cert": str(api.path("admin.crt")),
        "client_key": str(api.path("admin.key")),
    }
    refused = push([config("c", space, a="1")], kubeconfig=None, **other)
    assert refused["failed"] and "not trusted" in refused["msg"]
    assert not push([config("c", space, a="1")], kubeconfig=None, validate_certs=False, **other)["failed"]
    assert not push([config("c", space, a="1")], kubeconfig=None, ca_cert=str(api.path("ca.crt")), **other)["failed"]


def test_an_http_proxy_is_used_and_bypassed(push, api, space):
    import socketserver
    import threading

    seen: list[bytes] = []

    class Tunnel(socketserver.StreamRequestHandler):
        """An HTTP proxy that knows CONNECT."""

        def handle(self) -> None:
            import select
            import socket

            line = self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            seen.append(line)
            host, _colon, port = line.split()[1].decode().partition(":")
            with socket.create_connection((host, int(port))) as far:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                pair = {self.connection: far, far: self.connection}
                while True:
                    for ready in select.select(list(pair), [], [], 10)[0]:
                        content = ready.recv(65536)
                        if not content:
                            return
                        pair[ready].sendall(content)

    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tunnel) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        proxy = f"http://127.0.0.1:{server.server_address[1]}"
        assert not push([config("c", space, a="1")], proxy=proxy)["failed"]
        assert seen and seen[0].startswith(b"CONNECT 127.0.0.1:")
        count = len(seen)
        assert not push([config("c", space, a="1")], proxy=proxy, no_proxy="10.0.0.0/8,127.0.0.0/8")["failed"]
        assert len(seen) == count
        server.shutdown()
