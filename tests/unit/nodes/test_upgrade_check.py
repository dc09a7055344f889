# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is due and what is in the way of an upgrade, asked of a cluster that is played."""

from __future__ import annotations

import pytest
from played_cluster import Api
from played_machine import Played
from test_upgrade_plan import NEW, budget, node, packages

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Fault
from ansible_collections.bramble.kube.plugins.module_utils.nodes import upgrade_plan
from ansible_collections.bramble.kube.plugins.module_utils.nodes.drain import CORDONED

PODS, BUDGETS = "/api/v1/pods", "/apis/policy/v1/poddisruptionbudgets"
CONFIG = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"
PROXY = "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy"


def pi(release: str, **changed) -> dict:
    return {"node": "k8s-node1", "packages": packages(release), "os": [], "engine": [], "reboot": False, **changed}


def options(release: str = "1.37.2", machine: dict | None = None, **changed) -> dict:
    return {
        "version": release,
        "machines": {"pi1": machine or pi("1.37.2")},
        "available": [],
        "force": False,
        "control_plane": {"tags": NEW, "unfinished": ""},
        "kubeconfig": "/k",
        **changed,
    }


@pytest.fixture
def cluster(api: Api) -> Api:
    """One with 1.37.2 and a Pi."""

    def has(release: str, item: dict) -> None:
        api.objects[CONFIG] = {"data": {"ClusterConfiguration": f"kubernetesVersion: v{release}\n"}}
        container = {"image": f"registry.k8s.io/kube-proxy:v{release}"}
        api.objects[PROXY] = {"spec": {"template": {"spec": {"containers": [container]}}}}
        api.objects["/api/v1/nodes"] = {"items": [item]}

    api.has = has
    has("1.37.2", node("1.37.2"))
    api.objects[PODS] = api.objects[BUDGETS] = {"items": []}
    return api


def check(played: Played, **given) -> dict:
    return upgrade_plan.run(played, options(**given), False)


def test_nothing_is_due(cluster: Api, played: Played) -> None:
    assert check(played) == {
        "changed": False,
        "current": "1.37.2",
        "control_plane": "",
        "machines": {},
        "errors": [],
        "lines": ["Nothing is due: every Pi has Kubernetes 1.37.2 and the newest packages."],
    }


def test_the_next_release_is_due_everywhere(cluster: Api, played: Played) -> None:
    cluster.has("1.36.3", node("1.36.3"))
    result = check(played, machine=pi("1.36.3", os=["a 2"], reboot=True))
    assert (result["current"], result["control_plane"]) == ("1.36.3", "the cluster has 1.36.3")
    reasons = ["kubeadm 1.36.3", "1 package of the OS (a 2)", "a reboot"]
    assert result["machines"] == {"pi1": {"reasons": reasons, "release": True, "os": True, "engine": False}}
    assert result["lines"][1:] == ["control plane: the cluster has 1.36.3", f"pi1: {'; '.join(reasons)}"]
    assert result["errors"] == []


def test_other_news_are_due_without_a_release(cluster: Api, played: Played) -> None:
    due = check(played, machine=pi("1.37.2", engine=["containerd 3"]))["machines"]["pi1"]
    assert (due["release"], due["os"], due["engine"]) == (False, False, True)


def test_kube_proxy_may_be_missing_or_old(cluster: Api, played: Played) -> None:
    cluster.objects[PROXY] = None
    assert check(played)["control_plane"] == ""
    cluster.has("1.37.1", node("1.37.1"))
    cluster.objects[CONFIG] = {"data": {"ClusterConfiguration": "kubernetesVersion: v1.37.2\n"}}
    result = check(played, machine=pi("1.37.1"))
    assert result["control_plane"] == "kube-proxy has 1.37.1"


def test_a_control_plane_or_a_pi_alone_is_due(cluster: Api, played: Played) -> None:
    head = "Due until every Pi has Kubernetes 1.37.2 and the newest packages:"
    cut = {"tags": NEW, "unfinished": "1.37.2"}
    assert check(played, control_plane=cut)["lines"] == [head, "control plane: an upgrade to 1.37.2 was interrupted"]
    assert check(played, machine=pi("1.37.2", reboot=True))["lines"] == [head, "pi1: a reboot"]


def test_a_release_that_cannot_be_reached_in_one_step_is_refused(cluster: Api, played: Played) -> None:
    result = check(played, release="1.39.0", available=["1.38.1", "1.38.4"])
    (told,) = result["errors"]
    assert "set kubeadm_version to 1.38.4 first" in told
    assert BUDGETS not in cluster.asked, "one error is enough"
    assert "no way back to 1.36.0" in check(played, release="1.36.0")["errors"][0]


def test_an_upgrade_that_was_cut_short_is_finished_first(cluster: Api, played: Played) -> None:
    cut = {"tags": NEW, "unfinished": "1.37.2"}
    result = check(played, control_plane=cut)
    assert (result["errors"], result["control_plane"]) == ([], "an upgrade to 1.37.2 was interrupted")
    assert (
        "set kubeadm_version to 1.37.2 and run this to finish it first"
        in (check(played, release="1.38.0", control_plane=cut)["errors"][0])
    )


def test_a_pi_that_is_no_node_is_named(cluster: Api, played: Played) -> None:
    cluster.objects["/api/v1/nodes"] = {"items": []}
    assert check(played)["errors"] == ["pi1 is not a node of this cluster: run site.yml with Kubernetes 1.37.2 first."]


