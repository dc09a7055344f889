"""A CRD that loses a version in which objects are stored: kubectl is refused; we rewrite them, or refuse at once."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import re
import threading
import time

import pytest
import yaml
from test_objects_pushed import config

_numbers = itertools.count(1)


class Crd:
    """One CRD of its own, as its releases have it."""

    def __init__(self, api, scope: str = "Namespaced") -> None:
        self.api = api
        self.plural = f"stored{next(_numbers)}s"
        self.kind = self.plural.title()
        self.name = f"{self.plural}.stored.example.org"
        self.scope = scope

    def release(self, *versions: str, storage: str) -> dict:
        """A manifest that serves these versions."""
        schema = {"type": "object", "properties": {"size": {"type": "integer"}}}
        served = [
            {"name": v, "served": True, "storage": v == storage, "schema": {"openAPIV3Schema": schema}}
            for v in versions
        ]
        names = {"kind": self.kind, "plural": self.plural, "singular": self.plural[:-1], "listKind": f"{self.kind}List"}
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": self.name},
            "spec": {"group": "stored.example.org", "scope": self.scope, "names": names, "versions": served},
        }

    def item(self, name: str, space: str, version: str = "v1alpha1") -> dict:
        where = {"namespace": space} if self.scope == "Namespaced" else {}
        about = {"apiVersion": f"stored.example.org/{version}", "kind": self.kind, "metadata": {"name": name, **where}}
        return {**about, "size": 3}

    def stored(self) -> list[str]:
        """The versions in which its objects lie in etcd."""
        values = self.api.etcd_values(f"/registry/stored.example.org/{self.plural}/")
        return [json.loads(value)["apiVersion"].rpartition("/")[2] for value in values]

    def live(self) -> dict:
        return json.loads(self.api.kubectl("get", "crd", self.name, "-o", "json", "--show-managed-fields"))

    def versions(self) -> tuple[list[str], list[str]]:
        """Those of its spec, and those of its status."""
        live = self.live()
        return [version["name"] for version in live["spec"]["versions"]], live["status"]["storedVersions"]

    def objects(self) -> list[dict]:
        return json.loads(self.api.kubectl("get", self.name, "-A", "-o", "json", "--show-managed-fields"))["items"]


def lasting(objects: list[dict]) -> list[dict]:
    """What must be the same when objects are stored in another version."""
    return json.loads(
        json.dumps([{**one, "metadata": {**one["metadata"], "resourceVersion": ""}} for one in objects]).replace(
            "/v1alpha1", "/v1"
        )
    )


def made(push, crd: Crd, space: str, number: int = 3) -> None:
    """The first release, which has v1alpha1 alone, and objects of it."""
    result = push([crd.release("v1alpha1", storage="v1alpha1"), *(crd.item(f"o{i}", space) for i in range(number))])
    assert not result["failed"], result["msg"]
    assert crd.stored() == ["v1alpha1"] * number


def kubectl_refuses(api, manifest: dict) -> None:
    flags = ("--server-side", "--force-conflicts", "--dry-run=server", "-f", "-")
    told = api.kubectl("apply", *flags, text=json.dumps(manifest), check=False)
    assert "status.storedVersions" in told and "spec.versions" in told


@pytest.mark.parametrize("scope", ["Namespaced", "Cluster"])
def test_objects_are_rewritten_where_kubectl_is_refused(push, api, space, scope):
    crd = Crd(api, scope)
    made(push, crd, space)
    assert not push([crd.release("v1alpha1", "v1", storage="v1")])["failed"]
    assert crd.stored() == ["v1alpha1"] * 3, "nothing rewrites them by itself"
    before = crd.objects()
    kubectl_refuses(api, crd.release("v1", storage="v1"))
    result = push([crd.release("v1", storage="v1")])
    assert not result["failed"], result["msg"]
    (told,) = result["objects"]
    assert told["reason"] == f"3 {crd.kind}s were rewritten as v1, since the manifest no longer has v1alpha1"
    assert crd.versions() == (["v1"], ["v1"]) and crd.stored() == ["v1"] * 3
    assert lasting(crd.objects()) == lasting(before)
    again = push([crd.release("v1", storage="v1")])
    assert not again["changed"], again


def test_a_version_that_is_served_already_becomes_the_storage_version(push, api, space):
    """Two releases in one step: what is on the cluster serves v1, and still stores v1alpha1."""
    crd = Crd(api)
    made(push, crd, space)
    assert not push([crd.release("v1alpha1", "v1", storage="v1alpha1")])["failed"]
    kubectl_refuses(api, crd.release("v1", storage="v1"))
    result = push([crd.release("v1", storage="v1"), crd.item("new", space, "v1")])
    assert not result["failed"], result["msg"]
    assert crd.versions() == (["v1"], ["v1"]) and crd.stored() == ["v1"] * 4
    managed = crd.live()["metadata"]["managedFields"]
    assert {one["manager"] for one in managed if not one.get("subresource")} == {"bramble.kube"}
    assert not push([crd.release("v1", storage="v1")])["changed"]


@pytest.mark.parametrize("storage", ["v1alpha1", "v1"])
def test_what_is_applied_afterwards_is_taken_and_what_left_the_manifest_is_removed(push, api, space, storage):
    """The managedFields named v1alpha1, in which nothing was ever stored in the second case."""
    crd = Crd(api)
    assert not push([crd.release("v1alpha1", "v1", storage=storage), crd.item("o0", space)])["failed"]
    api.kubectl("apply", "--server-side", "-f", "-", text=json.dumps(crd.item("kubectls", space)))
    push([crd.release("v1alpha1", "v1", storage="v1")])
    assert not push([crd.release("v1", storage="v1")])["failed"]
    emptied = [
        {key: value for key, value in crd.item(name, space, "v1").items() if key != "size"}
        for name in ("o0", "kubectls")
    ]
    result = push(emptied[:1])
    assert not result["failed"] and result["counts"]["updated"] == 1, result
    api.kubectl("apply", "--server-side", "-f", "-", text=json.dumps(emptied[1]))
    assert [one.get("size") for one in crd.objects()] == [None, None]


def test_with_kubectl_alone_nobody_can_apply_such_an_object_any_more(api, space):
    """Why managedFields are changed, too: the way of Kubernetes' own page leaves the old version in them."""
    crd = Crd(api)

    def apply(manifest: dict, check: bool = True) -> str:
        return api.kubectl("apply", "--server-side", "-f", "-", text=json.dumps(manifest), check=check)

    apply(crd.release("v1alpha1", storage="v1alpha1"))
    deadline = time.monotonic() + 60
    while "serverside-applied" not in apply(crd.item("o0", space), check=False):
        assert time.monotonic() < deadline, "the CRD is not served"
    apply(crd.release("v1alpha1", "v1", storage="v1"))
    api.kubectl("patch", crd.name, "o0", "-n", space, "--type=merge", "-p", "{}")
    status = json.dumps({"status": {"storedVersions": ["v1"]}})
    api.kubectl("patch", "crd", crd.name, "--subresource=status", "--type=merge", "-p", status)
    apply(crd.release("v1", storage="v1"))
    assert "invalid group/version: stored.example.org/v1alpha1" in apply(crd.item("o0", space, "v1"), check=False)


