"""A set as a file: in order, readable by kubectl, written only when it differs."""

from __future__ import annotations

import os
import stat

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.manifests import load
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ManifestError
from ansible_collections.bramble.kube.plugins.module_utils.manifests.export import export

TEXT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {a: "08", b: "two\\nlines\\n"}
---
apiVersion: v1
kind: Namespace
metadata: {name: space}
"""


def test_objects_are_in_the_order_of_a_push_and_read_back_alike(tmp_path):
    items = list(load.parse(TEXT, "f"))
    dest = str(tmp_path / "all.yaml")
    assert export(items, dest, check=True, diff=False)["changed"] and not os.path.exists(dest)
    told = export(items, dest, check=False, diff=True)
    assert told["changed"] and "+" not in told["diff"]["before"] and "'08'" in told["diff"]["after"]
    again = load.load([dest], None)
    assert [item.kind for item in again] == ["Namespace", "ConfigMap", "Deployment"]
    assert {item.kind: item.object for item in again} == {item.kind: item.object for item in items}
    assert not export(items, dest, check=False, diff=False)["changed"]
    assert stat.S_IMODE(os.stat(dest).st_mode) == 0o644


def test_a_file_with_secrets_is_private_and_has_no_diff(tmp_path):
    (item,) = load.parse("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: YQ==}\n", "f")
    dest = str(tmp_path / "all.yaml")
    assert "diff" not in export([item], dest, check=False, diff=True)
    assert stat.S_IMODE(os.stat(dest).st_mode) == 0o600


@pytest.mark.parametrize("dest", ["", "none/all.yaml"])
def test_a_place_that_cannot_be_written_is_named(tmp_path, dest):
    with pytest.raises(ManifestError, match="dest"):
        export([], str(tmp_path / dest), check=False, diff=False)
