"""`dest` writes what would be applied, and kubectl takes it."""

from __future__ import annotations

import os
import stat

OLD = {
    "apiVersion": "policy/v1beta1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "p"},
    "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}},
}
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "08", "b": "y", "c": ""}}


def test_the_file_is_what_would_be_applied_and_kubectl_takes_it(push, api, space, tmp_path):
    dest = str(tmp_path / "all.yaml")
    result = push([OLD, CONFIG], dest=dest, namespace=space, diff=True)
    assert not result["failed"] and result["changed"] and len(result["rewritten"]) == 1, result
    assert "NotFound" in api.kubectl("get", "configmap", "c", "-n", space, check=False)
    assert not push([OLD, CONFIG], dest=dest, namespace=space)["changed"]
    assert api.kubectl("apply", "--server-side", "-f", dest).count("serverside-applied") == 2
    told = push(None, src=[dest], check=True, force_conflicts=True)
    assert not told["failed"], told
    assert push([OLD, CONFIG], namespace=space, force_conflicts=True)["counts"]["failed"] == 0
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "pw"}}
    result = push([secret], dest=dest, namespace=space, diff=True)
    assert stat.S_IMODE(os.stat(dest).st_mode) == 0o600 and "diff" not in result
