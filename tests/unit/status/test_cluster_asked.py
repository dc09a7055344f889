"""What the API server tells, cut down; here a client that answers from a table."""

from __future__ import annotations

import base64
import copy
import json
from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.manifests.auth import Endpoint
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Fault
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError, ClusterError, Unreachable
from ansible_collections.bramble.kube.plugins.module_utils.status import gather_cluster as cluster


def encoded(text: str) -> str:
    """As a Secret has it."""
    return base64.b64encode(text.encode()).decode()


TOKEN = {
    "metadata": {"name": "bootstrap-token-abcdef"},
    "data": {
        "token-id": encoded("abcdef"),
        "token-secret": encoded("0123456789abcdef"),
        "expiration": encoded("2026-06-01T12:00:00Z"),
        "description": encoded("for tests"),
    },
}
CRASHING = {
    "metadata": {"namespace": "default", "name": "web"},
    "spec": {"nodeName": "k8s-node1"},
    "status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [
            {
                "name": "main",
                "image": "web:1",
                "restartCount": 4,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
            }
        ],
    },
}
NODE = {
    "metadata": {"name": "k8s-node1", "labels": {"node-role.kubernetes.io/worker": ""}},
    "spec": {"podCIDR": "10.244.1.0/24", "unschedulable": True},
    "status": {
        "addresses": [{"type": "InternalIP", "address": "192.168.13.8"}, {"type": "Hostname", "address": "k8s-node1"}],
        "nodeInfo": {"kubeletVersion": "v1.37.2", "containerRuntimeVersion": "containerd://2.1.9"},
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}
DEPLOYMENT = {"metadata": {"namespace": "kubeflow", "name": "operator"}, "spec": {}, "status": {"readyReplicas": 1}}


class Answers:
    """A client that knows a few paths; others have no items."""

    def __init__(self, error: Exception | None = None, proxy: dict | None = None) -> None:
        self.error = error
        self.proxy = proxy
        self.closed = False
        self.logs_asked: list[dict] = []

    def get(self, path: str, query: dict | None = None) -> dict:
        if self.error:
            raise self.error
        if path == "/version":
            return {"gitVersion": "v1.37.2"}
        lists = {
            "nodes": [NODE],
            "pods": [CRASHING],
            "secrets": [TOKEN],
            "deployments": [DEPLOYMENT],
            "configmaps": [{"metadata": {"name": "kube-proxy"}, "data": self.proxy}],
        }
        return {"items": lists.get(path.rpartition("/")[2], [])}

    def close(self) -> None:
        self.closed = True

    def text(self, path: str, query: dict) -> str:
        self.logs_asked.append(query)
        if query["previous"] == "false":
            return "unable to retrieve container logs for containerd://0123"
        return 'Error: unknown command "nonsense" for "app"\nRun \'app --help\' for usage.\n'


def test_everything_is_told_in_short() -> None:
    told = cluster.ask(Answers())
    assert told["reachable"] is True
    assert told["version"] == "1.37.2"
    (node,) = told["nodes"]
    assert (node["roles"], node["addresses"], node["cordoned"]) == (["worker"], ["192.168.13.8"], True)
    (workload,) = told["workloads"]
    assert (workload["wanted"], workload["ready"]) == (1, 1)


@pytest.mark.parametrize(
    ("data", "mode"),
    [
        ({"config.conf": "kind: KubeProxyConfiguration\nmode: ipvs\n"}, "ipvs"),
        ({"config.conf": 'kind: KubeProxyConfiguration\nmode: ""\n'}, ""),
        ({"config.conf": "mode: [ipvs\n"}, ""),
        ({"config.conf": "ipvs\n"}, ""),
        (None, ""),
    ],
)
def test_the_mode_of_kube_proxy_is_read_from_its_configuration(data, mode) -> None:
    told = cluster.ask(Answers(proxy=data))
    assert (told["reachable"], told["proxy_mode"]) == (True, mode)


def a_set(name: str, tooling: str = "bramble.kube/v1") -> dict:
    """The parent of an apply set."""
    labels = {"applyset.kubernetes.io/id": f"id-{name}"}
    return {"metadata": {"name": name, "labels": labels, "annotations": {"applyset.kubernetes.io/tooling": tooling}}}


def a_service(kind: str, *ports: dict, path: str = "", given: dict | None = None) -> dict:
    """A Service of the set hub."""
    meta = {"name": "proxy", "labels": {"applyset.kubernetes.io/part-of": "id-hub"}}
    meta["annotations"] = {"bramble.kube/path": path} if path else {}
    status = {"loadBalancer": {"ingress": [given]} if given else {}}
    return {"metadata": meta, "spec": {"type": kind, "ports": list(ports)}, "status": status}


class WithSets(Answers):
    """Sets, and what leads to their members; only what has the asked label is told."""

    def __init__(self, *services: dict, ingresses: tuple[dict, ...] = ()) -> None:
        super().__init__()
        member = "applyset.kubernetes.io/part-of"
        self.lists = {
            ("/api/v1/configmaps", "applyset.kubernetes.io/id"): [a_set("hub"), a_set("theirs", "kubectl/v1")],
            ("/api/v1/services", member): list(services),
            ("/apis/networking.k8s.io/v1/ingresses", member): list(ingresses),
        }

    def get(self, path: str, query: dict | None = None) -> dict:
        found = self.lists.get((path, (query or {}).get("labelSelector")))
        return super().get(path, query) if found is None else {"items": found}


def test_a_workload_is_told_with_its_set_and_sets_of_other_tools_are_not() -> None:
    assert cluster.ask(WithSets())["sets"] == {"id-hub": "hub"}
    labelled = {"metadata": {"name": "hub", "labels": {"applyset.kubernetes.io/part-of": "id-hub"}}}
    assert cluster.workload("Deployment", labelled)["set"] == "id-hub"


NODE_PORTS = ({"port": 8443, "nodePort": 30443}, {"port": 80, "nodePort": 30088})


@pytest.mark.parametrize(
    ("service", "address"),
    [
        (a_service("NodePort", *NODE_PORTS), "http://192.168.13.8:30088/"),
        (a_service("NodePort", *NODE_PORTS, path="/hub/"), "http://192.168.13.8:30088/hub/"),
        (a_service("NodePort", {"port": 443, "nodePort": 30443}), "https://192.168.13.8:30443/"),
        (a_service("LoadBalancer", *NODE_PORTS, given={"ip": "192.168.13.50"}), "http://192.168.13.50/"),
        (a_service("LoadBalancer", {"port": 8080}, given={"hostname": "hub.home"}), "http://hub.home:8080/"),
        (a_service("LoadBalancer", *NODE_PORTS), None),
        (a_service("ClusterIP", {"port": 80}), None),
    ],
)
def test_where_a_component_is_reached(service, address) -> None:
    wanted = [{"set": "id-hub", "address": address}] if address else []
    assert cluster.ask(WithSets(service))["places"] == wanted


def test_what_an_ingress_leads_to_is_told_as_a_path() -> None:
    rule = {"http": {"paths": [{"path": "/hub", "pathType": "Prefix"}]}}
    ingress = {"metadata": {"labels": {"applyset.kubernetes.io/part-of": "id-hub"}}, "spec": {"rules": [rule]}}
    assert cluster.ask(WithSets(ingresses=(ingress,)))["places"] == [{"set": "id-hub", "path": "/hub"}]


def test_no_secret_of_a_token_is_kept() -> None:
    told = cluster.ask(Answers())
    assert told["tokens"] == [{"id": "abcdef", "expires": "2026-06-01T12:00:00Z", "description": "for tests"}]
    assert "0123456789abcdef" not in json.dumps(told)


def test_a_crashing_container_is_quoted_by_its_error_and_not_by_the_help_below() -> None:
    (pod,) = cluster.ask(Answers())["pods"]
    (trouble,) = pod["troubles"]
    assert trouble["said"] == 'Error: unknown command "nonsense" for "app"'
    assert (trouble["exit_code"], trouble["restarts"]) == (1, 4)


class BetweenTwoFailures(Answers):
    """The crashing container runs when it is looked at first."""

    def __init__(self, begun: datetime) -> None:
        super().__init__()
        self.begun, self.looked = begun, 0

    def get(self, path: str, query: dict | None = None) -> dict:
        if path != "/api/v1/pods":
            return super().get(path, query)
        self.looked += 1
        if self.looked > 1:
            return {"items": [CRASHING]}
        running = copy.deepcopy(CRASHING)
        begun = self.begun.strftime("%Y-%m-%dT%H:%M:%SZ")
        running["status"]["containerStatuses"][0]["state"] = {"running": {"startedAt": begun}}
        return {"items": [running]}


@pytest.mark.parametrize(("seconds", "looked", "troubles"), [(2, 2, 1), (600, 1, 0)])
def test_a_container_that_runs_between_two_failures_is_no_healthy_one(monkeypatch, seconds, looked, troubles) -> None:
    slept: list[float] = []
    monkeypatch.setattr(cluster.time, "sleep", slept.append)
    client = BetweenTwoFailures(datetime.now(timezone.utc) - timedelta(seconds=seconds))
    (pod,) = cluster.ask(client)["pods"]
    assert (client.looked, len(pod["troubles"])) == (looked, troubles)
    assert slept == [cluster.A_LITTLE] * (looked - 1)


def test_why_it_cannot_be_asked() -> None:
    outcomes = {
        "untrusted": ClusterError("it shows a certificate that is not trusted"),
        "silent": Fault("connection refused"),
        "unauthorized": ApiError(401, {"message": "Unauthorized"}),
        "forbidden": ApiError(403, {"message": "no"}),
        "failed": ApiError(500, {"message": "etcdserver: leader changed"}),
    }
    for outcome, error in outcomes.items():
        told = cluster.ask(Answers(error))
        assert (told["reachable"], told["outcome"]) == (False, outcome)


def asked(monkeypatch, answer=None, **endpoint) -> dict:
    """What the module returns when the kubeconfig leads to this API server, or to none."""

    def found(_options: object) -> Endpoint:
        if isinstance(answer, Exception):
            raise answer
        return Endpoint("https://192.168.13.7:6443", **endpoint)

    monkeypatch.setattr(cluster.auth, "endpoint", found)
    monkeypatch.setattr(cluster, "Client", lambda *_arguments: Answers())
    told = cluster.run(System(), {"kubeconfig": "/k", "context": None, "audit": False}, True)
    assert told["changed"] is False
    return told["cluster"]


def test_the_answer_says_who_gave_it(monkeypatch) -> None:
    told = asked(monkeypatch, ca_data="PEM", cert_data="CERTIFICATE")
    assert told["reachable"] and told["version"]
    assert (told["server"], told["ca"]) == ("https://192.168.13.7:6443", "PEM")
    assert told["client_certificate"] == "CERTIFICATE"


def test_a_kubeconfig_that_leads_nowhere_is_told_apart_from_a_wrong_one(monkeypatch) -> None:
    nowhere, wrong = Unreachable("No kubeconfig is at /k."), ClusterError("The CA is no certificate.")
    assert asked(monkeypatch, nowhere) == {
        "reachable": False,
        "outcome": "no_kubeconfig",
        "said": "No kubeconfig is at /k",
    }
    assert asked(monkeypatch, wrong)["outcome"] == "untrusted"


def test_without_a_yaml_library_it_cannot_ask(monkeypatch) -> None:
    monkeypatch.setattr(cluster.yamltext, "HAS_YAML", False)
    with pytest.raises(Stop, match="PyYAML"):
        asked(monkeypatch)
