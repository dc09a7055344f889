"""Components of a catalogue on a real API server: installed, unchanged, refused, taken away."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any

import pytest
import yaml

_numbers = itertools.count(1)


def definition(plural: str, group: str) -> dict[str, Any]:
    """A CRD of a kind that accepts anything."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": plural[:-1], "kind": plural[:-1].capitalize()},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def deployment(name: str, image: str = "example.invalid/app:1", memory: str = "64Mi") -> dict[str, Any]:
    """A Deployment of one container."""
    container = {"name": "main", "image": image, "resources": {"requests": {"memory": memory}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    }


def claim(name: str) -> dict[str, Any]:
    """A volume claim."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


class Set:
    """Components for one test, with names and a namespace that no other test has."""

    def __init__(self) -> None:
        self.number = next(_numbers)
        self.space = f"test{self.number}"
        self.entries: list[dict] = []
        self.manifests: dict[str, dict[str, str]] = {}

    def add(self, name: str, *objects: dict, **fields: Any) -> str:
        name = f"{name}{self.number}"
        source = {"path": "given by the test"}
        entry = {"name": name, "line": "x", "engine": "manifests", "source": source, "namespace": self.space, **fields}
        self.entries.append(entry)
        self.manifests[name] = {"text": yaml.safe_dump_all(objects)}
        return name


@pytest.fixture
def parts() -> Set:
    return Set()


def actions(result: dict[str, Any]) -> dict[str, str]:
    return {row["name"]: row["action"] for row in result["components"]}


def exists(api: Any, kind: str, name: str, space: str = "") -> bool:
    where = [f"--namespace={space}"] if space else []
    found = json.loads(api.kubectl("get", kind, name, *where, "--ignore-not-found", "--output=json") or "{}")
    return bool(found) and "deletionTimestamp" not in found["metadata"]


def test_installed_then_unchanged_without_a_write(api, install, parts):
    base = parts.add("base", definition("wheels", f"{parts.space}.example"))
    wheel = {"apiVersion": f"{parts.space}.example/v1", "kind": "Wheel", "metadata": {"name": "w"}, "spec": {"size": 1}}
    # As Helm and kubectl write them; the server keeps neither form.
    key = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "creationTimestamp": None}}
    key["stringData"] = {"teeth": "seven"}
    car = parts.add("car", deployment("car"), wheel, key, needs={"components": [base]})
    first = install(parts.entries, [car], manifests=parts.manifests)
    assert not first["failed"], first["msg"]
    assert actions(first) == {base: "installed", car: "installed"}
    assert first["components"][0]["needed_by"] == [car]
    version = api.kubectl("get", "--raw=/api/v1/namespaces/kube-system/configmaps?limit=1")
    again = install(parts.entries, [car], manifests=parts.manifests)
    assert actions(again) == {base: "unchanged", car: "unchanged"}
    assert not again["changed"]
    assert again["fit"] == [], "nothing to push, so nobody asks what fits"
    after = api.kubectl("get", "--raw=/api/v1/namespaces/kube-system/configmaps?limit=1")
    assert json.loads(version)["metadata"]["resourceVersion"] == json.loads(after)["metadata"]["resourceVersion"]


def test_check_mode_on_an_empty_cluster_writes_nothing(api, install, parts):
    name = parts.add("app", deployment("app"))
    result = install(parts.entries, [name], check=True, manifests=parts.manifests)
    assert actions(result) == {name: "installed"}
    assert not exists(api, "namespace", parts.space)


def test_a_changed_object_is_pushed_and_one_that_left_the_manifests_goes(api, install, parts):
    name = parts.add("app", deployment("one"), deployment("two"))
    install(parts.entries, [name], manifests=parts.manifests)
    parts.manifests[name] = {"text": yaml.safe_dump_all([deployment("one", memory="32Mi")])}
    result = install(parts.entries, [name], manifests=parts.manifests)
    assert actions(result) == {name: "changed"}
    assert not exists(api, "deployment", "two", parts.space)
    assert exists(api, "deployment", "one", parts.space)


def test_a_newer_release_that_selects_its_pods_by_other_labels_takes_the_place_of_the_old_one(api, install, parts):
    """A Deployment's selector cannot be changed; JobSet has another one since 0.9."""
    name = parts.add("app", deployment("one"), claim("data"))
    install(parts.entries, [name], manifests=parts.manifests)
    newer = deployment("one")
    newer["spec"]["selector"]["matchLabels"] = newer["spec"]["template"]["metadata"]["labels"] = {"app": "renamed"}
    parts.manifests[name] = {"text": yaml.safe_dump_all([newer, claim("data")])}
    result = install(parts.entries, [name], manifests=parts.manifests)
    assert not result["failed"], result["msg"]
    assert actions(result) == {name: "changed"}
    found = json.loads(api.kubectl("get", "deployment", "one", f"--namespace={parts.space}", "--output=json"))
    assert found["spec"]["selector"] == {"matchLabels": {"app": "renamed"}}
    assert exists(api, "pvc", "data", parts.space)


def test_removal_takes_what_it_put_there_and_nothing_else(api, install, parts):
    group = f"{parts.space}.example"
    app = parts.add("app", definition("wheels", group), deployment("app"), claim("data"))
    other = parts.add("other", deployment("other"))
    install(parts.entries, [app, other], manifests=parts.manifests)
    mine = {"apiVersion": f"{group}/v1", "kind": "Wheel", "metadata": {"name": "mine", "namespace": parts.space}}
    api.kubectl("create", "--filename=-", text=json.dumps(mine))
    api.kubectl("create", "configmap", "mine", f"--namespace={parts.space}")

    result = install(parts.entries, [other, {"name": app, "state": "absent"}], manifests=parts.manifests)
    assert actions(result) == {other: "unchanged", app: "removed"}
    assert not exists(api, "deployment", "app", parts.space)
    for kind, name in (("pvc", "data"), ("deployment", "other"), ("configmap", "mine"), (f"wheels.{group}", "mine")):
        assert exists(api, kind, name, parts.space), f"{kind} {name} is gone"
    notes = " ".join(result["components"][1]["notes"])
    assert f"CustomResourceDefinition wheels.{group} stays, because 1 Wheel not from the set" in notes
    assert f"PersistentVolumeClaim {parts.space}/data stays, because it holds data" in notes

    result = install(parts.entries, [{"name": app, "state": "absent", "data": "delete"}], manifests={})
    assert actions(result) == {app: "removed"}
    assert not exists(api, "pvc", "data", parts.space)
    assert not exists(api, "crd", f"wheels.{group}")
    assert exists(api, "configmap", "mine", parts.space)
    assert actions(install(parts.entries, [{"name": app, "state": "absent"}], manifests={})) == {app: "not there"}


def test_a_database_keeps_its_password_as_long_as_its_volume(api, install, parts):
    """The manifests bring a password that everybody knows; what stays after a removal can be opened again later."""

    def password() -> dict[str, str]:
        return json.loads(api.kubectl("get", "secret", "db", f"--namespace={parts.space}", "--output=json"))["data"]

    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"root": "test"}}
    login = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": {"user": "test"}}
    passwords = [
        {"name": "db", "keys": {"root": 32}, "with_data": True},
        {"name": "login", "keys": {"user": 32}},
    ]
    app = parts.add("app", deployment("app"), claim("data"), secret, login, passwords=passwords)
    install(parts.entries, [app], manifests=parts.manifests)
    first = password()
    assert len(base64.b64decode(first["root"])) == 32
    assert not install(parts.entries, [app], manifests=parts.manifests)["changed"]

    result = install(parts.entries, [{"name": app, "state": "absent"}], manifests={})
    assert not exists(api, "secret", "login", parts.space)
    assert (
        f"Secret {parts.space}/db stays, because it opens the data that stays; data: delete removes it, too"
        in result["components"][0]["notes"]
    )
    install(parts.entries, [app], manifests=parts.manifests)
    assert password() == first

    install(parts.entries, [{"name": app, "state": "absent", "data": "delete"}], manifests={})
    assert not exists(api, "secret", "db", parts.space)
    install(parts.entries, [app], manifests=parts.manifests)
    assert password() != first


