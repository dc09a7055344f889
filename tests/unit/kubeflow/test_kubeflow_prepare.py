# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From manifests to the objects that a cluster gets: tuning, images, access, namespaces, passwords."""

from __future__ import annotations

import base64
import copy

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.images.known_digests import DIGESTS
from ansible_collections.bramble.kube.plugins.module_utils.images.replacement import Replacements
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.catalogue import CatalogueError, Tuning, load
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.choice import Chosen, choose
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.plan import cache_name, plan
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.prepare import (
    ENFORCE,
    Settings,
    add_password,
    address,
    prepare,
    shared_namespaces,
    twice,
)
from ansible_collections.bramble.kube.plugins.module_utils.manifests.load import Item

HUB = {
    "name": "hub",
    "line": "x",
    "engine": "manifests",
    "source": {"path": "x"},
    "namespace": "hub",
    "small": [{"name": "hub", "replicas": 1, "requests": {"memory": "64Mi"}, "container": "main"}],
    "access": {"service": "public", "port": 80, "node_port": 30088, "path": "/hub/", "what": "notebooks"},
    "passwords": [{"name": "secret", "keys": {"token": 32}}, {"name": "people", "people": 20}],
}
OBJECTS = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "hub", "labels": {"a": "b"}}},
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cert"}, "data": {}},
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "hub"},
        "spec": {
            "replicas": 3,
            "template": {
                "spec": {
                    "containers": [
                        {"name": "main", "image": "quay.io/hub:1", "resources": {"limits": {"memory": "1Gi"}}},
                        {"name": "side", "image": "side:1"},
                    ]
                }
            },
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "public"},
        "spec": {"ports": [{"port": 443}, {"port": 80, "targetPort": "http"}]},
    },
    {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "ClusterTrainingRuntime",
        "metadata": {"name": "torch"},
        "spec": {"template": {"spec": {"containers": [{"name": "node", "image": "docker.io/pytorch/pytorch:2"}]}}},
    },
]


def made(entry: dict = HUB, objects: list = OBJECTS, **settings: object):
    """A prepared component and its objects by kind and name."""
    component = load([entry])[entry["name"]]
    items = [Item(copy.deepcopy(document), "test", 1) for document in objects]
    prepared = prepare(Chosen(component), items, Settings(**settings))
    return prepared, {f"{item.kind}/{item.name}": item.object for item in prepared.items}


def with_password(password, live, *own: dict, people: list[str] | None = None) -> dict:
    """The one Secret of its name, in a component that brings `own` or none."""
    prepared, _found = made(objects=[*OBJECTS, *own])
    add_password(prepared, password, live, people or [])
    (secret,) = [item.object for item in prepared.items if (item.kind, item.name) == ("Secret", password.name)]
    return secret


def containers(document: dict) -> list[dict]:
    return document["spec"]["template"]["spec"]["containers"]


def test_tuning_for_small_nodes_and_the_users_own_on_top():
    _prepared, found = made()
    assert found["Deployment/hub"]["spec"]["replicas"] == 1
    main, side = containers(found["Deployment/hub"])
    assert main["resources"] == {"limits": {"memory": "1Gi"}, "requests": {"memory": "64Mi"}}
    assert "resources" not in side
    own = (Tuning("Deployment", "hub", requests={"cpu": "10m", "memory": "96Mi"}),)
    main, side = containers(made(overrides={"hub": own})[1]["Deployment/hub"])
    assert main["resources"]["requests"] == side["resources"]["requests"] == {"memory": "96Mi", "cpu": "10m"}


def test_tuning_can_be_switched_off():
    document = made(small=False)[1]["Deployment/hub"]
    assert document["spec"]["replicas"] == 3
    assert containers(document)[0]["resources"] == {"limits": {"memory": "1Gi"}}


