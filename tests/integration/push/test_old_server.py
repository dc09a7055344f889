"""A real API server from before server-side apply was stable gets the three-way client-side apply, by itself.

Building it takes a while, so this runs where it was built before, or with BRAMBLE_OLD_KUBERNETES=build (test-all).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest
from apiserver import ApiServer
from old_kubernetes import RELEASE, old_api_server, old_api_server_if_built
from test_client_side import (  # noqa: F401  (the same again, on the old server)
    LAST_APPLIED,
    plain_deployment,
    test_check_mode_writes_nothing,
    test_create_unchanged_update_and_remove,
    test_drift_is_put_right_and_fields_of_others_stay,
    test_kubectl_goes_on_where_client_side_left_off,
)
from test_objects_pushed import config


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    """The old API server, in place of the one of today."""
    built = old_api_server() if os.environ.get("BRAMBLE_OLD_KUBERNETES") == "build" else old_api_server_if_built()
    if built is None:
        pytest.skip(f"kube-apiserver {RELEASE} is not built; BRAMBLE_OLD_KUBERNETES=build builds it")
    server = ApiServer(api_server=str(built))
    try:
        yield server.start()
    finally:
        server.stop()


def test_the_server_is_old(api):
    assert json.loads(api.kubectl("get", "--raw", "/version"))["gitVersion"] == f"v{RELEASE}"


def test_the_method_is_chosen_by_itself(push, live, space):
    both = [config("c", space, a="1", b="2"), plain_deployment(space)]
    assert push(both)["counts"]["created"] == 2
    found = live("configmap", "c", space)
    assert json.loads(found["metadata"]["annotations"][LAST_APPLIED])["data"] == {"a": "1", "b": "2"}
    assert {entry["operation"] for entry in found["metadata"]["managedFields"]} == {"Update"}
    assert push(both)["counts"]["unchanged"] == 2
    assert push([config("c", space, a="1")])["counts"]["updated"] == 1
    assert live("configmap", "c", space)["data"] == {"a": "1"}


def test_versions_that_this_server_still_serves_are_not_rewritten(push, live, space):
    ingress = {
        "apiVersion": "networking.k8s.io/v1beta1",
        "kind": "Ingress",
        "metadata": {"name": "i", "namespace": space},
        "spec": {"backend": {"serviceName": "web", "servicePort": 80}},
    }
    result = push([ingress])
    assert not result["failed"], result["msg"]
    assert "rewritten" not in result and result["counts"]["created"] == 1
    assert push([ingress])["counts"]["unchanged"] == 1


def test_apply_sets_are_refused_with_the_reason(push, space):
    result = push([config("c", space)], apply_set="x")
    assert result["failed"] and "apply_set needs server-side apply" in result["msg"]
