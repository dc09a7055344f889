# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing on a real API server is deleted because something could not be read, or was not counted."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from damage import damages
from hypothesis import HealthCheck, given, settings
from options import DEFAULTS
from test_objects_pushed import CRD, config

from ansible_collections.bramble.kube.plugins.module_utils.common import checksum_file
from ansible_collections.bramble.kube.plugins.module_utils.manifests import auth, load, plan
from ansible_collections.bramble.kube.plugins.module_utils.manifests import push as pushing
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Client

APPLYSET = "applyset.kubernetes.io"


def of_group(group: str) -> dict[str, Any]:
    """A CRD of Widgets in a group of the test's own."""
    document = copy.deepcopy(CRD)
    document["metadata"]["name"] = f"widgets.{group}"
    document["spec"]["group"] = group
    return document


def widget(group: str, name: str, space: str) -> dict[str, Any]:
    return {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": name, "namespace": space}}


def seen(api, space: str, *kinds: str) -> dict[str, str]:
    """Name → resourceVersion of what there is."""
    listed = json.loads(api.kubectl("get", ",".join(("configmaps", *kinds)), "-n", space, "-o", "json"))["items"]
    return {f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"] for item in listed}


NOTHING = {
    "comments": {"src": "# was here\n"},
    "no byte": {"src": ""},
    "an empty list": {"src": '{"apiVersion": "v1", "kind": "List", "items": []}'},
    "an empty text": {"definition": ""},
    "no source": {"src": None},
    "select": {"definition": ..., "select": "kind == 'Nothing'"},
    "exclude": {"definition": ..., "exclude": "kind == 'ConfigMap'"},
}


@pytest.mark.parametrize("source", NOTHING.values(), ids=NOTHING)
@pytest.mark.parametrize("check", [False, True])
def test_absence_is_no_wish(push, api, space, tmp_path, source, check):
    objects = [config(name, space) for name in "abc"]
    options = {"namespace": space, "apply_set": "set", "prune": True}
    assert push(objects, **options)["counts"]["created"] == 3
    before = seen(api, space)
    given_options = dict(source)
    if given_options.get("src") is not None:
        (tmp_path / "source.yaml").write_text(given_options["src"])
        given_options["src"] = [str(tmp_path / "source.yaml")]
    elif "src" in given_options:
        given_options["src"] = []
    if given_options.get("definition") is ...:
        given_options["definition"] = objects
    result = push(check=check, **options, **given_options)
    assert result["failed"] and "would be deleted" in result["msg"], result
    assert seen(api, space) == before


def test_an_empty_list_that_somebody_wrote_is_a_wish(push, api, space):
    push([config(name, space) for name in "abc"], namespace=space, apply_set="set", prune=True)
    result = push([], namespace=space, apply_set="set", prune=True)
    assert not result["failed"] and result["counts"]["pruned"] == 3
    assert set(seen(api, space)) == {"ConfigMap/set", "ConfigMap/kube-root-ca.crt"} & set(seen(api, space))


@pytest.mark.parametrize("choice", [{"select": "kind == 'Nothing'"}, {"exclude": "`true`"}])
def test_nothing_to_do_is_said(push, space, choice):
    result = push([config("a", space)], **choice)
    assert not result["failed"] and not result["changed"]
    assert result["msg"] == "nothing to do: select and exclude leave out the only object in the manifests"
    assert push("# nothing\n")["msg"] == "nothing to do: the manifests have no objects"


def test_no_damage_to_a_rendered_file_deletes_anything(push, api, space, tmp_path):
    group = "damage.example.org"
    objects = [of_group(group), *(config(name, space) for name in "abc")]
    whole = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}).encode()
    other = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects[2:]}).encode()
    file = tmp_path / "rendered.json"
    options = {"src": [str(file)], "namespace": space, "apply_set": "set", "prune": True}
    file.write_bytes(whole)
    Path(f"{file}.sha256").write_text(checksum_file.line(str(file), whole))
    assert not push(**options)["failed"]
    api.kubectl("apply", "-f", "-", text=json.dumps(widget(group, "somebodys", space)))
    before = seen(api, space, f"widgets.{group}")

    @given(damaged=damages(whole, other))
    @settings(max_examples=60, print_blob=True, suppress_health_check=list(HealthCheck))
    def damage(damaged: bytes) -> None:
        file.write_bytes(damaged)
        result = push(**options)
        assert result["failed"] and str(file) in result["msg"] and len(result["msg"]) < 600
        assert seen(api, space, f"widgets.{group}") == before

    damage()
    file.write_bytes(whole)
    assert not push(**options)["changed"]


