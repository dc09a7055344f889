"""What an audit asks the API server for, and who has which power by the rules of roles."""

from __future__ import annotations

import json

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Fault
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError
from ansible_collections.bramble.kube.plugins.module_utils.status import gather_audit, powers

TOKEN = {"name": "t", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
PLAIN = {"metadata": {"namespace": "n", "name": "p"}, "spec": {"containers": [{"name": "c"}]}}


class Answers:
    """A client that knows a few paths; others have no items."""

    def __init__(self, **answers: object) -> None:
        self.answers = answers
        self.accepts: dict[str, str] = {}

    def get(self, path: str, query: dict | None = None, accept: str = "") -> dict:
        name = path.rpartition("/")[2]
        self.accepts[name] = accept
        answer = self.answers.get(path) or self.answers.get(name) or {"items": []}
        if isinstance(answer, Exception):
            raise answer
        return answer


def container(own: dict | None = None, pod: dict | None = None, **more: object) -> dict:
    """What is read of a Pod's one container."""
    spec = {"securityContext": pod or {}, "containers": [{"name": "c", "securityContext": own or {}, **more}]}
    return gather_audit.pod({**PLAIN, "spec": spec})["containers"][0]


@pytest.mark.parametrize(
    ("read", "name", "value"),
    [
        (container(), "image", ""),
        (container(image="busybox"), "image", "busybox"),
        (container(), "root", True),
        (container(), "escalation", True),
        (container(), "net_raw", True),
        (container(), "context", False),
        (container({"privileged": True}), "privileged", True),
        (container({"allowPrivilegeEscalation": False}), "escalation", False),
        (container({"runAsUser": 1000}), "root", False),
        (container({"runAsUser": 0}, {"runAsUser": 1000}), "root", True),
        (container(None, {"runAsNonRoot": True}), "root", False),
        (container(None, {"runAsUser": 1000}), "context", True),
        (container({"capabilities": {"drop": ["ALL"]}}), "net_raw", False),
        (container({"capabilities": {"drop": ["CAP_NET_RAW"]}}), "net_raw", False),
        (container({"capabilities": {"drop": ["ALL"], "add": ["NET_RAW"]}}), "net_raw", True),
        (container(None, {"seccompProfile": {"type": "RuntimeDefault"}}), "seccomp", "RuntimeDefault"),
        (
            container({"seccompProfile": {"type": "Unconfined"}}, {"seccompProfile": {"type": "RuntimeDefault"}}),
            "seccomp",
            "Unconfined",
        ),
        (container(ports=[{"containerPort": 80, "hostPort": 80}, {"containerPort": 81}]), "host_ports", [80]),
        (
            container(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]),
            "secret_variables",
            True,
        ),
        (container(envFrom=[{"secretRef": {"name": "s"}}]), "secret_variables", True),
        (container(env=[{"name": "A", "value": "b"}]), "secret_variables", False),
        (container(volumeMounts=[TOKEN]), "token", True),
    ],
)
def test_a_containers_settings(read: dict, name: str, value: object) -> None:
    assert read[name] == value


def test_init_and_ephemeral_containers_count() -> None:
    spec = {kind: [{"name": kind}] for kind in ("initContainers", "containers", "ephemeralContainers")}
    assert len(gather_audit.pod({**PLAIN, "spec": spec})["containers"]) == 3


@pytest.mark.parametrize(
    ("meta", "name"),
    [
        ({"name": "etcd-m", "annotations": {"kubernetes.io/config.mirror": "1"}}, "static etcd"),
        ({"name": "x", "ownerReferences": [{"kind": "DaemonSet", "name": "d", "controller": True}]}, "DaemonSet d"),
        (
            {
                "name": "x",
                "labels": {"pod-template-hash": "1a"},
                "ownerReferences": [{"kind": "ReplicaSet", "name": "web-1a", "controller": True}],
            },
            "Deployment web",
        ),
        ({"name": "x"}, "Pod x"),
    ],
)
def test_what_made_a_pod(meta: dict, name: str) -> None:
    assert gather_audit.workload({"metadata": meta, "spec": {"nodeName": "m"}}) == name


def test_a_part_that_is_refused_leaves_the_others() -> None:
    client = Answers(serviceaccounts=ApiError(403, {"message": "no."}), pods={"items": [PLAIN]})
    told = gather_audit.ask(client, [])
    assert told["trouble"] == {"accounts": "no"}
    assert "accounts" not in told
    assert [pod["name"] for pod in told["pod_specs"]] == ["p"]


def test_of_secrets_only_names_are_asked_for() -> None:
    client = Answers(secrets={"items": [{"metadata": {"namespace": "n", "name": "s"}}]})
    assert gather_audit.ask(client, [])["account_secrets"] == [{"namespace": "n", "name": "s"}]
    assert "PartialObjectMetadataList" in client.accepts["secrets"]


def test_kubelets_tell_their_settings_and_no_others() -> None:
    config = {"kubeletconfig": {"readOnlyPort": 1, "staticPodURLHeader": {"Authorization": ["Bearer secret"]}}}
    client = Answers(
        **{
            "/api/v1/nodes/a/proxy/configz": config,
            "/api/v1/nodes/b/proxy/configz": Fault("no answer in time"),
            "/api/v1/nodes/c/proxy/configz": {"kubeletconfig": None},
            "/api/v1/nodes/d/proxy/configz": ApiError(502, {"message": "dial tcp: no route to host"}),
        }
    )
    told = gather_audit.ask(client, ["a", "b", "c", "d"])["kubelets"]
    assert told["a"] == {"config": {"readOnlyPort": 1}}
    assert told["b"] == {"trouble": "no answer in time"}
    assert told["c"] == {"trouble": "it is malformed"}
    assert told["d"] == {"trouble": "dial tcp: no route to host"}
    assert "secret" not in json.dumps(told)


def test_rules_are_read_as_the_api_server_reads_them() -> None:
    def of(verbs: str, resources: str, group: str = "", **more: object) -> set[str]:
        rule = {"verbs": verbs.split(), "resources": resources.split(), "apiGroups": [group], **more}
        return powers.powers([rule])

    assert of("get", "secrets") == {powers.SECRETS}
    assert of("get", "secrets", resourceNames=["one"]) == set()
    assert of("get", "secrets", "apps") == set()
    assert of("create", "secrets") == set()
    assert of("get", "pods/*") == set()  # no wildcard for the API server
    assert of("get", "*") == {powers.WILDCARD, powers.SECRETS, powers.PODS, powers.NODES}
    assert of("create", "*/token") == {powers.TOKENS}
    assert of("*", "*", "*") == {powers.EVERYTHING, powers.WILDCARD}
    assert powers.powers([]) == set()


def test_a_binding_to_a_role_that_is_not_there_gives_nothing() -> None:
    subject = {"kind": "User", "name": "jane", "namespace": ""}
    binding = {
        "kind": "RoleBinding",
        "namespace": "n",
        "name": "b",
        "role_kind": "ClusterRole",
        "role": "gone",
        "subjects": [subject],
    }
    (grant,) = powers.grants({"roles": [], "bindings": [binding]})
    assert (grant.subject, grant.powers, grant.namespace) == ("User jane", frozenset(), "n")
