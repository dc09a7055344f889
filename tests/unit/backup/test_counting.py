"""Objects in etcd by their keys, and the same objects as an API server reads them."""

from __future__ import annotations

import json

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.backup.archive import BackupError
from ansible_collections.bramble.kube.plugins.module_utils.backup.counting import Loopback, compare, in_etcd

KEYS = """
/registry/pods/kube-system/etcd-k8s-master
/registry/pods/default/web
/registry/minions/k8s-master
/registry/services/specs/default/kubernetes
/registry/services/endpoints/default/kubernetes
/registry/ingress/default/web
/registry/controllers/default/old
/registry/apiregistration.k8s.io/apiservices/v1.apps
/registry/apiextensions.k8s.io/customresourcedefinitions/trainjobs.trainer.kubeflow.org
/registry/trainer.kubeflow.org/trainjobs/default/first
/registry/serving.knative.dev/services/default/shown
/registry/masterleases/192.168.13.7
/registry/ranges/serviceips
/registry/peerserverleases/apiserver-1
compact_rev_key
"""


def test_keys_are_counted_under_the_names_of_their_resources() -> None:
    assert in_etcd(KEYS.splitlines()) == {
        "pods": 2,
        "nodes": 1,
        "services": 1,
        "endpoints": 1,
        "ingresses": 1,
        "replicationcontrollers": 1,
        "apiservices.apiregistration.k8s.io": 1,
        "customresourcedefinitions.apiextensions.k8s.io": 1,
        "trainjobs.trainer.kubeflow.org": 1,
        "services.serving.knative.dev": 1,
    }


def test_fewer_are_a_loss_and_more_are_none() -> None:
    found = compare(
        {"pods": 3, "secrets": 2, "events": 9, "leases": 4, "podsecuritypolicy": 1},
        {"pods": 2, "secrets": 0, "events": 0, "leases": 5, "flowschemas": 13, "jobs": 0},
    )
    assert found.lost == ("2 of 3 pods", "0 of 2 secrets")
    assert found.unserved == {"podsecuritypolicy": 1}
    assert found.objects == 20
    assert "jobs" not in found.kinds
    assert "pods: 2 read of 3" in found.lines()
    assert "podsecuritypolicy: 1, not served by this release" in found.lines()


def items(*names: str, **more) -> dict:
    return {"metadata": {}, "items": [{"metadata": {"name": name}, **more} for name in names]}


def resources(*plurals: str, verbs: tuple[str, ...] = ("list", "get")) -> dict:
    return {"resources": [{"name": plural, "verbs": list(verbs)} for plural in plurals]}


def group(name: str, *versions: str) -> dict:
    return {"name": name, "versions": [{"version": v, "groupVersion": f"{name}/{v}"} for v in versions]}


API = {
    "/apis/apiregistration.k8s.io/v1/apiservices": {
        "items": [
            {"metadata": {"name": "v1.apps"}, "spec": {}},
            {"metadata": {"name": "v1beta1.metrics.k8s.io"}, "spec": {"service": {"name": "metrics-server"}}},
        ]
    },
    "/apis": {
        "groups": [
            group("events.k8s.io", "v1"),
            group("metrics.k8s.io", "v1beta1"),
            group("batch", "v1", "v1beta1"),
            group("serving.knative.dev", "v1"),
            group("apiextensions.k8s.io", "v1"),
        ]
    },
    "/api/v1": resources("pods", "pods/log", "services", "events", "componentstatuses"),
    "/apis/batch/v1": resources("jobs"),
    "/apis/batch/v1beta1": resources("jobs", "cronjobs"),
    "/apis/serving.knative.dev/v1": resources("services"),
    "/apis/apiextensions.k8s.io/v1": resources("customresourcedefinitions"),
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?limit=500": items("services.serving.knative.dev"),
    "/api/v1/pods?limit=500": {**items("a", "b"), "metadata": {"continue": "more"}},
    "/api/v1/pods?limit=500&continue=more": items("c"),
    "/api/v1/services?limit=500": items("kubernetes"),
    "/api/v1/events?limit=500": items(),
    "/apis/batch/v1/jobs?limit=500": items("one"),
    "/apis/batch/v1beta1/cronjobs?limit=500": items("two"),
    "/apis/serving.knative.dev/v1/services?limit=500": items("x", "y"),
}


class Server(Loopback):
    """Answers from a table."""

    def __init__(self, **changed) -> None:
        self.answers = {**{path: (200, json.dumps(answer)) for path, answer in API.items()}, **changed}
        self.lists: list[str] = []

    def get(self, path: str, accept: str = "application/json", timeout: float = 60) -> tuple[int, str]:
        if "limit" in path:
            assert "PartialObjectMetadata" in accept, "values of Secrets would leave the API server"
        return self.answers[path]


def test_each_resource_that_lies_in_etcd_is_listed_once() -> None:
    """In the first version that has it; not what another API server serves, and events only once."""
    assert Server().count() == {
        "pods": 3,
        "services": 1,
        "events": 0,
        "jobs": 1,
        "cronjobs": 1,
        "services.serving.knative.dev": 2,
        "customresourcedefinitions.apiextensions.k8s.io": 1,
    }


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((500, '{"message": "no matching prefix found"}'), "with 500: no matching prefix found"),
        ((200, "<html>"), "gives no answer"),
        ((403, "[]"), "with 403: no reason"),
    ],
)
def test_what_cannot_be_read_is_named(answer: tuple[int, str], words: str) -> None:
    with pytest.raises(BackupError, match=words) as found:
        Server(**{"/apis/batch/v1/jobs?limit=500": answer}).count()
    assert "/apis/batch/v1/jobs" in str(found.value)
