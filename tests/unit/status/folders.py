"""A Pi that is a folder of files, and programs that print what a test says."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.bramble.kube.plugins.module_utils.common.system import System


class Folder(System):
    """A Pi made of files."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.programs: dict[str, str] = {}

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the Pi."""
        file = Path(self.path(path))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def run(self, arguments, timeout: float = 10) -> str:
        """What the test has put for the program."""
        command = " ".join(arguments)
        return next((text for start, text in self.programs.items() if command.startswith(start)), "")