def test_what_nothing_could_convert_is_refused_by_name_before_anything_is_written(push, api, space, tmp_path):
    first, second = Crd(api), Crd(api)
    made(push, first, space)
    made(push, second, space, 1)
    file = tmp_path / "set.yaml"
    manifests = [config("beside", space), first.release("v1", storage="v1"), second.release("v1", storage="v1")]
    file.write_text(yaml.safe_dump_all(manifests))
    result = push(src=[str(file)])
    assert result["failed"] and not result["changed"]
    for crd, objects in ((first, f"3 {first.kind}s"), (second, f"1 {second.kind}")):
        text = (
            rf"CustomResourceDefinition {crd.name} at {file}:\d+ no longer has v1alpha1, in which objects may be "
            rf"stored, and the cluster's CRD does not serve v1, so nothing could convert {objects}: first push a "
            r"release whose CRD has both v1alpha1 and v1, or delete them\."
        )
        assert re.search(text, result["msg"]), result["msg"]
        assert crd.versions() == (["v1alpha1"], ["v1alpha1"])
    assert "NotFound" in api.kubectl("get", "configmap", "beside", "-n", space, check=False)


def test_without_objects_there_is_nothing_to_convert(push, api, space):
    crd = Crd(api)
    made(push, crd, space, 0)
    kubectl_refuses(api, crd.release("v1", storage="v1"))
    result = push([crd.release("v1", storage="v1"), crd.item("new", space, "v1")])
    assert not result["failed"], result["msg"]
    assert crd.versions() == (["v1"], ["v1"]) and crd.stored() == ["v1"]


