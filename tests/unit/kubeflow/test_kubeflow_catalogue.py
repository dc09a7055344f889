# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An entry of the catalogue: what it becomes, and the sentence for each way to write it wrong."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.catalogue import (
    CatalogueError,
    load,
)

ENTRY = {
    "name": "katib",
    "line": "Searches for hyperparameters",
    "engine": "kustomize",
    "source": {
        "repository": "kubeflow/katib",
        "tag": "v0.19.0",
        "folder": "manifests",
        "overlay": "manifests/v1beta1/installs/katib-standalone",
        "sha256": "a" * 64,
    },
    "namespace": "kubeflow",
    "needs": {"storage": "10Gi"},
    "images": [
        {"image": "ghcr.io/kubeflow/katib/katib-controller:v0.19.0", "platforms": ["linux/amd64", "linux/arm64"]}
    ],
    "crds": ["experiments.kubeflow.org"],
    "workloads": [{"name": "katib-controller", "cpu": "100m", "memory": "128Mi"}],
    "small": [{"name": "katib-mysql", "requests": {"cpu": "50m", "memory": "256Mi"}}],
    "access": {"service": "katib-ui", "port": 80, "path": "/katib/", "what": "Katib"},
    "passwords": [{"name": "katib-mysql", "keys": {"password": 24}}],
    "volumes": [{"namespace": "kubeflow", "selector": "app=katib"}],
    "ready": {"timeout": 600, "wait_for": [{"kind": "Deployment", "expression": "status.readyReplicas"}]},
    "proof": "rendered",
}


def changed(path: str, value: object) -> dict:
    """The entry with one field set, or taken out (None)."""
    entry = copy.deepcopy(ENTRY)
    node = entry
    *way, last = path.split(".")
    for key in way:
        node = node[int(key)] if key.isdigit() else node[key]
    if value is None:
        node.pop(last)
    else:
        node[last] = value
    return entry


def test_an_entry_becomes_a_component_with_amounts_as_numbers():
    katib = load([ENTRY])["katib"]
    assert katib.needs.storage == 10 * 1024**3
    assert (katib.workloads[0].cpu, katib.workloads[0].memory) == (100, 128 * 1024**2)
    assert katib.small[0].requests == {"cpu": "50m", "memory": "256Mi"}
    assert katib.small[0].replicas is None
    assert katib.images[0].platforms == ("linux/amd64", "linux/arm64")
    assert katib.source.address("https://github.com/") == (
        "https://github.com/kubeflow/katib/archive/refs/tags/v0.19.0.tar.gz"
    )


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("engine", "helm", "catalogue entry katib: engine is 'helm'; it must be one of kustomize, manifests, ksonnet."),
        ("engine", None, "catalogue entry katib: engine is missing."),
        ("line", None, "catalogue entry katib: line is missing."),
        ("name", None, "catalogue entry number 1: name is missing."),
        (
            "name",
            "Katib UI",
            "catalogue entry Katib UI: name is 'Katib UI'; it must be lower-case letters, digits and dashes.",
        ),
        ("source", None, "catalogue entry katib: source is missing."),
        ("source", "github", "catalogue entry katib: source is 'github'; it must be a mapping."),
        (
            "source.repository",
            "katib",
            "catalogue entry katib: source.repository is 'katib'; it must be owner/name as at GitHub.",
        ),
        (
            "source.repository",
            None,
            "catalogue entry katib: source does not say where the manifests are; with engine kustomize it must have "
            "exactly one of repository, archive.",
        ),
        (
            "source.url",
            "https://example.org/x.yaml",
            "catalogue entry katib: source has repository and url; with engine kustomize it must have exactly one of "
            "repository, archive.",
        ),
        ("source.tag", None, "catalogue entry katib: source.tag is missing."),
        ("source.tag", 1.9, "catalogue entry katib: source.tag is 1.9; it must be a text, in quotes."),
        ("source.sha256", None, "catalogue entry katib: source.sha256 is missing."),
        ("source.sha256", "abc", "catalogue entry katib: source.sha256 is 'abc'; it must be 64 hexadecimal digits."),
        (
            "source.overlay",
            None,
            "catalogue entry katib: source must have either an overlay or a kustomization of its own.",
        ),
        ("source.overlai", "x", "catalogue entry katib: source.overlai is not a field here; did you mean overlay."),
        ("needs.storage", "10 GB", "catalogue entry katib: needs.storage is '10 GB': '10 GB' is not a quantity;"),
        (
            "needs.components",
            ["mysql"],
            "catalogue entry katib: needs.components names mysql, which is not in the catalogue.",
        ),
        (
            "needs.components",
            "mysql",
            "catalogue entry katib: needs.components is 'mysql'; it must be a list of texts.",
        ),
        (
            "images.0.platforms",
            ["arm64"],
            "catalogue entry katib: images[0].platforms has 'arm64'; each must be like linux/arm64.",
        ),
        ("crds", ["Experiment"], "catalogue entry katib: crds has 'Experiment'; each must be a CRD's full name,"),
        (
            "workloads.0.pods",
            "two",
            "catalogue entry katib: workloads[0].pods is 'two'; it must be a whole number, 0 or more.",
        ),
        ("workloads.0.cpu", "much", "catalogue entry katib: workloads[0].cpu is 'much': 'much' is not a quantity;"),
        (
            "small.0.requests",
            None,
            "catalogue entry katib: small[0] changes nothing: give it replicas, requests or limits.",
        ),
        ("small.0.requests.cpu", "x", "catalogue entry katib: small[0].requests.cpu is 'x': 'x' is not a quantity;"),
        ("small.0.requests.disk", "1", "catalogue entry katib: small[0].requests.disk is not a field here;"),
        (
            "access.path",
            "katib",
            "catalogue entry katib: access.path is 'katib'; it must be a path that begins with /.",
        ),
        (
            "passwords.0.keys.password",
            4,
            "catalogue entry katib: passwords[0].keys.password is 4; it must be a number of",
        ),
        ("passwords.0.with_data", "x", "catalogue entry katib: passwords[0].with_data is 'x'; it must be true or"),
        ("ready.timeout", -1, "catalogue entry katib: ready.timeout is -1; it must be a whole number, 0 or more."),
        ("ready.wait_for.0.kind", None, "catalogue entry katib: ready.wait_for[0].kind is missing."),
        ("proof", "yes", "catalogue entry katib: proof is 'yes'; it must be one of runs, rendered, untested."),
        ("Line", "x", "catalogue entry katib: Line is not a field here; did you mean line."),
    ],
)
def test_a_broken_entry_names_itself_and_the_field(path, value, sentence):
    with pytest.raises(CatalogueError) as error:
        load([changed(path, value)])
    assert sentence in str(error.value)
    assert len(str(error.value).splitlines()) == 1, "one mistake, one sentence"