def test_a_pi_that_was_left_behind_is_named(cluster: Api, played: Played) -> None:
    cluster.has("1.37.2", node("1.36.3"))
    (told,) = check(played, release="1.38.0", machine=pi("1.36.3"))["errors"]
    assert told.startswith("pi1 still has Kubernetes 1.36.3")


@pytest.mark.parametrize(
    ("machine", "item", "errors"),
    [
        (pi("1.37.2"), node("1.37.2", "False"), 1),
        # What is begun is finished.
        (pi("1.37.2"), node("1.37.2", "False", **{CORDONED: "true"}), 0),
        (pi("1.37.2"), node("1.36.3", "False"), 0),
    ],
)
def test_a_pi_on_which_nothing_was_begun_has_to_be_ready(
    cluster: Api, played: Played, machine: dict, item: dict, errors: int
) -> None:
    cluster.has("1.37.2", item)
    told = check(played, machine=machine)["errors"]
    assert (
        told == ["pi1 is not Ready, and an upgrade does not fix that: 'ansible-playbook site.yml' says why."] * errors
    )


def test_pods_that_could_not_leave_are_named_where_something_is_due(cluster: Api, played: Played) -> None:
    by_hand = {"metadata": {"namespace": "default", "name": "shell", "uid": "3"}, "spec": {"nodeName": "k8s-node1"}}
    guarded = {
        "metadata": {
            "namespace": "default",
            "name": "web",
            "uid": "4",
            "labels": {"app": "web"},
            "ownerReferences": [{"controller": True, "kind": "ReplicaSet", "name": "web", "uid": "5"}],
        },
        "spec": {"nodeName": "k8s-node1"},
    }
    cluster.objects[PODS] = {"items": [by_hand, guarded]}
    cluster.objects[BUDGETS] = {"items": [budget(0, 1, 1)]}
    assert check(played)["errors"] == [], "nothing has to leave"
    due = pi("1.37.2", reboot=True)
    first, second = check(played, machine=due)["errors"]
    assert first.startswith("Pod default/shell on k8s-node1 was created by hand")
    assert second.startswith("PodDisruptionBudget default/web never lets Pod default/web leave")
    assert check(played, machine=due, force=True)["errors"] == [second]


@pytest.mark.parametrize("found", [None, {}, {"data": {}}])
def test_a_cluster_that_kubeadm_has_not_made_is_refused(cluster: Api, played: Played, found: dict | None) -> None:
    cluster.objects[CONFIG] = found
    with pytest.raises(Stop, match=r"^The cluster has no ConfigMap kubeadm-config"):
        check(played)


def test_what_is_no_release_and_what_does_not_answer_is_told(cluster: Api, played: Played) -> None:
    with pytest.raises(Stop, match="newest"):
        check(played, release="newest")
    cluster.objects[CONFIG] = Fault("refused")
    with pytest.raises(Stop, match=r"^The API server cannot be queried: refused\.$"):
        check(played)


# Several masters ------------------------------------------------------------------------------------------------------


def masters(cluster: Api, release: str, tags: dict, unfinished: str = "", **changed) -> dict:
    """Two masters: the first is through with 1.37.2, and the other one has these packages and static Pods."""
    items = [node("1.37.2"), node(release)]
    items[0]["metadata"]["name"], items[1]["metadata"]["name"] = "m1", "m2"
    cluster.objects["/api/v1/nodes"] = {"items": items}
    second = pi(release, node="m2", control_plane={"tags": tags, "unfinished": unfinished}, **changed)
    return {"pi1": pi("1.37.2", node="m1"), "pi2": second}


def test_a_further_master_is_finished_before_kube_proxy_is_asked_for(cluster: Api, played: Played) -> None:
    """kubeadm leaves kube-proxy to the last master, so the first has nothing to do again."""
    cluster.has("1.37.2", node("1.37.2"))
    cluster.objects[PROXY]["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.k8s.io/kube-proxy:v1.36.3"
    old = dict.fromkeys(NEW, "1.36.3")
    result = check(played, machines=masters(cluster, "1.36.3", old))
    assert (result["control_plane"], result["errors"]) == ("", [])
    assert {host: due["reasons"] for host, due in result["machines"].items()} == {"pi2": ["kubeadm 1.36.3"]}
    result = check(played, machines=masters(cluster, "1.37.2", NEW, "1.37.2"))
    due = result["machines"]["pi2"]
    assert due == {"reasons": ["an upgrade to 1.37.2 was interrupted"], "release": True, "os": False, "engine": False}
    assert result["control_plane"] == ""
    result = check(played, machines=masters(cluster, "1.37.2", {**NEW, "kube-scheduler": ""}))
    assert result["machines"]["pi2"]["reasons"] == ["kube-scheduler has no manifest"]
    result = check(played, machines=masters(cluster, "1.37.2", NEW))
    assert (result["control_plane"], result["machines"]) == ("kube-proxy has 1.36.3", {})


def test_a_further_master_on_which_another_step_was_cut_short_is_named(cluster: Api, played: Played) -> None:
    (told,) = check(played, release="1.38.0", machines=masters(cluster, "1.37.2", NEW, "1.37.2"))["errors"]
    assert told.startswith("An upgrade to Kubernetes 1.37.2 was interrupted on pi2: set kubeadm_version to 1.37.2")


def test_a_further_master_whose_control_plane_was_left_behind_is_named(cluster: Api, played: Played) -> None:
    old = {**NEW, "kube-controller-manager": "1.36.3"}
    (told,) = check(played, release="1.38.0", machines=masters(cluster, "1.37.2", old))["errors"]
    assert told.startswith("pi2 still has Kubernetes 1.36.3: set kubeadm_version to 1.37.2")
