# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a set may delete, and how its members are found, on answers as an API server gives them."""

from __future__ import annotations

from typing import Any

import pytest
from answering import Server, push, thing
from answering import definition as defined

from ansible_collections.bramble.kube.plugins.module_utils.manifests import prune
from ansible_collections.bramble.kube.plugins.module_utils.manifests.applyset import (
    CONTAINS,
    CONTAINS_RESOURCES,
    ID_LABEL,
    PART_OF_LABEL,
    TOOLING,
    ApplySet,
)
from ansible_collections.bramble.kube.plugins.module_utils.manifests.discovery import Discovery
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError, ManifestError

SET = ApplySet("set", "shop")
DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.org"
COLLECTION = "/apis/example.org/v1/widgets"


def definition(*served: str) -> dict[str, Any]:
    versions = [{"name": name, "served": name in served} for name in ("v1beta1", "v1")]
    return {"spec": {"group": "example.org", "names": {"kind": "Widget", "plural": "widgets"}, "versions": versions}}


def server(answers: dict[str, Any]):
    """`get` as a plan has it: a list is a collection, in pages of two."""

    def get(path: str, query: dict[str, Any] | None = None, accept: str = "") -> Any:
        if path not in answers:
            raise ApiError(404, {})
        answer = answers[path]
        if not isinstance(answer, list):
            return answer
        first = int((query or {}).get("continue") or 0)
        more = str(first + 2) if len(answer) > first + 2 else ""
        items = [{"metadata": {"name": name, "namespace": "home"}} for name in answer[first : first + 2]]
        return {"metadata": {"continue": more}, "items": items}

    return get


def test_objects_of_others_are_counted_page_by_page() -> None:
    get = server({DEFINITION: definition("v1"), COLLECTION: ["a", "b", "c", "d", "e"]})
    found = prune.strangers(get, "widgets.example.org", SET)
    assert found == "5 Widgets not from the set (such as home/a)"
    get = server({DEFINITION: definition("v1"), COLLECTION: ["a"]})
    assert prune.strangers(get, "widgets.example.org", SET).startswith("1 Widget not from")


def test_a_definition_may_go_when_nobody_has_objects_of_it() -> None:
    assert not prune.strangers(server({DEFINITION: definition("v1"), COLLECTION: []}), "widgets.example.org", SET)
    assert not prune.strangers(server({DEFINITION: definition("v1")}), "widgets.example.org", SET)
    assert not prune.strangers(server({}), "widgets.example.org", SET)


def test_what_cannot_be_counted_is_no_zero() -> None:
    found = prune.strangers(server({DEFINITION: definition()}), "widgets.example.org", SET)
    assert found == "every Widget, whose number cannot be known since no version of it is served,"


def test_objects_that_the_manifests_still_have() -> None:
    get = server({DEFINITION: definition("v1"), COLLECTION: []})
    found = prune.strangers(get, "widgets.example.org", SET, {("example.org", "Widget")})
    assert found == "each Widget of the manifests"


CORE = {"name": "secrets", "kind": "Secret", "namespaced": True, "verbs": ["list", "delete"]}
PASSING = {**CORE, "name": "events", "kind": "Event"}
MEASURED = {**CORE, "name": "pods", "kind": "PodMetrics", "verbs": ["list"]}
WIDE = {**CORE, "name": "nodes", "kind": "Node", "namespaced": False}


def test_what_is_in_a_namespace() -> None:
    answers = {
        "/apis": {"groups": [{"preferredVersion": {"groupVersion": "metrics.k8s.io/v1"}}]},
        "/api/v1": {"resources": [CORE, PASSING, WIDE, {**CORE, "name": "secrets/status"}]},
        "/apis/metrics.k8s.io/v1": {"resources": [MEASURED]},
        "/api/v1/namespaces/home/secrets": ["b", "a", "c"],
        "/api/v1/namespaces/home/events": ["e"],
        "/api/v1/namespaces": [],
        "/api/v1/secrets": [],
    }
    found = prune.tenants(server(answers), "home", SET)
    assert found == "3 objects not from the set (such as Secret a)"
    answers["/api/v1/namespaces/home/secrets"] = []
    assert prune.tenants(server(answers), "home", SET) == ""


TEXTS = {"name": "configmaps", "kind": "ConfigMap", "namespaced": True, "verbs": ["list", "delete"]}


