"""Three-way client-side apply, as servers before 1.22 get it, shown on the server of today by `method: client_side`."""

from __future__ import annotations

import json

from test_objects_pushed import config, deployment

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def plain_deployment(space: str) -> dict:
    """Without one port for two protocols, which the three-way merge of old (kubectl's too) cannot tell apart."""
    document = deployment("d", space)
    document["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": 80}]
    return document


def test_create_unchanged_update_and_remove(push, live, space):
    both = [config("c", space, a="1", b="2"), plain_deployment(space)]
    assert push(both, method="client_side")["counts"]["created"] == 2
    again = push(both, method="client_side")
    assert again["counts"]["unchanged"] == 2, again
    assert push([config("c", space, a="2")], method="client_side")["counts"]["updated"] == 1
    found = live("configmap", "c", space)
    assert found["data"] == {"a": "2"}
    assert json.loads(found["metadata"]["annotations"][LAST_APPLIED])["data"] == {"a": "2"}


def test_drift_is_put_right_and_fields_of_others_stay(push, api, live, space):
    push([config("c", space, a="1")], method="client_side")
    api.kubectl("patch", "configmap", "c", "-n", space, "--type=merge", "-p", '{"data":{"a":"hand","other":"1"}}')
    assert push([config("c", space, a="1")], method="client_side")["counts"]["updated"] == 1
    assert live("configmap", "c", space)["data"] == {"a": "1", "other": "1"}


def test_check_mode_writes_nothing(push, api, live, space):
    assert push([config("c", space, a="1")], method="client_side", check=True)["counts"]["created"] == 1
    assert "NotFound" in api.kubectl("get", "configmap", "c", "-n", space, check=False)
    push([config("c", space, a="1")], method="client_side")
    result = push([config("c", space, a="2")], method="client_side", check=True, diff=True)
    assert result["counts"]["updated"] == 1 and "+  a: '2'" in result["diff"]["prepared"]
    assert live("configmap", "c", space)["data"] == {"a": "1"}


def test_kubectl_goes_on_where_client_side_left_off(push, api, live, space):
    push([config("c", space, a="1", b="2")], method="client_side")
    api.kubectl("apply", "-f", "-", text=json.dumps(config("c", space, a="1")))
    assert live("configmap", "c", space)["data"] == {"a": "1"}


def test_later_server_side_takes_over(push, live, space):
    push([config("c", space, a="1", b="2")], method="client_side")
    result = push([config("c", space, a="2")])
    assert not result["failed"], result["msg"]
    assert live("configmap", "c", space)["data"] == {"a": "2"}


def test_apply_sets_need_server_side_apply(push, space):
    assert "needs server-side apply" in push([config("c", space)], method="client_side", apply_set="x")["msg"]