def test_volumes_that_it_made_while_it_ran_stay_unless_asked(api, install, parts):
    volumes = [{"namespace": parts.space, "selector": "for=people"}]
    app = parts.add("hub", deployment("hub"), volumes=volumes)
    install(parts.entries, [app], manifests=parts.manifests)
    home = claim("claim-ada")
    home["metadata"]["labels"] = {"for": "people"}
    api.kubectl("create", f"--namespace={parts.space}", "--filename=-", text=json.dumps(home))
    api.kubectl("create", f"--namespace={parts.space}", "--filename=-", text=json.dumps(claim("not-its-own")))
    result = install(parts.entries, [{"name": app, "state": "absent"}], manifests={})
    assert result["components"][0]["notes"] == [
        f"PersistentVolumeClaim {parts.space}/claim-ada stays, because it holds data; data: delete removes it, too"
    ]
    install(parts.entries, [app], manifests=parts.manifests)
    install(parts.entries, [{"name": app, "state": "absent", "data": "delete"}], manifests={})
    assert not exists(api, "pvc", "claim-ada", parts.space)
    assert exists(api, "pvc", "not-its-own", parts.space)


def test_two_owners_of_a_crd_are_refused_before_any_push(api, install, parts):
    wheels = definition("wheels", f"{parts.space}.example")
    one, two = parts.add("one", wheels), parts.add("two", wheels, deployment("two"))
    result = install(parts.entries, [one, two], manifests=parts.manifests)
    assert result["failed"]
    assert f"{one} and {two} both own the CRD wheels.{parts.space}.example" in result["msg"]
    assert not exists(api, "namespace", parts.space)


