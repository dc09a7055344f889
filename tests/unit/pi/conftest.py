"""A Pi made of files in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from played_machine import played, synced

from ansible_collections.bramble.kube.plugins.module_utils.common.system import System

__all__ = ["pi", "played", "synced"]


class FakePi(System):
    """A System on a folder, whose programs print what a test says."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.programs: dict[str, str] = {}

    def put(self, path: str, text: str | bytes) -> Path:
        """Write a file of the Pi."""
        file = Path(self.path(path))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def run(self, arguments, timeout: float = 10) -> str:
        """What the test has put for the program."""
        command = " ".join(arguments)
        return next((text for start, text in self.programs.items() if command.startswith(start)), "")


@pytest.fixture
def pi(tmp_path: Path) -> FakePi:
    """A Pi on which nothing is."""
    return FakePi(tmp_path)