# CRDs ----------------------------------------------------------------------------------------------------------------


def test_a_crd_with_objects_of_others_is_not_pruned_unless_it_is_named(push, api, space):
    group = "used.example.org"
    options = {"namespace": space, "apply_set": "set", "prune": True}
    own = widget(group, "own", space)
    assert not push([of_group(group), own, config("a", space)], **options)["failed"]
    for name in ("one", "two"):
        api.kubectl("apply", "-f", "-", text=json.dumps(widget(group, name, space)))
    before = seen(api, space, f"widgets.{group}")
    for check in (True, False):
        result = push([config("a", space, changed="yes")], check=check, **options)
        assert result["failed"]
        assert (
            f"CustomResourceDefinition widgets.{group} is no longer in the manifests, but 2 Widgets not from the set"
            in (result["msg"])
        )
        assert f"(such as {space}/one)" in result["msg"] and f"name widgets.{group} in prune_in_use" in result["msg"]
        assert seen(api, space, f"widgets.{group}") == before, "nothing at all was changed"
    result = push([config("a", space, changed="yes")], prune_in_use=[f"widgets.{group}"], **options)
    assert not result["failed"] and result["counts"]["pruned"] == 2, result
    assert "NotFound" in api.kubectl("get", "crd", f"widgets.{group}", check=False)


def test_a_crd_goes_with_the_objects_that_the_set_brought(push, api, space):
    group = "own.example.org"
    options = {"namespace": space, "apply_set": "set", "prune": True}
    push([of_group(group), widget(group, "own", space), config("a", space)], **options)
    refused = push([widget(group, "own", space), config("a", space)], **options)
    assert refused["failed"] and "but each Widget of the manifests would be deleted with it" in refused["msg"]
    result = push([config("a", space)], **options)
    assert not result["failed"] and result["counts"]["pruned"] == 2, result


def test_objects_made_while_the_push_runs_are_counted_too(push, api, space, monkeypatch):
    from ansible_collections.bramble.kube.plugins.module_utils.manifests.plan import Plan

    group = "late.example.org"
    options = {"namespace": space, "apply_set": "set", "prune": True}
    push([of_group(group), config("a", space)], **options)
    guard = Plan.guard

    def then_somebody_comes(plan: Plan) -> None:
        guard(plan)
        api.kubectl("apply", "-f", "-", text=json.dumps(widget(group, "late", space)))

    monkeypatch.setattr(Plan, "guard", then_somebody_comes)
    result = push([config("a", space)], **options)
    assert result["failed"] and "1 Widget not from the set" in result["msg"]
    assert "late" in api.kubectl("get", f"widgets.{group}", "-n", space, "-o", "name")


def test_a_namespace_with_objects_of_others_is_not_pruned_unless_it_is_named(push, api, space):
    name = f"{space}-more"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    options = {"namespace": space, "apply_set": "set", "prune": True}
    assert not push([namespace, config("own", name), config("a", space)], **options)["failed"]
    api.kubectl("create", "secret", "generic", "somebodys", "-n", name)
    refused = push([config("a", space)], **options)
    sentence = (
        f"Namespace {name} is no longer in the manifests, but 1 object not from the set (such as Secret somebodys)"
    )
    assert refused["failed"] and sentence in refused["msg"], refused
    refused = push([config("own", name), config("a", space)], **options)
    assert refused["failed"] and f"but ConfigMap {name}/own would be deleted with it" in refused["msg"]
    assert set(seen(api, name, "secrets")) >= {"ConfigMap/own", "Secret/somebodys"}
    api.kubectl("delete", "secret", "somebodys", "-n", name)
    result = push([config("a", space)], **options)
    assert not result["failed"] and result["counts"]["pruned"] == 2, result