def cluster(**spaces: dict[str, str]):
    """`get` of a cluster whose only kind is ConfigMap: namespace → name → text, or a whole object."""
    objects = [
        {"metadata": {"name": name, "namespace": space.replace("_", "-")}, "data": {"ca": text}}
        if isinstance(text, str)
        else {**text, "metadata": {"name": name, "namespace": space.replace("_", "-"), **text.get("metadata", {})}}
        for space, names in spaces.items()
        for name, text in names.items()
    ]

    def get(path: str, query: dict[str, Any] | None = None, accept: str = "") -> Any:
        if path == "/apis":
            return {"groups": []}
        if path == "/api/v1":
            return {"resources": [TEXTS]}
        if path == "/api/v1/namespaces":
            return {"metadata": {}, "items": [{"metadata": {"name": space.replace("_", "-")}} for space in spaces]}
        prefix = "/api/v1/namespaces/"
        space = path[len(prefix) :].partition("/")[0] if path.startswith(prefix) else ""
        name = ((query or {}).get("fieldSelector") or "").partition("metadata.name=")[2]
        found = [
            entry
            for entry in objects
            if space in ("", entry["metadata"]["namespace"]) and name in ("", entry["metadata"]["name"])
        ]
        if accept:
            found = [{"metadata": entry["metadata"]} for entry in found]
        return {"metadata": {}, "items": found}

    return get


ISTIO = {"istio-ca-root-cert": "A"}


@pytest.mark.parametrize(
    ("spaces", "found"),
    [
        # Istio leaves Kubernetes' own namespaces and the one for volumes out.
        ({"home": ISTIO, "default": ISTIO, "shop": ISTIO, "kube_system": {}, "kube_public": {}, "volumes": {}}, ""),
        ({"home": ISTIO, "default": ISTIO}, ""),
        ({"home": ISTIO, "default": {}}, "1 object not from the set (such as ConfigMap istio-ca-root-cert)"),
        # Of the same name, but not the same: somebody's own.
        ({"home": {"settings": "A"}, "default": {"settings": "B"}, "shop": {"settings": "C"}}, "1 object not from"),
        ({"home": {"settings": "A"}, "default": {}, "shop": {"settings": "A"}, "work": {}}, "1 object not from"),
        (
            {"home": {**ISTIO, "mine": "x"}, "default": ISTIO},
            "1 object not from the set (such as ConfigMap mine)",
        ),
        ({"home": {"kube-root-ca.crt": "A"}}, ""),
        ({"home": {"token": {"metadata": {"annotations": {"kubernetes.io/service-account.name": "default"}}}}}, ""),
        ({"home": {"bundle": {"metadata": {"ownerReferences": [{"kind": "Bundle"}]}}}}, ""),
    ],
)
def test_copies_that_a_controller_keeps_everywhere_are_nobodys(spaces: dict[str, Any], found: str) -> None:
    there = prune.tenants(cluster(**spaces), "home", SET)
    assert there.startswith(found) if found else not there


@pytest.mark.parametrize("own", [[], ["key"]])
def test_an_aggregated_api_that_is_down_is_named_and_the_namespace_stays(own: list[str]) -> None:
    plain = server(
        {
            "/apis": {"groups": [{"preferredVersion": {"groupVersion": "metrics.k8s.io/v1beta1"}}]},
            "/api/v1": {"resources": [CORE]},
            "/api/v1/namespaces/home/secrets": own,
        }
    )

    def get(path: str, *rest: Any) -> Any:
        if path == "/apis/metrics.k8s.io/v1beta1":
            raise ApiError(503, {"message": "the server is currently unable to handle the request"})
        return plain(path, *rest)

    found = prune.tenants(get, "home", SET)
    assert found == (
        ("1 object not from the set (such as Secret key) and " if own else "")
        + "whatever the API metrics.k8s.io/v1beta1 has there, which cannot be known now"
        " (the server is currently unable to handle the request),"
    )


# Parents of sets -----------------------------------------------------------------------------------------------------


def parent(annotations: dict[str, str], identity: str = SET.id) -> dict[str, Any]:
    return {"metadata": {"labels": {ID_LABEL: identity}, "annotations": {TOOLING: "bramble.kube/v1", **annotations}}}


def loaded(document: dict[str, Any], takeover: bool = False) -> ApplySet:
    apply_set = ApplySet("set", "shop", takeover)
    get = server(
        {
            apply_set.path: document,
            "/apis/apps": {"preferredVersion": {"groupVersion": "apps/v1"}, "versions": []},
            "/apis/apps/v1": {"resources": [{"name": "deployments", "kind": "Deployment", "namespaced": True}]},
            "/api/v1": {"resources": [{"name": "configmaps", "kind": "ConfigMap", "namespaced": True}]},
        }
    )
    apply_set.load(get, lambda group, plural: prune.kind_of(get, Discovery(get), group, plural))
    return apply_set


def test_kinds_of_a_set() -> None:
    assert loaded(parent({CONTAINS: "ConfigMap,Deployment.apps"})).group_kinds == {
        ("", "ConfigMap"),
        ("apps", "Deployment"),
    }
    assert loaded(parent({CONTAINS: ""})).group_kinds == set()


