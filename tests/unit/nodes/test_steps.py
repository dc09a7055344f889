# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules about nodes do, and return, in a cluster that is played."""

from __future__ import annotations

import json

import pytest
from certificates import self_signed
from played_cluster import Api
from played_machine import Clock, Played
from test_node_removal import node
from test_serving_certificates import NODES, request

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError, ClusterError, Unreachable
from ansible_collections.bramble.kube.plugins.module_utils.nodes import (
    eviction,
    labels_taints,
    node_removal,
    readiness,
    serving_certificates,
)
from ansible_collections.bramble.kube.plugins.module_utils.nodes.api import MERGE_PATCH, Cluster

CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
NODE1 = "/api/v1/nodes/k8s-node1"


def away(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(_options: dict) -> None:
        raise error

    monkeypatch.setattr(Cluster, "of", fails)


# Labels and taints ----------------------------------------------------------------------------------------------------


def wanted(**labels: str) -> dict:
    return {"nodes": {"k8s-node1": {"labels": labels, "taints": None}, "k8s-node2": None}}


def two(**labels: str) -> dict:
    names = ("k8s-node1", "k8s-node2")
    return {"items": [{"metadata": {"name": name, "labels": labels, "resourceVersion": "1"}} for name in names]}


def test_a_label_is_brought_once(api: Api, played: Played) -> None:
    api.objects["/api/v1/nodes"] = two()
    told = labels_taints.run(played, wanted(disk="ssd"), False)
    assert told == {
        "changed": True,
        "nodes": {"k8s-node1": ["label disk=ssd"]},
        "diff": {"before": "", "after": "k8s-node1: label disk=ssd\n"},
    }
    ((method, path, body, content_type),) = api.sent
    assert (method, path, content_type) == ("PATCH", NODE1, MERGE_PATCH)
    assert body["metadata"]["labels"] == {"disk": "ssd"}
    marked = two(disk="ssd")
    marked["items"][0]["metadata"]["annotations"] = body["metadata"]["annotations"]
    api.objects["/api/v1/nodes"] = marked
    assert labels_taints.run(played, wanted(disk="ssd"), False) == {
        "changed": False,
        "nodes": {},
        "diff": {"before": "", "after": ""},
    }
    assert len(api.sent) == 1


def test_check_mode_only_tells_also_of_nodes_that_are_still_to_come(api: Api, played: Played) -> None:
    api.objects["/api/v1/nodes"] = {"items": two()["items"][:1]}
    assert labels_taints.run(played, wanted(disk="ssd"), True)["nodes"] == {"k8s-node1": ["label disk=ssd"]}
    assert api.sent == []
    with pytest.raises(Stop, match=r"^The cluster does not know the node k8s-node2: run site\.yml, which joins it\.$"):
        labels_taints.run(played, wanted(disk="ssd"), False)
    assert api.sent == []


def test_a_node_that_somebody_else_changes_meanwhile_is_read_again(api: Api, played: Played) -> None:
    api.objects["/api/v1/nodes"] = two()
    api.objects[NODE1] = two(zone="a")["items"][0]
    conflict = ApiError(409, {"message": "changed"})
    api.objects[f"PATCH {NODE1}"] = [conflict, conflict, conflict, conflict, {}]
    assert labels_taints.run(played, wanted(disk="ssd", zone="a"), False)["nodes"] == {"k8s-node1": ["label disk=ssd"]}
    assert [len(sent[2]["metadata"]["labels"]) for sent in api.sent] == [2, 1, 1, 1, 1]


@pytest.mark.parametrize(("status", "tries"), [(409, 5), (403, 1)])
def test_one_that_cannot_be_changed_is_told(api: Api, played: Played, status: int, tries: int) -> None:
    api.objects["/api/v1/nodes"] = two()
    api.objects[f"PATCH {NODE1}"] = ApiError(status, {"message": "no."})
    with pytest.raises(Stop, match=r"^The node k8s-node1 could not be changed: no\.$"):
        labels_taints.run(played, wanted(disk="ssd"), False)
    assert len(api.sent) == tries


def test_what_cannot_be_a_label_is_told_before_anything_is_asked(api: Api, played: Played) -> None:
    with pytest.raises(Stop, match=r"^k8s-node1: the label disk is 1; use a text .*\.$"):
        labels_taints.run(played, {"nodes": {"k8s-node1": {"labels": {"disk": 1}}}}, False)
    assert api.asked == []


def test_no_cluster_is_no_failure_of_check_mode(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    away(monkeypatch, Unreachable("no cluster"))
    nothing = {"changed": False, "msg": "There is no cluster yet."}
    assert labels_taints.run(played, wanted(), True) == {**nothing, "nodes": {}}
    serving = {"nodes": NODES, "timeout": 1}
    assert serving_certificates.run(played, serving, True) == {**nothing, "approved": {}, "refused": {}}
    for step, options in ((labels_taints, wanted()), (serving_certificates, serving)):
        with pytest.raises(Unreachable):
            step.run(played, options, False)
    away(monkeypatch, ClusterError("wrong"))
    for step, options in ((labels_taints, wanted()), (serving_certificates, serving)):
        with pytest.raises(ClusterError):
            step.run(played, options, True)


@pytest.mark.parametrize("step", [labels_taints, serving_certificates, node_removal, eviction])
def test_what_the_api_server_refuses_is_told(
    step, api: Api, played: Played, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cluster, "patiently", lambda _self, ask, _seconds: ask())
    api.endpoint.ca_data = self_signed("ca")
    for path in ("/api/v1/nodes", NODE1, CSRS):
        api.objects[path] = ApiError(403, {"message": "it is forbidden"})
    drain = {"name": "k8s-node1", "state": "drained", "timeout": 1, "force": False}
    options = {**wanted(), **drain, "names": ["k8s-node1"], "addresses": {}, "machine_ids": {}, "kubeconfig": "/k"}
    if step is serving_certificates:
        options["nodes"] = NODES
    about = {labels_taints: "the nodes", serving_certificates: "certificates"}.get(step, "k8s-node1")
    with pytest.raises(Stop, match=rf"^The API server cannot be queried about {about}: it is forbidden\.$"):
        step.run(played, options, False)


# Forgetting nodes -----------------------------------------------------------------------------------------------------


def forgotten(**changed) -> dict:
    return {
        "names": ["k8s-node1", "k8s-node2"],
        "addresses": {},
        "machine_ids": {},
        "kubeconfig": "/k",
        **changed,
    }


def volume(name: str) -> dict:
    rule = {"key": "kubernetes.io/hostname", "operator": "In", "values": [name]}
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [rule]}]}}
    return {"metadata": {"name": "pv"}, "spec": {"hostPath": {"path": "/data"}, "nodeAffinity": affinity}}


