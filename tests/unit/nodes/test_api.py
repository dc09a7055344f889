# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests that are sent to the API server, and what is made of its answers."""

from __future__ import annotations

import pytest
from played_cluster import Api
from played_machine import Clock

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Fault
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError
from ansible_collections.bramble.kube.plugins.module_utils.nodes import api as nodes_api
from ansible_collections.bramble.kube.plugins.module_utils.nodes.api import MERGE_PATCH, Cluster, asking
from ansible_collections.bramble.kube.plugins.module_utils.nodes.drain import CORDONED, Owner, Pod

POD = Pod("ns", "web-1", "uid-1", "n1", Owner("ReplicaSet", "web", "u"))
EVICTION = "/api/v1/namespaces/ns/pods/web-1/eviction"


def test_what_is_not_there_is_none_and_another_refusal_is_raised(api: Api) -> None:
    cluster = Cluster(api)
    api.objects["/a"] = {"x": 1}
    assert (cluster.found("/a"), cluster.found("/b")) == ({"x": 1}, None)
    api.objects["/c"] = ApiError(403, {"message": "forbidden"})
    with pytest.raises(ApiError, match="forbidden"):
        cluster.found("/c")


def test_a_list_may_be_empty(api: Api) -> None:
    api.objects["/a"] = {"items": None}
    assert Cluster(api).items("/a") == []


def test_pods_of_a_node_or_of_a_namespace(api: Api) -> None:
    for path in ("/api/v1/pods", "/api/v1/namespaces/ns/pods"):
        api.objects[path] = {"items": [{"metadata": {"name": "p", "namespace": "ns", "uid": "u"}}]}
    cluster = Cluster(api)
    assert [str(pod) for pod in cluster.pods()] == ["ns/p"]
    cluster.pods(node="n1")
    cluster.pods(namespace="ns")
    assert api.asked == ["/api/v1/pods", "/api/v1/pods?fieldSelector=spec.nodeName=n1", "/api/v1/namespaces/ns/pods"]


def test_how_many_a_controller_should_have(api: Api) -> None:
    cluster, path = Cluster(api), "/apis/apps/v1/namespaces/ns/replicasets/web"
    assert cluster.desired(POD) is None, "it is gone"
    for spec, desired in (({"replicas": 3}, 3), ({"replicas": 0}, 0), ({}, 1), (None, 1)):
        api.objects[path] = {"spec": spec}
        assert cluster.desired(POD) == desired
    api.asked.clear()
    assert cluster.desired(Pod("ns", "p", "u", "n1", None)) is None
    assert cluster.desired(Pod("ns", "p", "u", "n1", Owner("Job", "web", "u"))) is None
    assert api.asked == []


def test_a_pod_is_asked_to_leave_only_if_it_is_still_the_same(api: Api) -> None:
    assert Cluster(api).evict(POD) == ""
    ((method, path, body, _type),) = api.sent
    assert (method, path, api.queries) == ("POST", EVICTION, [None])
    assert body == {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "web-1", "namespace": "ns"},
        "deleteOptions": {"preconditions": {"uid": "uid-1"}},
    }
    Cluster(api).evict(POD, dry_run=True)
    assert api.queries[-1] == {"dryRun": "All"}


@pytest.mark.parametrize(
    ("status", "message", "told"),
    [(404, "gone", ""), (409, "another", ""), (403, "forbidden", "forbidden"), (500, "broken", "broken")],
)
def test_why_a_pod_may_not_leave(api: Api, status: int, message: str, told: str) -> None:
    api.objects[f"POST {EVICTION}"] = ApiError(status, {"message": message})
    assert Cluster(api).evict(POD) == told


def test_a_budget_that_holds_a_pod_is_named(api: Api) -> None:
    api.objects[f"POST {EVICTION}"] = ApiError(
        429,
        {
            "message": "Cannot evict",
            "details": {"causes": [{"reason": "DisruptionBudget", "message": "The budget web needs 2"}]},
        },
    )
    assert "The budget web needs 2" in Cluster(api).evict(POD)


def test_a_cordon_says_whose_it_is(api: Api) -> None:
    Cluster(api).set_cordon("n1", True)
    Cluster(api).set_cordon("n1", False)
    path = "/api/v1/nodes/n1"
    set_, gone = ({"annotations": {CORDONED: value}} for value in ("true", None))
    assert api.sent == [
        ("PATCH", path, {"metadata": set_, "spec": {"unschedulable": True}}, MERGE_PATCH),
        ("PATCH", path, {"metadata": gone, "spec": {"unschedulable": None}}, MERGE_PATCH),
    ]


def test_what_is_gone_need_not_be_removed(api: Api) -> None:
    api.objects["DELETE /a"] = ApiError(404, {})
    Cluster(api).remove("/a")
    assert [sent[:2] for sent in api.sent] == [("DELETE", "/a")]
    api.objects["DELETE /a"] = ApiError(403, {"message": "forbidden"})
    with pytest.raises(ApiError):
        Cluster(api).remove("/a")


def test_an_api_server_that_is_away_is_asked_again(api: Api, clock: Clock) -> None:
    api.objects["/a"] = [Fault("refused"), Fault("refused"), {"x": 1}]
    assert Cluster(api).patiently(lambda: Cluster(api).found("/a"), 30) == {"x": 1}
    assert len(clock.slept) == 2


def test_no_answer_is_told_with_what_was_asked() -> None:
    for error in (Fault("refused."), ApiError(403, {"message": "refused"})):
        with pytest.raises(Stop, match=r"^The API server cannot be queried about n1: refused\.$"), asking(" about n1"):
            raise error


def test_a_kubeconfig_and_its_context_lead_to_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    monkeypatch.setattr(nodes_api, "endpoint", lambda params: given.append(params))
    monkeypatch.setattr(nodes_api, "Client", lambda _endpoint: Api("PEM"))
    assert Cluster.of({"kubeconfig": "/k", "names": ["n"]}).ca == "PEM"
    Cluster.of({"kubeconfig": "/k", "context": "c"})
    assert given == [{"kubeconfig": "/k", "context": None}, {"kubeconfig": "/k", "context": "c"}]
    monkeypatch.setattr(nodes_api.yamltext, "HAS_YAML", False)
    with pytest.raises(Stop, match="PyYAML"):
        Cluster.of({"kubeconfig": "/k"})
