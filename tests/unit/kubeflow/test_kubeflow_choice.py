# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which components are pushed, in which order, and which cannot be together."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.catalogue import (
    CatalogueError,
    Component,
    Needs,
    Source,
)
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.choice import choose, shared_definitions


def catalogue(**needs: str) -> dict[str, Component]:
    """Components by what they need, in words: ``trainer="jobset cert-manager"``."""
    return {
        name.replace("_", "-"): Component(
            name.replace("_", "-"), "x", "manifests", Source(path="x"), needs=Needs(tuple(wanted.split()))
        )
        for name, wanted in needs.items()
    }


CATALOGUE = catalogue(trainer="jobset", katib="storage cert", pipelines="storage", jobset="cert", cert="", storage="")


def test_what_is_needed_comes_first_once_with_the_reason():
    chosen = choose(CATALOGUE, ["trainer", "katib", "storage"])
    assert [item.component.name for item in chosen] == ["cert", "jobset", "trainer", "storage", "katib"]
    assert {item.component.name: item.needed_by for item in chosen} == {
        "cert": ("jobset", "katib"),
        "jobset": ("trainer",),
        "trainer": (),
        "storage": (),
        "katib": (),
    }


def test_what_the_cluster_has_already_is_not_brought_unless_named():
    assert [item.component.name for item in choose(CATALOGUE, ["katib"], provided=["storage"])] == ["cert", "katib"]
    assert "storage" in [item.component.name for item in choose(CATALOGUE, ["katib", "storage"], provided=["storage"])]


def test_what_goes_comes_last_and_before_what_it_needs():
    wanted = [
        {"name": "jobset", "state": "absent"},
        {"name": "trainer", "state": "absent", "data": "delete"},
        "storage",
    ]
    chosen = choose(CATALOGUE, wanted)
    assert [(item.component.name, item.state, item.data) for item in chosen] == [
        ("storage", "present", "keep"),
        ("trainer", "absent", "delete"),
        ("jobset", "absent", "keep"),
    ]


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (["katip"], "kubeflow_components names katip, which the catalogue does not have; did you mean katib"),
        (["zzz"], "which the catalogue does not have; it has trainer, katib"),
        (["katib", "katib"], "kubeflow_components names katib twice"),
        (
            [{"name": "katib", "state": "gone"}],
            r"kubeflow_components\[0\]: state is 'gone'; it must be one of present, absent",
        ),
        (
            [{"name": "katib", "sate": "absent"}],
            r"kubeflow_components\[0\]: sate is not a field here; did you mean state",
        ),
        ([{}], r"kubeflow_components\[0\]: name is missing"),
        (["trainer", {"name": "jobset", "state": "absent"}], "wants jobset absent, but trainer needs it"),
        ("katib", "kubeflow_components must be a list"),
    ],
)
def test_a_wrong_choice_is_refused_with_a_sentence(wanted, sentence):
    with pytest.raises(CatalogueError, match=sentence):
        choose(CATALOGUE, wanted)


def test_a_circle_is_told():
    with pytest.raises(CatalogueError, match="The catalogue's needs form a circle: a needs b needs c needs a"):
        choose(catalogue(a="b", b="c", c="a"), ["a"])


def test_an_unknown_provided_component_is_refused():
    with pytest.raises(CatalogueError, match=r"kubeflow_provided names storag, .* did you mean storage"):
        choose(CATALOGUE, [], provided=["storag"])


def test_two_owners_of_one_definition_are_both_named():
    sentences = shared_definitions(
        {"training-operator": ["tfjobs.kubeflow.org", "mpijobs.kubeflow.org"], "kubeflow-core": ["tfjobs.kubeflow.org"]}
    )
    assert sentences == [
        "training-operator and kubeflow-core both own the CRD tfjobs.kubeflow.org; a cluster can have one of them: "
        "take the other out of kubeflow_components."
    ]
    assert shared_definitions({"a": ["x.y", "x.y"], "b": ["z.y"]}) == []
