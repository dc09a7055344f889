# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which CRDs lose a version in which objects are stored, and what has to be done before."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import MOST_TOLD, ManifestError, Slips
from ansible_collections.bramble.kube.plugins.module_utils.manifests.stored import Move, between, needed, restamped


def crd(*versions: str, stored: tuple[str, ...] = (), conversion: dict | None = None) -> dict:
    """A CRD; v1 is served, v1* is the storage version, v1- is not served."""
    entries = [
        {"name": v.strip("*-"), "served": "-" not in v, "storage": "*" in v, "schema": f"of {v}"} for v in versions
    ]
    spec = {"names": {"kind": "Widget", "plural": "widgets"}, "group": "example.org", "versions": entries}
    return {
        "metadata": {"name": "widgets.example.org"},
        "spec": {**spec, "conversion": conversion} if conversion else spec,
        **({"status": {"storedVersions": list(stored)}} if stored else {}),
    }


@pytest.mark.parametrize(
    ("new", "live", "move"),
    [
        # Nothing goes that is stored or served
        (crd("v1*"), crd("v1*", stored=("v1",)), None),
        (crd("v1*"), crd("a-", "v1*", stored=("v1",)), None),
        (crd("v1", "v2*"), crd("v1*", stored=("v1",)), None),
        # What stays is the storage version already, even if a newer one comes with the new CRD
        (crd("v1*"), crd("a", "v1*", stored=("a", "v1")), Move(("a",), "v1")),
        (crd("v1", "v2*"), crd("a", "v1*", stored=("a", "v1")), Move(("a",), "v1")),
        (crd("v1*"), crd("a", "b", "v1*", stored=("a", "b", "v1")), Move(("a", "b"), "v1")),
        # A version is served, so that objects may have been applied in it
        (crd("v1*"), crd("a", "v1*", stored=("v1",)), Move(("a",), "v1")),
        # The storage version goes, and the next is served
        (crd("v1*"), crd("a*", "v1", stored=("a",)), Move(("a",), "v1", switch=True)),
        (crd("v1*"), crd("a", "b*", "v1", stored=("a", "b")), Move(("a", "b"), "v1", switch=True)),
        # or is not
        (crd("v1*"), crd("a*", stored=("a",)), Move(("a",), "v1", switch=True, convertible=False)),
        (crd("v1*"), crd("a*", "v1-", stored=("a",)), Move(("a",), "v1", switch=True, convertible=False)),
    ],
)
def test_what_a_crd_needs(new, live, move):
    assert needed(new, live) == move


@pytest.mark.parametrize("spec", [None, {}, {"versions": "v1"}, {"versions": [None, {"name": 1, "storage": True}]}])
def test_a_crd_of_another_form_is_left_to_the_server(spec):
    assert needed({"spec": spec}, crd("a*", stored=("a",))) is None
    assert needed(crd("v1*"), {"spec": {"versions": []}}) is None


def test_between_two_releases_both_versions_are_understood_as_the_live_one_does_it():
    webhook, none = {"strategy": "Webhook"}, {"strategy": "None"}
    new, live = crd("v1*", "v2", conversion=none), crd("a*", "b-", "v1", stored=("a",), conversion=webhook)
    made = between(new, live)
    assert [(v["name"], v["served"], v["storage"], v["schema"]) for v in made["spec"]["versions"]] == [
        ("v1", True, True, "of v1*"),
        ("v2", True, False, "of v2"),
        ("a", True, False, "of a*"),
        ("b", False, False, "of b-"),
    ]
    assert made["spec"]["conversion"] == webhook
    assert new["spec"]["conversion"] == none and len(new["spec"]["versions"]) == 2, "the manifest itself stays"


def test_what_is_said_of_it():
    move = Move(("a", "b"), "v1", kind="Widget", objects=1)
    assert move.told() == "1 Widget was rewritten as v1, since the manifest no longer has a and b"
    assert move.told(check=True) == "1 Widget would be rewritten as v1, since the manifest no longer has a and b"


def test_each_of_several_is_named_whole():
    slips = Slips()
    sentences = [f"CRD {number} {'loses what is stored ' * 20}and is refused." for number in range(MOST_TOLD)]
    for sentence in [*sentences, "one", "more"]:
        with slips.noted():
            raise ManifestError(sentence)
    with pytest.raises(ManifestError) as told:
        slips.tell()
    assert str(told.value) == f"{' '.join(sentences)} And 2 more."


def test_managed_fields_name_no_version_that_goes():
    owned = [{"manager": "a", "apiVersion": "example.org/a"}, {"manager": "b", "apiVersion": "example.org/v1"}]
    assert restamped({"managedFields": owned}, ("a",), "v1") == [
        {"manager": "a", "apiVersion": "example.org/v1"},
        {"manager": "b", "apiVersion": "example.org/v1"},
    ]
    assert restamped({"managedFields": owned}, ("b",), "v1") is None and restamped({}, ("a",), "v1") is None


def test_only_what_is_wrong_with_a_manifest_is_noted_for_later() -> None:
    with pytest.raises(OSError, match="the server"), Slips().noted():
        raise OSError("the server does not answer")