@pytest.fixture
def known(api: Api) -> Api:
    """A cluster with a node, its request, and a volume on it."""
    api.objects[NODE1] = node("False")
    api.objects[CSRS] = {"items": [{"metadata": {"name": "csr-1"}, "spec": {"username": "system:node:k8s-node1"}}]}
    api.objects["/api/v1/persistentvolumes"] = {"items": [volume("k8s-node1")]}
    return api


def test_a_node_goes_after_its_requests(known: Api, played: Played) -> None:
    result = node_removal.run(played, forgotten(), False)
    assert result == {
        "changed": True,
        "removed": ["k8s-node1"],
        "requests": ["csr-1"],
        "folders": {"k8s-node1": [{"path": "/data", "claim": "pv"}]},
    }
    assert [sent[:2] for sent in known.sent] == [("DELETE", f"{CSRS}/csr-1"), ("DELETE", NODE1)]


def test_check_mode_deletes_nothing(known: Api, played: Played) -> None:
    nothing = {"changed": False, "removed": [], "requests": [], "folders": {}}
    assert node_removal.run(played, forgotten(), True) == nothing, "there is no kubeconfig yet"
    assert known.asked == []
    played.put("/k")
    assert node_removal.run(played, forgotten(), True)["removed"] == ["k8s-node1"]
    assert known.sent == []


def test_a_node_that_is_gone_already_may_have_left_folders(known: Api, played: Played) -> None:
    known.objects.pop(NODE1)
    known.objects[CSRS] = {"items": []}
    result = node_removal.run(played, forgotten(), False)
    assert (result["changed"], result["removed"], list(result["folders"])) == (False, [], ["k8s-node1"])


def test_the_same_machine_keeps_its_node_and_loses_its_requests(known: Api, played: Played) -> None:
    known.objects[NODE1]["status"]["nodeInfo"] = {"machineID": "0123456789abcdef" * 2}
    known_id = node_removal.parse.machine_id_sha256("0123456789abcdef" * 2)
    result = node_removal.run(played, forgotten(names=["k8s-node1"], machine_ids={"k8s-node1": known_id}), False)
    assert (result["removed"], result["requests"], result["folders"]) == ([], ["csr-1"], {})
    assert "/api/v1/persistentvolumes" not in known.asked