def test_a_deployment_that_nobody_asks_is_ready_after_a_while():
    def seconds(**own: object) -> object:
        document = copy.deepcopy(OBJECTS[2])
        containers(document)[1].update(own.pop("side", {}))
        document["spec"].update(own)
        return made(objects=[document, *OBJECTS[3:]])[1]["Deployment/hub"]["spec"].get("minReadySeconds")

    assert (seconds(), seconds(minReadySeconds=0), seconds(minReadySeconds=30)) == (10, 0, 30)
    assert seconds(side={"readinessProbe": {"tcpSocket": {"port": 80}}}) is None


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        (
            Tuning("Deployment", "hab", replicas=1),
            "kubeflow_overrides of hub names Deployment hab, which its manifests",
        ),
        (Tuning("Deployment", "hub", requests={"cpu": "1"}, container="x"), "names container x, which Deployment hub"),
    ],
)
def test_tuning_of_what_is_not_there_is_a_mistake(own, sentence):
    with pytest.raises(CatalogueError, match=sentence):
        made(overrides={"hub": (own,)})


def test_images_are_replaced_at_any_depth():
    images = Replacements({"quay.io/": "registry.lan/quay/", "pytorch/pytorch": "registry.lan/torch"})
    found = made(images=images)[1]
    assert [entry["image"] for entry in containers(found["Deployment/hub"])] == ["registry.lan/quay/hub:1", "side:1"]
    assert containers(found["ClusterTrainingRuntime/torch"])[0]["image"] == "registry.lan/torch:2"


def test_images_go_by_digest_after_replacement_and_those_without_one_are_told(monkeypatch):
    digest = "sha256:" + "a" * 64
    monkeypatch.setitem(DIGESTS, "quay.io/hub:1", digest)
    monkeypatch.setitem(DIGESTS, "docker.io/library/side:1", digest)
    monkeypatch.setitem(DIGESTS, "docker.io/library/mine:1", digest)
    prepared, objects = made(images=Replacements({"side": "mine"}))
    containers = objects["Deployment/hub"]["spec"]["template"]["spec"]["containers"]
    assert [container["image"] for container in containers] == [f"quay.io/hub:1@{digest}", "mine:1"]
    assert prepared.by_tag == ["mine:1", "docker.io/pytorch/pytorch:2"]
    prepared, objects = made(digests=False)
    containers = objects["Deployment/hub"]["spec"]["template"]["spec"]["containers"]
    assert [container["image"] for container in containers] == ["quay.io/hub:1", "side:1"]
    assert prepared.by_tag == []


def test_an_empty_secret_is_for_its_controller_to_fill():
    assert "data" not in made()[1]["Secret/cert"]


def test_each_way_in():
    ports = made(access="node_port")[1]["Service/public"]["spec"]
    assert ports["type"] == "NodePort"
    assert [port.get("nodePort") for port in ports["ports"]] == [None, 30088]
    assert made(access="node_port")[1]["Service/public"]["metadata"]["annotations"] == {"bramble.kube/path": "/hub/"}
    assert made(access="load_balancer")[1]["Service/public"]["spec"]["type"] == "LoadBalancer"
    found = made(access="ingress", ingress_class="nginx")[1]
    assert found["Service/public"]["spec"]["type"] == "ClusterIP"
    assert found["Ingress/hub"]["spec"]["ingressClassName"] == "nginx"
    path = found["Ingress/hub"]["spec"]["rules"][0]["http"]["paths"][0]
    assert (path["path"], path["backend"]["service"]) == ("/hub", {"name": "public", "port": {"number": 80}})


def test_the_ingress_itself_has_a_port_of_the_nodes():
    prepared, found = made(dict(HUB, ingress=True), access="ingress")
    assert found["Service/public"]["spec"]["type"] == "NodePort"
    assert "Ingress/hub" not in found
    assert prepared.component.ingress


@pytest.mark.parametrize(
    ("access", "sentence"),
    [
        ({"service": "publik"}, "catalogue entry hub: access.service names publik, which its manifests do not have"),
        ({"port": 81}, "catalogue entry hub: access.port is 81, which Service public does not have"),
    ],
)
def test_a_wrong_way_in_is_named(access, sentence):
    with pytest.raises(CatalogueError, match=sentence):
        made(dict(HUB, access={**HUB["access"], **access}))