def test_check_mode_shows_it_and_writes_nothing(push, api, space):
    crd = Crd(api)
    made(push, crd, space)
    push([crd.release("v1alpha1", "v1", storage="v1")])
    before = crd.live(), crd.objects()
    result = push([crd.release("v1", storage="v1")], check=True, diff=True)
    assert not result["failed"] and result["changed"], result
    (told,) = result["objects"]
    assert told["action"] == "updated"
    assert told["reason"] == f"3 {crd.kind}s would be rewritten as v1, since the manifest no longer has v1alpha1"
    assert "-  - name: v1alpha1" in result["diff"]["prepared"]
    assert (crd.live(), crd.objects()) == before and crd.stored() == ["v1alpha1"] * 3


def test_nobodys_change_is_lost_meanwhile(push, api, space):
    crd = Crd(api)
    made(push, crd, space, 40)
    push([crd.release("v1alpha1", "v1", storage="v1")])
    ended = threading.Event()
    written = []

    def change() -> None:
        while not ended.is_set():
            size = len(written) + 100
            api.kubectl("patch", crd.name, "o7", "-n", space, "--type=merge", "-p", json.dumps({"size": size}))
            written.append(size)

    other = threading.Thread(target=change)
    other.start()
    try:
        while not written:
            time.sleep(0.01)
        result = push([crd.release("v1", storage="v1")])
    finally:
        ended.set()
        other.join()
    assert not result["failed"], result["msg"]
    (found,) = [one for one in crd.objects() if one["metadata"]["name"] == "o7"]
    assert found["size"] == written[-1] and crd.stored() == ["v1"] * 40


def test_a_push_that_is_killed_half_way_leaves_nothing_wrong_and_the_next_one_ends_it(push, api, space):
    """1,200 objects, in three pages."""
    crd = Crd(api)
    made(push, crd, space, 1200)
    assert not push([crd.release("v1alpha1", "v1", storage="v1")])["failed"]
    half = multiprocessing.get_context("fork").Process(target=push, args=([crd.release("v1", storage="v1")],))
    half.start()
    while not 0 < crd.stored().count("v1") < 1200:
        assert half.is_alive(), "it was quicker than the test"
    half.kill()
    half.join()
    left = crd.stored()
    assert 0 < left.count("v1") < len(left) == 1200
    assert crd.versions() == (["v1alpha1", "v1"], ["v1alpha1", "v1"]) and len(crd.objects()) == 1200
    result = push([crd.release("v1", storage="v1")])
    assert not result["failed"], result["msg"]
    assert crd.versions() == (["v1"], ["v1"]) and crd.stored() == ["v1"] * 1200


def test_who_may_not_change_the_status_is_told_before_anything_is_written(push, api, space):
    crd = Crd(api)
    made(push, crd, space)
    push([crd.release("v1alpha1", "v1", storage="v1")])
    user = crd.plural
    api.make_user(user, f"/CN={user}")
    rules = [
        {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["get", "patch"]},
        {"apiGroups": ["stored.example.org"], "resources": ["*"], "verbs": ["*"]},
    ]
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": user},
        "rules": rules,
    }
    api.kubectl("apply", "-f", "-", text=json.dumps(role))
    api.kubectl("create", "clusterrolebinding", user, f"--clusterrole={user}", f"--user={user}")
    kubeconfig = api.write_kubeconfig(user, f"https://127.0.0.1:{api.port}", user=user)
    result = push([crd.release("v1", storage="v1")], kubeconfig=kubeconfig)
    assert result["failed"] and not result["changed"]
    assert f"CustomResourceDefinition {crd.name} at object 1 of definition no longer has v1alpha1" in result["msg"]
    assert "and converting them to v1 is not allowed" in result["msg"]
    assert "customresourcedefinitions/status" in result["msg"] and crd.stored() == ["v1alpha1"] * 3
