# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Old components: what of them is left out, what is installed in its place, and what people are told."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.catalogue import CatalogueError, load
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.choice import choose, shared_definitions
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.legacy import settled, with_params, without
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.plan import plan
from ansible_collections.bramble.kube.plugins.module_utils.manifests.load import Item

OLD: dict[str, Any] = {
    "name": "old",
    "line": "What there was",
    "engine": "ksonnet",
    "source": {"repository": "me/old", "tag": "v1", "folder": "reg", "sha256": "a" * 64},
    "ksonnet": {
        "registry": "old",
        "packages": ["core"],
        "prototype": "core",
        "params": {"cloud": "null"},
        "openapi": "swagger.json",
        "openapi_sha256": "b" * 64,
    },
    "crds": ["jobs.example.com", "others.example.com"],
    "workloads": [{"name": "operator"}, {"name": "dashboard"}],
    "small": [{"name": "operator", "replicas": 1}, {"name": "dashboard", "replicas": 1}],
    "heritage": [
        {
            "what": "operator",
            "objects": ["Deployment/operator", "CustomResourceDefinition/jobs.example.com"],
            "successor": "new",
            "reason": "it does the same",
        },
        {"what": "dashboard", "objects": ["Deployment/dashboard"], "reason": "nobody wrote one"},
    ],
}
NEW = {
    "name": "new",
    "line": "What there is",
    "engine": "manifests",
    "source": {"path": "/new"},
    "crds": ["jobs.example.com"],
}


def items(*names: str) -> list[Item]:
    """Objects of ``Kind/name``."""
    made = (name.split("/") for name in names)
    return [Item({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}, "x", 1) for kind, name in made]


def test_a_successor_comes_along_and_owns_what_is_left_out():
    catalogue = settled(load([OLD, NEW]), "successors")
    chosen = choose(catalogue, ["old"])
    assert [(item.component.name, item.needed_by) for item in chosen] == [("new", ("old",)), ("old", ())]
    old = catalogue["old"]
    assert old.crds == ("others.example.com",)
    assert [load.name for load in old.workloads] == ["dashboard"]
    assert [tuning.name for tuning in old.small] == ["dashboard"]
    assert shared_definitions({item.component.name: item.component.crds for item in chosen}) == []


def test_as_is_nothing_comes_along_and_both_cannot_be_together():
    catalogue = settled(load([OLD, NEW]), "as_is")
    assert [item.component.name for item in choose(catalogue, ["old"])] == ["old"]
    both = choose(catalogue, ["old", "new"])
    assert shared_definitions({item.component.name: item.component.crds for item in both}) == [
        "old and new both own the CRD jobs.example.com; a cluster can have one of them: "
        "take the other out of kubeflow_components."
    ]


def test_what_is_left_out_and_what_is_kept_is_told_with_the_reason():
    objects = items("Deployment/operator", "ConfigMap/settings", "Deployment/dashboard")
    kept, told = without(settled(load([OLD, NEW]), "successors")["old"], objects)
    assert [item.name for item in kept] == ["settings", "dashboard"]
    assert told == [
        "operator: left out, replaced by new: it does the same (Deployment/operator)",
        "dashboard: kept, nothing replaces it: nobody wrote one (Deployment/dashboard)",
    ]
    assert without(settled(load([OLD, NEW]), "as_is")["old"], objects) == (objects, [])


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("successor", "nwe", "old: heritage names the successor nwe, which is not in the catalogue."),
        ("successor", "old", "old: heritage names the successor old, which is the component itself."),
        ("objects", ["operator"], "has 'operator'; each must be a kind and a name, such as Deployment/tf-hub."),
        ("reason", None, "catalogue entry old: heritage[0].reason is missing."),
        ("succesor", "new", "succesor is not a field here; did you mean successor."),
    ],
)
def test_a_wrong_heritage_names_itself(field, value, message):
    entry = copy.deepcopy(OLD)
    entry["heritage"][0][field] = value
    with pytest.raises(CatalogueError) as caught:
        load([entry, NEW])
    assert message in str(caught.value)


@pytest.mark.parametrize("field", ["registry", "prototype", "openapi", "openapi_sha256"])
def test_an_app_needs_to_be_described(field):
    entry = copy.deepcopy(OLD)
    del entry["ksonnet"][field]
    with pytest.raises(CatalogueError, match=rf"catalogue entry old: ksonnet\.{field} is missing"):
        load([entry, NEW])
    del entry["ksonnet"]
    with pytest.raises(CatalogueError, match="catalogue entry old: ksonnet is missing"):
        load([entry, NEW])


def planned(entry: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    catalogue = with_params(settled(load([entry, NEW]), "as_is"), params)
    return plan(choose(catalogue, ["old"]), "http://cache.lan/", "/cache")["ksonnet"][0]


def test_an_app_of_a_repository():
    made = planned(OLD, {"old": {"replicas": 3}})
    assert made["app"] == {
        "libraries": [{"openapi": "http://cache.lan/me/old/raw/v1/swagger.json", "checksum": "sha256:" + "b" * 64}],
        "environments": [{"name": "default", "namespace": "kubeflow"}],
        "registries": [
            {
                "name": "old",
                "files_sha256": "a" * 64,
                "uri": "github.com/me/old/tree/v1/reg",
                "mirror": "http://cache.lan/{org}/{repo}/archive/refs/tags/{ref}.tar.gz",
            }
        ],
        "packages": [{"name": "old/core"}],
        "components": [{"name": "old", "prototype": "core", "params": {"cloud": "null", "replicas": 3}}],
    }
    assert made["app_dir"].startswith("/cache/ksonnet/old-v1-")


def test_an_app_of_a_folder_is_made_anew_when_its_files_are_others(tmp_path):
    entry = {**OLD, "source": {"path": str(tmp_path)}}
    first = planned(entry, {})
    assert first["app"]["registries"] == [{"name": "old", "uri": str(tmp_path)}]
    assert first["app"]["libraries"][0]["openapi"] == f"{tmp_path}/swagger.json"
    assert planned(entry, {}) == first
    (tmp_path / "registry.yaml").write_text("libraries: {}")
    second = planned(entry, {})
    assert second["file"] != first["file"] and second["app_dir"] != first["app_dir"]
    with pytest.raises(CatalogueError, match=r"catalogue entry old: registry folder /nowhere does not exist\."):
        planned({**OLD, "source": {"path": "/nowhere"}}, {})


def test_other_parameters_or_another_namespace_mean_another_file():
    entries = [OLD, {**OLD, "namespace": "elsewhere"}]
    files = {planned(entry, params)["file"] for entry in entries for params in ({}, {"old": {"replicas": 3}})}
    assert len(files) == 4


def test_parameters_of_what_is_no_app():
    with pytest.raises(
        ValueError, match="kubeflow_ksonnet_params names new, which is not a ksonnet component; there are old"
    ):
        with_params(load([OLD, NEW]), {"new": {}})
    with pytest.raises(ValueError, match="kubeflow_ksonnet_params of old must be a mapping"):
        with_params(load([OLD, NEW]), {"old": 3})