def test_addresses():
    access = load([HUB])["hub"].access
    service = {"spec": {"ports": [{"port": 80, "nodePort": 30088}]}}
    assert address(access, "node_port", "192.168.13.7", service) == "http://192.168.13.7:30088/hub/"
    assert address(access, "node_port", "192.168.13.7", {"spec": {"ports": [{"port": 80}]}}) == ""
    assert address(access, "load_balancer", "192.168.13.7", service) == ""
    given = {"status": {"loadBalancer": {"ingress": [{"ip": "192.168.13.50"}]}}}
    assert address(access, "load_balancer", "192.168.13.7", given) == "http://192.168.13.50/hub/"
    assert address(access, "ingress", "192.168.13.7", {}, 30080) == "http://192.168.13.7:30080/hub/"


def test_namespaces_are_shared_and_every_one_that_is_used_is_made():
    one, _found = made()
    other, _found = made(
        dict(HUB, name="other", access=None, small=None, passwords=None),
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "hub", "labels": {"c": "d"}}},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "elsewhere"}},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "y", "namespace": "kube-system"}},
        ],
    )
    shared = {item.name: item.object["metadata"].get("labels") for item in shared_namespaces([one, other])}
    assert shared == {"hub": {"a": "b", "c": "d"}, "elsewhere": None}


@pytest.mark.parametrize(
    ("levels", "label"),
    [
        (["restricted"], "restricted"),
        (["restricted", "baseline"], "baseline"),
        (["privileged", "restricted"], "privileged"),
        (["restricted", None], None),  # nobody has tried the other's Pods
    ],
)
def test_a_namespace_is_as_strict_as_the_loosest_of_its_components(levels, label):
    components = [
        made(dict(HUB, name=f"c{number}", **({"pod_security": level} if level else {})))[0]
        for number, level in enumerate(levels)
    ]
    (namespace,) = [item for item in shared_namespaces(components) if item.name == "hub"]
    assert (namespace.object["metadata"].get("labels") or {}).get(ENFORCE) == label


def test_a_namespace_that_only_a_strangers_object_names_gets_no_level():
    stranger = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "elsewhere"}}
    component, _found = made(dict(HUB, pod_security="restricted", access=None, small=None, passwords=None), [stranger])
    labels = {item.name: item.object["metadata"].get("labels") or {} for item in shared_namespaces([component])}
    assert (ENFORCE in labels["hub"], ENFORCE in labels["elsewhere"]) == (True, False)


def test_only_pods_of_its_own_namespace_reach_a_private_workload():
    database = {"kind": "StatefulSet", "name": "db", "private": True}
    own = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "elsewhere"},
        "spec": {"selector": {"matchLabels": {"app": "db"}}},
    }
    entry = dict(HUB, workloads=[database], access=None, small=None, passwords=None)
    component, _found = made(entry, [own])
    (wall,) = [item.object for item in component.items if item.kind == "NetworkPolicy"]
    assert wall["metadata"] == {"name": "db-private", "namespace": "elsewhere"}
    assert wall["spec"] == {
        "podSelector": {"matchLabels": {"app": "db"}},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {}}]}],
    }
    with pytest.raises(CatalogueError, match="StatefulSet db, which is to be private"):
        made(entry, [])


def workload(name: str, **pod) -> dict:
    labels = {"app": name, "tier": "web"}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def service(name: str, selector: dict | None, *ports: dict, namespace: str = "hub") -> dict:
    spec = {"ports": list(ports), **({"selector": selector} if selector is not None else {})}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def walls(objects: list[dict]) -> dict[str, dict]:
    component, _found = made(dict(HUB, access=None, small=None, passwords=None), objects)
    found = [item.object for item in component.items if item.kind == "NetworkPolicy"]
    return {wall["metadata"]["name"]: wall["spec"] for wall in found}


