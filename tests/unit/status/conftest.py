"""The scenes are shared by all tests of this folder."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from folders import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A Pi on which nothing is."""
    return Folder(tmp_path)