def test_all_mistakes_of_all_entries_are_told_at_once():
    with pytest.raises(CatalogueError) as error:
        load([changed("engine", "helm"), dict(changed("line", None), name="other"), "text"])
    assert [line.partition(":")[0] for line in str(error.value).splitlines()] == [
        "catalogue entry katib",
        "catalogue entry other",
        "catalogue entry number 3",
    ]


def test_a_users_entry_stands_in_for_one_of_the_same_name_and_twice_in_one_list_is_a_mistake():
    assert load([ENTRY], [changed("line", "Mine")])["katib"].line == "Mine"
    with pytest.raises(CatalogueError, match="catalogue entry katib: name is there twice"):
        load([ENTRY, ENTRY])


TWO_PINS = {
    **ENTRY,
    "lab": {
        "source": {"tag": "v0.18.0", "sha256": "1" * 64},
        "crds": ["trials.kubeflow.org"],
        "differs": ["CRD trials.kubeflow.org is gone"],
    },
}


def test_an_entry_may_have_a_second_version_that_the_tests_run():
    pis, proven = load([TWO_PINS])["katib"], load([TWO_PINS], proven=True)["katib"]
    assert (pis.source.tag, proven.source.tag) == ("v0.19.0", "v0.18.0")
    assert (pis.crds, proven.crds) == (("experiments.kubeflow.org",), ("trials.kubeflow.org",))
    assert proven.source.sha256 == "1" * 64
    assert proven.source.repository == pis.source.repository
    assert proven.images[0].image == "ghcr.io/kubeflow/katib/katib-controller:v0.18.0"
    assert load([ENTRY], proven=True)["katib"] == pis


@pytest.mark.parametrize(
    ("lab", "sentence"),
    [
        ("v0.18.0", "catalogue entry katib: lab is 'v0.18.0'; it must be a mapping."),
        (
            {"tag": "v1"},
            "catalogue entry katib: lab.tag is not a field here; there are source, images, crds",
        ),
        ({"crds": ["x"]}, "catalogue entry katib: crds has 'x'"),
        ({"source": {"sha256": "1"}}, "source.sha256 is '1'; it must be 64 hexadecimal digits"),
    ],
)
def test_a_mistake_in_the_second_version_is_reported_whichever_is_installed(lab, sentence):
    for proven in (False, True):
        with pytest.raises(CatalogueError, match=re.escape(sentence)):
            load([{**ENTRY, "lab": lab}], proven=proven)


def test_the_collections_own_catalogue_is_right():
    root = Path(__file__).resolve().parents[3]
    entries = yaml.safe_load((root / "roles/kubeflow/vars/main/catalogue.yml").read_text())["kubeflow_catalogue"]
    for proven in (False, True):
        assert list(load(entries, proven=proven)) == [entry["name"] for entry in entries]


def test_a_patch_means_the_same_without_its_last_line_break_which_kustomize_cuts():
    root = Path(__file__).resolve().parents[3]
    entries = yaml.safe_load((root / "roles/kubeflow/vars/main/catalogue.yml").read_text())["kubeflow_catalogue"]
    kustomizations = [entry["source"].get("kustomization", {}) for entry in entries]
    patches = [each["patch"] for kustomization in kustomizations for each in kustomization.get("patches", [])]
    assert len(patches) > 4
    for patch in patches:
        assert yaml.safe_load(patch) == yaml.safe_load(patch.strip()), patch