@pytest.mark.parametrize("check", [True, False])
def test_somebody_elses_node_stays(known: Api, played: Played, check: bool) -> None:
    played.put("/k")
    known.objects[NODE1] = node("True")
    with pytest.raises(Stop, match=r"^The cluster has a node k8s-node1 at 192\.168\.13\.8, which is alive"):
        node_removal.run(played, forgotten(addresses={"k8s-node1": "192.168.13.99"}), check)
    assert known.sent == []


# Serving certificates -------------------------------------------------------------------------------------------------


@pytest.fixture
def shown(api: Api, monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """Addresses whose kubelets show their certificate, one set after the other, and the requests of a node."""
    api.endpoint.ca_data = "CA"
    api.objects[CSRS] = [{"items": [request()]}, {"items": []}]
    turns: list[set[str]] = [set(), {"192.168.13.8", "192.168.13.9"}]
    asked: list[str] = []

    def shows(address: str, ca: str) -> bool:
        assert ca == "CA"
        asked.append(address)
        return address in turns[min((len(asked) - 1) // 2, len(turns) - 1)]

    monkeypatch.setattr(serving_certificates, "shows_certificate", shows)
    return turns


SERVING = {"nodes": NODES, "timeout": 90}


def test_requests_are_approved_until_all_kubelets_show_theirs(
    api: Api, played: Played, clock: Clock, shown: list
) -> None:
    result = serving_certificates.run(played, SERVING, False)
    assert result == {
        "changed": True,
        "approved": {"k8s-node1": ["csr-1"]},
        "refused": {},
        "warned": [],
        "diff": {"before": "", "after": "k8s-node1: csr-1 approved\n"},
    }
    ((method, path, body, _type),) = api.sent
    assert (method, path) == ("PUT", f"{CSRS}/csr-1/approval")
    condition = body["status"]["conditions"][0]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Approved", "True", "KnownNode")
    assert len(condition["lastUpdateTime"]) == 20
    assert clock.slept == [1]


def test_check_mode_approves_nothing_and_waits_for_nobody(api: Api, played: Played, clock: Clock, shown: list) -> None:
    assert serving_certificates.run(played, SERVING, True)["approved"] == {"k8s-node1": ["csr-1"]}
    assert (api.sent, clock.slept) == ([], [])


def test_nothing_to_approve_is_no_change(api: Api, played: Played, clock: Clock, shown: list) -> None:
    shown[:] = shown[1:]
    api.objects[CSRS] = {"items": [{**request(), "status": {"conditions": [{"type": "Denied"}]}}]}
    assert not serving_certificates.run(played, SERVING, False)["changed"]
    assert (api.sent, clock.slept) == ([], [])


def test_what_may_not_be_approved_is_told_while_and_after_it_is_waited_for(
    api: Api, played: Played, clock: Clock, shown: list
) -> None:
    api.objects[CSRS] = {"items": [request(user="system:node:stranger")]}
    result = serving_certificates.run(played, SERVING, True)
    objection = "it comes from stranger, which is not a Pi of the inventory"
    assert (result["changed"], result["refused"]) == (False, {"csr-1": objection})
    assert result["warned"] == [f"The certificate request csr-1 was not approved: {objection}."]
    shown[:] = [{"192.168.13.8"}]
    with pytest.raises(Stop, match=rf"^The kubelet of k8s-node2 shows no .* approved \(csr-1: {objection}\): see that"):
        serving_certificates.run(played, SERVING, False)
    assert sum(clock.slept) == 90
    api.objects[CSRS] = {"items": []}
    with pytest.raises(Stop, match=r"none of its requests may be approved: see that"):
        serving_certificates.run(played, SERVING, False)


@pytest.mark.parametrize("addresses", [[], ["k8s-node1"], ["", "192.168.13.8"]])
def test_a_nodes_first_entry_is_its_address(played: Played, addresses: list) -> None:
    with pytest.raises(Stop, match=r"^nodes: k8s-node1 has no address; its first entry must be the node's address\.$"):
        serving_certificates.run(played, {"nodes": {"k8s-node1": addresses}, "timeout": 1}, False)


def test_kubelets_can_be_checked_only_by_a_ca(api: Api, played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Stop, match=r"^The kubeconfig holds no CA"):
        serving_certificates.run(played, SERVING, False)
    monkeypatch.setattr(serving_certificates, "HAS_CRYPTOGRAPHY", False)
    with pytest.raises(Stop, match="cryptography"):
        serving_certificates.run(played, SERVING, False)


# Ready ----------------------------------------------------------------------------------------------------------------


def ready(is_ready: str = "True", name: str = "k8s-node1", **pod) -> str:
    items = [
        {"kind": "Node", "metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": is_ready}]}},
        {"kind": "Pod", "metadata": {"name": "p", "namespace": "kube-system"}, "spec": {"nodeName": name}, **pod},
    ]
    return json.dumps({"items": items})


