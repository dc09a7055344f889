# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`tools/catalogue --digests` records what registries say, and what goes by its tag is on the catalogue's page."""

from __future__ import annotations

import re
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest
from digests import table

from ansible_collections.bramble.kube.plugins.module_utils.images.known_digests import DIGESTS
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.shipped import own_images

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/unit/images"))

from fake_registry import FakeRegistry


@pytest.fixture(scope="module")
def tool():
    spec = spec_from_loader("catalogue_tool", SourceFileLoader("catalogue_tool", str(ROOT / "tools/catalogue")))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def registry():
    fake = FakeRegistry()
    yield fake
    fake.close()


def test_each_image_is_asked_for_and_what_is_not_as_recorded_is_told(tool, registry: FakeRegistry) -> None:
    digests = {
        "ghcr.io/own/same:1": registry.add_index("own/same", "1", "linux/amd64", "linux/arm64"),
        "ghcr.io/own/moved:1": registry.add_index("own/moved", "1", "linux/amd64", "linux/arm64/v8"),
        "ghcr.io/own/new:1": registry.add_index("own/new", "1", "linux/amd64", "linux/arm64"),
        "ghcr.io/own/pc:1": registry.add_index("own/pc", "1", "linux/amd64"),
    }
    old = "sha256:" + "0" * 64
    images = [*digests, "ghcr.io/own/gone:1", "ghcr.io/own/never:1"]
    known = {**digests, "ghcr.io/own/moved:1": old, "ghcr.io/own/gone:1": old}
    del known["ghcr.io/own/new:1"]
    found, sentences = tool.read_digests(images, known, {"ghcr.io": [registry.url]})
    assert found == {**digests, "ghcr.io/own/gone:1": old}
    moved, new, pc, gone, never = sentences
    assert moved == f"ghcr.io/own/moved:1: its tag was {old} and is {digests['ghcr.io/own/moved:1']} now"
    assert new == f"ghcr.io/own/new:1: {digests['ghcr.io/own/new:1']}, which was not recorded"
    assert pc == "ghcr.io/own/pc:1: not for linux/arm64"
    assert gone.startswith("ghcr.io/own/gone:1: ") and gone.endswith("; it stays as recorded")
    assert never.startswith("ghcr.io/own/never:1: ") and never.endswith("; it goes by its tag")


def test_the_file_is_written_as_ruff_formats_it(tool) -> None:
    text = tool.KNOWN.read_text()
    assert tool.with_digests(text, DIGESTS) == text
    new = tool.with_digests(text, {"quay.io/a:1": "sha256:" + "1" * 64, "docker.io/b:1": "sha256:" + "2" * 64})
    lines = f'\n    "docker.io/b:1": "sha256:{"2" * 64}",\n    "quay.io/a:1": "sha256:{"1" * 64}",\n}}\n'
    assert new.endswith("DIGESTS: dict[str, str] = {" + lines)


def test_the_table_tells_what_goes_by_its_tag_alone() -> None:
    images = {"docker.io/library/a:1": ["one", "two"], "quay.io/b:1": ["one"]}
    assert table(images, {"quay.io/b:1": "x"}).splitlines()[2:] == [
        "| `one` | `quay.io/b:1` | `a:1` |",
        "| `two` |  | `a:1` |",
    ]


def test_digests_are_recorded_of_images_that_catalogue_and_roles_name() -> None:
    """One of an image that nobody names any more would stay for ever."""
    images = own_images()
    assert {"master_flannel_image", "kubeflow_smoke_image", "jobset", "local-path"} <= {
        user for who in images.values() for user in who
    }
    assert DIGESTS and set(DIGESTS) <= set(images)


def test_our_own_templates_start_what_the_catalogue_says() -> None:
    """A tag that is changed in a template alone would go by its tag, and nothing would tell."""
    images = own_images()
    for template in (ROOT / "roles/kubeflow/templates").glob("*.j2"):
        for image in re.findall(r"^\s+image: ([^{\s]+)$", template.read_text(), re.MULTILINE):
            assert image in images, template