def test_the_older_annotation_names_resources_and_kinds_that_are_gone_have_no_members() -> None:
    document = parent({CONTAINS_RESOURCES: "configmaps,deployments.apps,widgets.example.org", TOOLING: "kubectl/v1.27"})
    assert loaded(document, takeover=True).group_kinds == {("", "ConfigMap"), ("apps", "Deployment")}


@pytest.mark.parametrize("takeover", [False, True])
def test_another_id_is_refused(takeover: bool) -> None:
    other = ApplySet("other", "shop").id
    with pytest.raises(ManifestError, match=f"is {other}, but an object of this name has the id {SET.id}"):
        loaded(parent({CONTAINS: "ConfigMap"}, identity=other), takeover)


@pytest.mark.parametrize("takeover", [False, True])
def test_a_parent_that_does_not_say_its_kinds_is_refused(takeover: bool) -> None:
    with pytest.raises(ManifestError, match="has no annotation applyset"):
        loaded(parent({}), takeover)


def test_a_plain_config_map_is_taken_over_as_an_empty_set() -> None:
    document = {"metadata": {"name": "set"}}
    with pytest.raises(ManifestError, match="is not an apply set"):
        loaded(document)
    assert loaded(document, takeover=True).group_kinds == set()


def test_a_set_of_another_tool_is_refused_by_its_name() -> None:
    with pytest.raises(ManifestError, match=r"belongs to bramble\.kubectl/v1"):
        loaded(parent({CONTAINS: "", TOOLING: "bramble.kubectl/v1"}))


# What is being deleted -----------------------------------------------------------------------------------------------


def going(document: dict[str, Any], *finalizers: str) -> dict[str, Any]:
    metadata = {
        "labels": {PART_OF_LABEL: SET.id},
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "finalizers": [*finalizers],
    }
    return {**document, "metadata": {**document["metadata"], **metadata}}


def pruned(*members: dict[str, Any], server: type[Server] = Server) -> tuple[Server, bool, dict[str, Any]]:
    """Push one ConfigMap to a cluster that has a set of it, these members, and somebody's Widget."""
    kinds = "ConfigMap,CustomResourceDefinition.apiextensions.k8s.io,Namespace,Widget.example.org"
    there = {**thing("ConfigMap", "set"), **parent({CONTAINS: kinds})}
    there["metadata"]["name"] = "set"
    made = server([there, thing("Widget", "somebodys"), thing("ConfigMap", "mine", data={}), *members])
    failed, result = push(made, [thing("ConfigMap", "kept")], apply_set="set", prune=True, return_objects="all")
    return made, failed, result


@pytest.mark.parametrize(
    ("member", "held"),
    [
        (going(defined("v1"), "customresourcecleanup.apiextensions.k8s.io"), "customresourcecleanup"),
        (going(thing("Namespace", "away")), "not gone yet"),
        (going(thing("ConfigMap", "old"), "example.org/held"), "example.org/held"),
    ],
)
def test_what_is_being_deleted_already_is_neither_refused_nor_deleted_again(member: dict[str, Any], held: str) -> None:
    server, failed, result = pruned(member)
    assert not failed, result
    assert not [asked for asked in server.asked if asked.startswith("DELETE")]
    (found,) = [entry for entry in result["objects"] if entry["name"] == member["metadata"]["name"]]
    assert found["action"] == "unchanged" and "is being deleted already" in found["reason"] and held in found["reason"]


def test_a_definition_whose_deletion_begins_just_before_it_is_pruned_is_not_refused() -> None:
    class Begins(Server):
        """The CRD is being deleted from its second reading on, which is the one before its deletion."""

        def _read(self, path: str, query: str) -> Any:
            found = super()._read(path, query)
            if path.endswith("/widgets.example.org"):
                found = going(found)
            return found

    member = defined("v1")
    member["metadata"]["labels"] = {PART_OF_LABEL: SET.id}
    server, failed, result = pruned(member, server=Begins)
    assert not failed and result["counts"]["pruned"] == 1, result
    assert [asked for asked in server.asked if asked.startswith("DELETE")]
    _server, failed, result = pruned(member)
    assert failed and "1 Widget not from the set (such as shop/somebodys) would be deleted with it" in result["msg"]


def test_a_kind_that_goes_while_members_are_looked_for_has_none() -> None:
    class Gone(Server):
        """The group is still told, its CRD is gone."""

        def _true(self, method: str, path: str, query: str, body: Any) -> tuple[int, Any]:
            if path.endswith("/widgets"):
                return 404, {"kind": "Status", "reason": "NotFound"}
            return super()._true(method, path, query, body)

    _server, failed, result = pruned(server=Gone)
    assert not failed and result["counts"]["created"] == 1, result
