"""The rooms of module_utils in the order in which they build on each other, and nothing that goes against it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

UTILS = Path(__file__).resolve().parents[3] / "plugins" / "module_utils"
PACKAGE = "ansible_collections.bramble.kube.plugins."

#: Each room may import from those above it. docs/architecture.md says what lives in each.
ROOMS = (
    "common",
    "kubeadm",
    "pi",
    "images",
    "manifests",
    "fit",
    "nodes",
    "backup",
    "preflight",
    "ksonnet",
    "smoke",
    "kubeflow",
    "loop",
    "status",
)


def module_name(file: Path) -> str:
    """``manifests.push`` for plugins/module_utils/manifests/push.py, ``manifests`` for its ``__init__``."""
    parts = file.relative_to(UTILS).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(file): file for file in sorted(UTILS.rglob("*.py"))}


def imports(name: str, file: Path) -> Iterator[str]:
    """What a file imports of this collection, as names below plugins/module_utils ("" for the other plugins)."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or id(node) in typing_only:
            continue
        if node.level:
            base = ".".join([*name.split(".")[: -node.level], *([node.module] if node.module else [])])
        elif (node.module or "").startswith(PACKAGE + "module_utils"):
            base = (node.module or "").removeprefix(PACKAGE + "module_utils").lstrip(".")
        elif (node.module or "").startswith(PACKAGE):
            yield ""
            continue
        else:
            continue
        for alias in node.names:
            inner = f"{base}.{alias.name}".lstrip(".")
            yield inner if inner in FILES else base


@pytest.mark.parametrize("name", FILES)
def test_imports_go_down_the_table(name: str) -> None:
    room = name.split(".")[0]
    below = ROOMS[: ROOMS.index(room) + 1]
    wrong = [other for other in imports(name, FILES[name]) if other.split(".")[0] not in below]
    assert not wrong, f"{name} imports {wrong}; {room} may import from {', '.join(below)}"


def test_no_file_imports_itself_through_others() -> None:
    edges = {name: set(imports(name, file)) & set(FILES) - {name} for name, file in FILES.items()}
    # Files that import nothing that is left can go; what cannot go is a circle.
    while free := [name for name, others in edges.items() if not others]:
        edges = {name: others - set(free) for name, others in edges.items() if name not in free}
    assert not edges


def test_the_table_names_each_room_once() -> None:
    there = {path.name for path in UTILS.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert sorted(ROOMS) == sorted(there)
    assert not [path.name for path in UTILS.glob("*.py")], "a file belongs to a room"
