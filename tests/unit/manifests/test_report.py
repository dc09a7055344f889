"""What a run tells: masked Secrets, diffs, sets' ids, conflicts, the choice of the method."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.manifests import (
    apply,
    applyset,
    diffing,
    masking,
    options,
    plan,
    takeover,
)
from ansible_collections.bramble.kube.plugins.module_utils.manifests import run as module_run
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError
from ansible_collections.bramble.kube.plugins.module_utils.manifests.load import Item
from ansible_collections.bramble.kube.plugins.module_utils.manifests.result import (
    CREATED,
    FAILED,
    PRUNED,
    UPDATED,
    Entry,
    Report,
)

SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s", "annotations": {"last": "hunter2"}},
    "data": {"p": "hunter2"},
}


def test_secrets_are_masked_wherever_they_come_from():
    for value in (SECRET, [SECRET], {"kind": "List", "items": [SECRET]}, json.dumps(SECRET), [json.dumps(SECRET)]):
        assert "hunter2" not in json.dumps(masking.mask(value))
    config = {"kind": "ConfigMap", "data": {"a": "b"}}
    assert masking.mask([config, "kind: ConfigMap"]) == [config, "kind: ConfigMap"]
    assert SECRET["data"] == {"p": "hunter2"}


def test_the_parameters_come_back_masked_even_when_the_module_fails():
    params = {name: spec.get("default") for name, spec in options.ARGUMENT_SPEC.items()}
    params.update(host="no address", src=[], definition=[SECRET], workers=0)
    failed, result = module_run.run(params, check=False, diff=False)
    assert failed and result["msg"].startswith("workers is 0; it must be at least 1. ")
    assert "hunter2" not in json.dumps(params)


def test_diffs_show_what_changes_and_nothing_of_the_server():
    before = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "uid": "u", "managedFields": [1]},
        "data": {"a": "1"},
    }
    after = {**before, "data": {"a": "2"}, "status": {"x": 1}}
    item = Item(after, "f", 1)
    text = diffing.diff([Entry(item, UPDATED, live=after, before=before)])
    assert "-  a: '1'\n+  a: '2'\n" in text and "uid" not in text and "status" not in text
    assert diffing.diff([Entry(item, CREATED, live=after)]).startswith("--- /dev/null\n+++ after: ConfigMap c\n")
    assert "+++ /dev/null" in diffing.diff([Entry(item, PRUNED, before=before)])
    assert diffing.diff([Entry(item, FAILED, "no")]) == ""


def test_a_changed_secret_shows_that_it_changed_and_not_what():
    after = {**SECRET, "data": {"p": "hunter3", "q": "new"}}
    text = diffing.diff([Entry(Item(after, "f", 1), UPDATED, live=after, before=SECRET)])
    assert "hunter" not in text and "new" not in text
    assert "-  p: '******** (before)'\n+  p: '******** (after)'" in text


def test_the_id_of_a_set_is_that_of_the_specification():
    # The example of KEP-3659's text: base64 without padding of sha256(name.namespace.kind.group)
    digest = hashlib.sha256(b"a.b.ConfigMap.").digest()
    assert base64.urlsafe_b64decode(applyset.identity("a", "b")[9:-3] + "=") == digest
    assert applyset.identity("a", "b") != applyset.identity("b", "a")
    assert applyset.identity("a", "b").startswith("applyset-") and applyset.identity("a", "b").endswith("-v1")
    assert len(applyset.identity("a", "b")) <= 63


def test_group_kinds_go_there_and_back():
    pairs = {("", "ConfigMap"), ("apps", "Deployment"), ("rbac.authorization.k8s.io", "Role")}
    text = ",".join(applyset.group_kind(*pair) for pair in pairs)
    assert applyset.parse_group_kinds(text) == pairs and applyset.parse_group_kinds("") == set()


def conflict(*fields: tuple[str, str]) -> ApiError:
    causes = [
        {"reason": "FieldManagerConflict", "message": f'conflict with "{manager}" using v1', "field": field}
        for field, manager in fields
    ]
    return ApiError(409, {"reason": "Conflict", "details": {"causes": causes}})


def test_conflicts_are_told_by_field_and_manager():
    error = conflict((".spec.replicas", "kubectl-edit"), (".data.a", "anna"))
    assert apply.conflicts(error) == [(".spec.replicas", "kubectl-edit"), (".data.a", "anna")]
    assert "others manage .spec.replicas (kubectl-edit), .data.a (anna)" in apply.sentence(error, Item(SECRET, "f", 1))


def test_a_write_of_nothing_is_no_change():
    before = {"metadata": {"name": "x", "resourceVersion": "1", "generation": 1}, "spec": {}, "status": {"a": 1}}
    after = {"metadata": {"name": "x", "resourceVersion": "2", "generation": 2}, "spec": {}, "status": {"a": 2}}
    assert apply.same(before, after)
    assert not apply.same(before, {**after, "spec": {"a": 1}})


@pytest.mark.parametrize(
    ("major", "minor", "method"),
    [
        ("1", "37", "server_side"),
        ("1", "22", "server_side"),
        ("1", "21+", "client_side"),
        ("1", "9", "client_side"),
        (None, None, "server_side"),
    ],
)
def test_the_method_follows_the_servers_version(major, minor, method):
    assert plan.method_for({"major": major, "minor": minor}) == method


def test_fields_of_client_side_apply_move_to_us():
    managed = [
        {
            "manager": "kubectl-client-side-apply",
            "operation": "Update",
            "apiVersion": "v1",
            "fieldsV1": {"f:data": {"f:a": {}}},
        },
        {"manager": "controller", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
    ]
    moved = takeover.migrated_fields(managed, ["kubectl-client-side-apply"])
    assert [(entry["manager"], entry["operation"]) for entry in moved] == [
        ("controller", "Update"),
        ("bramble.kube", "Apply"),
    ]
    own = {"manager": "bramble.kube", "operation": "Apply", "apiVersion": "v1", "fieldsV1": {"f:data": {"f:b": {}}}}
    moved = takeover.migrated_fields([*managed, own], ["kubectl-client-side-apply"])
    assert moved[-1]["fieldsV1"] == {"f:data": {"f:a": {}, "f:b": {}}}
    assert own["fieldsV1"] == {"f:data": {"f:b": {}}}


def test_a_report_counts():
    item = Item(SECRET, "f", 1)
    report = Report(entries=[Entry(item, CREATED), Entry(item, FAILED, "why")])
    assert report.changed and report.counts["failed"] == 1 and report.failures == ["Secret s at f:1: why"]