def test_pods_of_other_namespaces_reach_the_ports_of_a_workloads_services_alone():
    found = walls(
        [
            workload("operator"),
            service("hook", {"app": "operator"}, {"port": 443, "targetPort": "webhook"}, {"port": 8080}),
            service("again", {"tier": "web"}, {"port": 1, "targetPort": 8080}, {"port": 53, "protocol": "UDP"}),
            service("anothers", {"app": "other"}, {"port": 1111}),
            service("elsewhere", {"app": "operator"}, {"port": 2222}, namespace="elsewhere"),
            service("by-hand", None, {"port": 3333}),
        ]
    )
    assert found["operator-services"] == {
        "podSelector": {"matchLabels": {"app": "operator"}},
        "policyTypes": ["Ingress"],
        "ingress": [
            {"from": [{"podSelector": {}}]},
            {
                "ports": [
                    {"port": "webhook", "protocol": "TCP"},
                    {"port": 8080, "protocol": "TCP"},
                    {"port": 53, "protocol": "UDP"},
                ]
            },
        ],
    }


def test_a_workload_that_no_service_leads_to_is_reached_from_its_namespace_alone():
    assert walls([workload("operator")])["operator-services"]["ingress"] == [{"from": [{"podSelector": {}}]}]


def test_a_component_with_policies_of_its_own_and_pods_in_the_machines_network_get_none():
    assert walls([workload("agent", hostNetwork=True)]) == {}
    own = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "own"}, "spec": {}}
    assert set(walls([workload("operator"), own])) == {"own"}


def test_a_deployment_of_2018_without_a_selector_is_selected_by_its_labels():
    old = workload("old")
    del old["spec"]["selector"]
    assert walls([old])["old-services"]["podSelector"] == {"matchLabels": {"app": "old", "tier": "web"}}


def test_two_components_that_bring_one_object():
    one, _found = made()
    other, _found = made(dict(HUB, name="other"))
    assert "hub and other both contain Deployment hub; remove one of them." in twice([one, other])


def test_passwords_are_made_once_and_kept():
    keys, people = load([HUB])["hub"].passwords
    first = with_password(keys, None)
    assert len(base64.b64decode(first["data"]["token"])) == 32
    assert with_password(keys, first)["data"] == first["data"]
    assert with_password(keys, None)["data"] != first["data"]
    two = with_password(people, None, people=["ada", "bob"])
    assert {name: len(base64.b64decode(text)) for name, text in two["data"].items()} == {"ada": 20, "bob": 20}
    later = with_password(people, two, people=["bob", "eve"])
    assert set(later["data"]) == {"bob", "eve"}, "who may not come any more has no password either"
    assert later["data"]["bob"] == two["data"]["bob"]


@pytest.mark.parametrize("part", ["data", "stringData"])
def test_a_password_of_the_manifests_own_gives_way_and_the_other_keys_stay(part):
    keys = load([HUB])["hub"].passwords[0]
    metadata = {"name": "secret", "labels": {"app": "db"}}
    own = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, part: {"token": "dGVzdA==", "user": "cm9vdA=="}}
    secret = with_password(keys, None, own)
    assert secret["metadata"]["labels"] == {"app": "db"}
    assert len(base64.b64decode(secret["data"]["token"])) == 32
    assert secret[part]["user"] == "cm9vdA=="
    assert "token" not in secret.get("stringData", {}), "the server would take it in place of the data"
    assert with_password(keys, secret, own)["data"]["token"] == secret["data"]["token"]


def test_an_empty_password_of_somebodys_own_database_is_kept():
    keys = load([HUB])["hub"].passwords[0]
    assert with_password(keys, {"data": {"token": ""}})["data"]["token"] == ""


def test_what_is_rendered_has_another_file_as_soon_as_its_source_changes():
    entry = {
        "name": "katib",
        "line": "x",
        "engine": "kustomize",
        "source": {"repository": "kubeflow/katib", "tag": "v1", "overlay": "x", "sha256": "a" * 64},
    }
    one = load([entry])
    wanted = plan(choose(one, ["katib"]), "http://192.168.13.2", "/cache")
    assert wanted["kustomize"][0]["url"] == "http://192.168.13.2/kubeflow/katib/archive/refs/tags/v1.tar.gz"
    assert wanted["files"]["katib"] == f"/cache/{cache_name(one['katib'])}"
    other = load([dict(entry, source=dict(entry["source"], overlay="y"))])
    assert cache_name(one["katib"]) != cache_name(other["katib"])
