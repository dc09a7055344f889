"""Which modules Python loads itself, so that it keeps what it compiled of them."""

from __future__ import annotations

import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

from ansible_collections.bramble.kube.plugins import module_utils
from ansible_collections.bramble.kube.plugins.plugin_utils import bytecode

FOLDER = str(Path(module_utils.__path__[0]))


@pytest.mark.parametrize(("name", "folder"), [("common.errors", FOLDER + "/common"), ("manifests", FOLDER)])
def test_a_file_and_a_folder_of_ours_are_found(name, folder):
    spec = bytecode.Finder().find_spec(bytecode.PREFIX + name, [folder])
    assert isinstance(spec.loader, SourceFileLoader)
    assert spec.name == bytecode.PREFIX + name
    assert bool(spec.submodule_search_locations) == (name == "manifests")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (bytecode.PREFIX + "nonsense", [FOLDER]),
        (bytecode.PREFIX + "common", None),
        ("ansible_collections.kubernetes.core.plugins.module_utils.common.errors", [FOLDER]),
        ("json", None),
    ],
)
def test_everything_else_is_left_to_others(name, path):
    assert bytecode.Finder().find_spec(name, path) is None


def test_it_is_asked_once(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", [])
    bytecode.install()
    bytecode.install()
    assert len(sys.meta_path) == 1