RUNNING = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
ASK = "kubectl --kubeconfig /k --request-timeout 15s get nodes,pods -A -o json"


def awaited(**changed) -> dict:
    return {
        "names": ["k8s-node1"],
        "namespaces": ["kube-system"],
        "namespaces_on_nodes": False,
        "node_info": {},
        "timeout": 300,
        "kubeconfig": "/k",
        **changed,
    }


ALL_WELL = {"changed": False, "not_ready": [], "problems": {}, "nodes": {}, "pods": {}}


def test_nodes_and_pods_are_waited_for(played: Played, clock: Clock) -> None:
    no = Done(1, "", "refused")
    played.says("get nodes,pods", no, ready("False", **RUNNING), ready(), ready(**RUNNING))
    assert readiness.run(played, awaited(), False) == {**ALL_WELL, "seconds": 3}
    assert played.asked == [ASK] * 4 and clock.slept == [1, 1, 1]


def test_what_is_not_ready_in_time_is_returned(played: Played, clock: Clock) -> None:
    played.says("get nodes,pods", ready("False"))
    result = readiness.run(played, awaited(timeout=2), False)
    assert (result["not_ready"], list(result["problems"]), list(result["nodes"])) == (
        [*["k8s-node1"]],
        *[["k8s-node1"]] * 2,
    )
    assert list(result["pods"]) == ["kube-system/p"]
    assert clock.slept == [1, 1]


def test_one_that_the_cluster_does_not_know_is_not_described(played: Played, clock: Clock) -> None:
    played.says("get nodes,pods", ready(**RUNNING))
    result = readiness.run(played, awaited(names=["k8s-node9"], timeout=0), False)
    assert (result["not_ready"], result["nodes"]) == (["k8s-node9"], {})


def test_pods_elsewhere_may_be_left_out(played: Played, clock: Clock) -> None:
    text = json.loads(ready())
    text["items"][1]["spec"]["nodeName"] = "k8s-node2"
    played.says("get nodes,pods", json.dumps(text))
    assert readiness.run(played, awaited(namespaces_on_nodes=True), False)["pods"] == {}
    assert readiness.run(played, awaited(timeout=0), False)["pods"]


def test_check_mode_waits_for_nothing(played: Played, clock: Clock) -> None:
    assert readiness.run(played, awaited(), True) == {
        **ALL_WELL,
        "seconds": 0.0,
        "msg": "There is no cluster yet; this would wait for it.",
    }
    assert played.asked == []
    played.put("/k")
    played.says("get nodes,pods", ready("False"))
    assert readiness.run(played, awaited(), True)["not_ready"] == ["k8s-node1"]
    assert clock.slept == []


@pytest.mark.parametrize(("errors", "told"), [("a\nrefused\n", "refused"), ("", "no answer")])
def test_no_answer_at_all_is_a_failure(played: Played, clock: Clock, errors: str, told: str) -> None:
    played.says("get nodes,pods", Done(1, "", errors))
    with pytest.raises(Stop, match=rf"^The API server cannot be queried about the nodes: {told}\.$"):
        readiness.run(played, awaited(timeout=5), False)
    assert sum(clock.slept) == 5


# Draining -------------------------------------------------------------------------------------------------------------


def test_the_module_drains_and_tells_how_long_it_took(api: Api, played: Played, clock: Clock) -> None:
    api.objects[NODE1] = {"metadata": {}, "spec": {}}
    api.objects["/api/v1/pods"] = {"items": []}
    options = {"name": "k8s-node1", "state": "drained", "timeout": 5, "force": False, "kubeconfig": "/k"}
    result = eviction.run(played, options, False)
    assert result == {"changed": True, "evicted": [], "blockers": {}, "seconds": 0}
    assert [sent[2]["spec"] for sent in api.sent] == [{"unschedulable": True}]