def test_a_crd_that_an_installed_component_owns_is_not_taken_from_it(api, install, parts):
    wheels = definition("wheels", f"{parts.space}.example")
    one, two = parts.add("one", wheels), parts.add("two", wheels, deployment("two"))
    install(parts.entries, [one], manifests=parts.manifests)
    result = install(parts.entries, [two], manifests=parts.manifests)
    assert result["failed"]
    assert f"{two} and {one}, which this cluster has, both own the CRD wheels.{parts.space}.example" in result["msg"]
    assert not exists(api, "deployment", "two", parts.space)
    swapped = install(parts.entries, [two, {"name": one, "state": "absent"}], manifests=parts.manifests)
    assert not swapped["failed"], swapped["msg"]
    assert exists(api, "deployment", "two", parts.space)


def test_what_does_not_fit_is_refused_with_table_and_choices_unless_forced(api, install, parts):
    small, big = parts.add("small", deployment("small")), parts.add("big", deployment("big", memory="8Gi"))
    result = install(parts.entries, [small, big], manifests=parts.manifests)
    assert result["failed"]
    assert f"No node has room for a pod of Deployment {parts.space}/big ({big})" in result["msg"]
    assert f"leave out {big}" in result["msg"]
    assert not exists(api, "namespace", parts.space)
    forced = install(parts.entries, [small, big], manifests=parts.manifests, force=True)
    assert not forced["failed"], forced["msg"]
    tuned = {big: [{"name": "big", "requests": {"memory": "64Mi"}}]}
    assert not install(parts.entries, [small, big], manifests=parts.manifests, overrides=tuned)["failed"]


def test_a_component_that_cannot_be_pushed_keeps_nobody_else_from_it(api, install, parts):
    broken = dict(deployment("broken"))
    broken["spec"] = {**broken["spec"], "selector": {"matchLabels": {"app": "another"}}}
    bad = parts.add("bad", broken)
    user = parts.add("user", deployment("user"), needs={"components": [bad]})
    good = parts.add("good", deployment("good"))
    result = install(parts.entries, [user, good], manifests=parts.manifests)
    assert result["failed"]
    assert actions(result) == {bad: "failed", user: "not pushed", good: "installed"}
    assert f"{bad} (failed): Deployment {parts.space}/broken at object 1 of definition: " in result["msg"]
    assert f"{user} (not pushed): it needs {bad}, which could not be installed" in result["msg"]
    assert "The other component is as wanted." in result["msg"]
    assert exists(api, "deployment", "good", parts.space)
    assert not exists(api, "deployment", "user", parts.space)


def test_one_that_does_not_get_ready_fails_within_its_limit_and_the_rest_is_in_place(api, install, parts):
    slow = parts.add("slow", deployment("slow"), ready={"timeout": 1})
    good = parts.add("good", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "good"}})
    result = install(parts.entries, [slow, good], manifests=parts.manifests, wait=True)
    assert actions(result) == {slow: "not ready", good: "installed"}
    assert f"{slow} (not ready): Deployment {parts.space}/slow: " in result["msg"]
    again = install(parts.entries, [slow, good], manifests=parts.manifests, wait=True)
    assert actions(again) == {slow: "not ready", good: "unchanged"}


def test_passwords_are_made_once_and_appear_in_no_result(api, install, parts):
    passwords = [{"name": "secret", "keys": {"token": 40}}, {"name": "people", "people": 20}]
    name = parts.add("hub", deployment("hub"), passwords=passwords)
    first = install(parts.entries, [name], manifests=parts.manifests, people=["ada"])

    def kept(secret: str) -> dict[str, str]:
        return json.loads(api.kubectl("get", "secret", secret, f"--namespace={parts.space}", "--output=json"))["data"]

    before = {**kept("secret"), **kept("people")}
    again = install(parts.entries, [name], manifests=parts.manifests, people=["ada"])
    assert not again["changed"]
    more = install(parts.entries, [name], manifests=parts.manifests, people=["ada", "grace"])
    assert actions(more) == {name: "changed"}
    assert kept("people")["ada"] == before["ada"]
    assert set(kept("people")) == {"ada", "grace"}
    for result in (first, again, more):
        assert not any(text in json.dumps(result) for text in before.values())


def test_nobody_to_let_in_is_refused(install, parts):
    name = parts.add("hub", deployment("hub"), passwords=[{"name": "people", "people": 20}])
    assert (
        f"{name} is for people, but the list people is empty"
        in install(parts.entries, [name], manifests=parts.manifests)["msg"]
    )


@pytest.mark.parametrize("how", ["node_port", "load_balancer", "ingress"])
def test_addresses(api, install, parts, how):
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    way = {"service": "web", "port": 80, "path": "/web/", "what": "pages"}
    name = parts.add("web", service, access=way)
    result = install(parts.entries, [name], manifests=parts.manifests, access=how, node_address="192.168.13.7")
    assert not result["failed"], result["msg"]
    if how == "node_port":
        assert result["addresses"][name].startswith("http://192.168.13.7:3")
        assert result["addresses"][name].endswith("/web/")
    elif how == "load_balancer":
        assert result["addresses"] == {}
        assert any("nothing here gives out addresses for load balancers" in text for text in result["warnings"])
    else:
        assert exists(api, "ingress", name, parts.space)
        assert f"{name} is at your ingress controller's address, below /web/." in result["warnings"]