def test_a_namespace_that_is_named_goes_with_all_that_is_in_it(push, api, space):
    name = f"{space}-more"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    options = {"namespace": space, "apply_set": "set", "prune": True}
    push([namespace, config("a", space)], **options)
    api.kubectl("create", "secret", "generic", "somebodys", "-n", name)
    result = push([config("a", space)], prune_in_use=[name], **options)
    assert not result["failed"] and result["counts"]["pruned"] == 1, result


# Sets of kubectl -----------------------------------------------------------------------------------------------------


@pytest.fixture
def kubectls(api, space):
    """A set that kubectl made: ConfigMap a and Secret s."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": space}}
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [config("a", space), secret]})
    api.kubectl("apply", "-n", space, "--server-side", "--applyset=configmaps/set", "--prune", "-f", "-", text=text)


TAKE = {"apply_set": "set", "prune": True, "apply_set_takeover": True}


@pytest.mark.usefixtures("kubectls")
def test_the_older_annotation_is_read_at_takeover(push, api, space):
    older = f"{APPLYSET}/contains-group-resources=configmaps,secrets"
    api.kubectl("annotate", "configmap", "set", "-n", space, older, f"{APPLYSET}/contains-group-kinds-")
    result = push([config("b", space)], namespace=space, **TAKE)
    assert not result["failed"] and result["counts"]["pruned"] == 2, result
    assert "NotFound" in api.kubectl("get", "secret", "s", "-n", space, check=False)


@pytest.mark.usefixtures("kubectls")
@pytest.mark.parametrize("takeover", [True, False])
def test_a_set_that_does_not_say_its_kinds_is_refused(push, api, space, takeover):
    options = {**TAKE, "namespace": space, "apply_set_takeover": takeover}
    if not takeover:
        api.kubectl("annotate", "configmap", "set", "-n", space, "--overwrite", f"{APPLYSET}/tooling=bramble.kube/v1")
    api.kubectl("annotate", "configmap", "set", "-n", space, f"{APPLYSET}/contains-group-kinds-")
    before = seen(api, space, "secrets")
    result = push([config("b", space)], **options)
    assert result["failed"] and f"has no annotation {APPLYSET}/contains-group-kinds" in result["msg"]
    assert seen(api, space, "secrets") == before


@pytest.mark.usefixtures("kubectls")
def test_a_set_with_another_id_is_refused(push, api, space):
    api.kubectl("label", "configmap", "set", "-n", space, "--overwrite", f"{APPLYSET}/id=applyset-wrong-v1")
    before = seen(api, space, "secrets")
    result = push([config("b", space)], namespace=space, **TAKE)
    assert result["failed"] and "is applyset-wrong-v1, but an object of this name has the id applyset-" in result["msg"]
    assert seen(api, space, "secrets") == before


def test_a_definition_that_is_named_to_stay_is_never_pruned(push, api, space):
    group = "named-to-stay.example.org"
    options = {"namespace": space, "apply_set": "set", "prune": True}
    assert not push([config("a", space), of_group(group)], **options)["failed"]
    client = Client(auth.endpoint({**DEFAULTS, "kubeconfig": api.kubeconfig}))
    for again in range(2):
        wanted = plan.Options(namespace=space, apply_set="set", prune=True, keep=[f"widgets.{group}"])
        report = pushing.push(client, load.load([], [config("a", space)]), wanted)
        assert not report.failures and report.counts["pruned"] == 0
        assert any(f"widgets.{group} stays" in warning for warning in report.warnings), (again, report.warnings)
    assert push([config("a", space)], **options)["counts"]["pruned"] == 1, "without its name it goes"
