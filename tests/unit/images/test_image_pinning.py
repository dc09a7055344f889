# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images get the digests that are known of them, wherever an object names them, and nothing else is touched."""

from __future__ import annotations

import re

import pytest
import yaml

from ansible_collections.bramble.kube.plugins.module_utils.images.known_digests import DIGESTS
from ansible_collections.bramble.kube.plugins.module_utils.images.pinning import pin, pinned, unpinned
from ansible_collections.bramble.kube.plugins.module_utils.images.reference import parse

A, B, OTHER = ("sha256:" + digit * 64 for digit in "ab0")
KNOWN = {
    "docker.io/library/busybox:latest": A,
    "docker.io/library/app:1": A,
    "docker.io/library/app:1-gpu": B,
    "quay.io/argo/exec:v3": B,
}


@pytest.mark.parametrize(
    ("image", "new"),
    [
        ("app:1", f"app:1@{A}"),
        ("docker.io/library/app:1", f"docker.io/library/app:1@{A}"),
        ("busybox", f"busybox@{A}"),  # with a tag beside it, :latest, a kubelet would ask the registry at every start
        ("busybox:latest", f"busybox:latest@{A}"),
        ("app:2", "app:2"),
        (f"app:1@{OTHER}", f"app:1@{OTHER}"),
        ("192.168.13.5:5000/app:1", "192.168.13.5:5000/app:1"),
        ("{{ a template }}", "{{ a template }}"),
    ],
)
def test_an_image_gets_its_digest_and_keeps_its_tag(image: str, new: str) -> None:
    assert pinned(image, KNOWN) == new
    assert pinned(new, KNOWN) == new


def test_people_write_an_image_by_its_tag() -> None:
    assert unpinned(f"app:1@{A}") == "app:1"
    assert unpinned(f"registry:5000/app:1@{A}") == "registry:5000/app:1"
    assert unpinned(f"app@{A}") == f"app@{A}"
    assert unpinned("app:1") == "app:1"


def test_containers_and_arguments_have_it_and_the_rest_is_told() -> None:
    container = {"name": "app", "image": "app:1", "args": ["--executor-image", "quay.io/argo/exec:v3", "--name=app:1"]}
    document = {
        "kind": "Deployment",
        "metadata": {"name": "app"},
        "spec": {
            "template": {"spec": {"initContainers": [{"name": "i", "image": "mine:2"}], "containers": [container]}}
        },
    }
    assert pin(document, KNOWN) == ["mine:2"]
    assert container["image"] == f"app:1@{A}"
    assert container["args"][:2] == ["--executor-image", f"quay.io/argo/exec:v3@{B}"]
    assert document["spec"]["template"]["spec"]["initContainers"] == [{"name": "i", "image": "mine:2"}]


@pytest.mark.parametrize(
    ("image", "new"),
    [
        ("busybox", f"busybox@{A}"),
        ("app:1", f"app:1@{A}"),
        ("app:1-gpu", f"app:1-gpu@{B}"),
        ("'app:1'", f"'app:1@{A}'"),
    ],
)
def test_a_pod_inside_a_text_has_it_too_and_other_words_stay(image: str, new: str) -> None:
    text = f"kind: Pod\nmetadata: {{name: busybox}}\nspec:\n  containers:\n  - name: busybox\n    image: {image}\n"
    document = {"kind": "ConfigMap", "metadata": {"name": "local-path-config"}, "data": {"helperPod.yaml": text}}
    assert pin(document, KNOWN) == []
    assert document["data"]["helperPod.yaml"] == text.replace(f"image: {image}", f"image: {new}")
    assert yaml.safe_load(document["data"]["helperPod.yaml"])["metadata"] == {"name": "busybox"}


def test_a_table_in_json_has_it_too() -> None:
    document = {
        "kind": "ConfigMap",
        "metadata": {"name": "inferenceservice-config"},
        "data": {"agent": '{"image": "app:1", "memory": "100Mi"}', "router": '{"image":"busybox"}'},
    }
    assert pin(document, KNOWN) == []
    assert document["data"] == {
        "agent": f'{{"image": "app:1@{A}", "memory": "100Mi"}}',
        "router": f'{{"image":"busybox@{A}"}}',
    }


def test_what_is_written_apart_from_its_tag_stays_and_is_told() -> None:
    """KServe's tables had name and tag in two fields; there is no place for a digest."""
    text = '{"sklearn": {"image": "app", "defaultImageVersion": "1"}}'
    document = {"kind": "ConfigMap", "metadata": {"name": "inferenceservice-config"}, "data": {"predictors": text}}
    assert pin(document, KNOWN) == ["app:1"]
    assert document["data"]["predictors"] == text


def test_the_notebook_image_of_our_own_hub_is_one() -> None:
    document = {
        "kind": "ConfigMap",
        "metadata": {"name": "hub"},
        "data": {"settings.json": '{"notebook_image": "app:1"}'},
    }
    assert pin(document, KNOWN) == []
    assert document["data"]["settings.json"] == f'{{"notebook_image": "app:1@{A}"}}'


@pytest.mark.parametrize("image", DIGESTS)
def test_a_recorded_digest_can_be_found_and_used(image: str) -> None:
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", DIGESTS[image])
    assert parse(pinned(image)).digest == DIGESTS[image]


def test_an_image_without_a_known_digest_stays_as_it_is() -> None:
    assert pinned("quay.io/somebody/else:1") == "quay.io/somebody/else:1"
    assert [str(parse(image)) for image in DIGESTS] == list(DIGESTS)
