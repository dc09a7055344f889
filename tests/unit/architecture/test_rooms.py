"""The rooms of module_utils in the order in which they build on each other, and nothing that goes against it."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from pathlib import Path

import pytest

UTILS = Path(__file__).resolve().parents[3] / "plugins" / "module_utils"
PACKAGE = "ansible_collections.bramble.kube.plugins."
UTILS_PACKAGE = PACKAGE + "module_utils."

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


FILES = {module_name(file): file.read_text(encoding="utf-8") for file in sorted(UTILS.rglob("*.py"))}


def imports(name: str, text: str) -> Iterator[str]:
    """What a file imports of this collection, wherever in it, as names below plugins/module_utils.

    :return: "" for the other plugins.
    """
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            named = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            above = ".".join([*name.split(".")[: -node.level], *filter(None, [node.module])])
            named = [(UTILS_PACKAGE + above, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            named = [(node.module or "", alias.name) for alias in node.names]
        else:
            continue
        for module, inner in named:
            if module.startswith(UTILS_PACKAGE):
                base = module.removeprefix(UTILS_PACKAGE)
                whole = f"{base}.{inner}".lstrip(".")
                yield whole if whole in FILES else base
            elif module.startswith(PACKAGE):
                yield ""


def upwards(name: str, text: str) -> list[str]:
    """What a file imports that its room may not import."""
    below = ROOMS[: ROOMS.index(name.split(".")[0]) + 1]
    return [other for other in imports(name, text) if other.split(".")[0] not in below]


@pytest.mark.parametrize("name", FILES)
def test_imports_go_down_the_table(name: str) -> None:
    wrong = upwards(name, FILES[name])
    assert not wrong, f"{name} imports {wrong}, which {name.split('.')[0]} may not"


@pytest.mark.parametrize(
    "fault",
    [
        f"from {UTILS_PACKAGE}kubeadm.tokens import parse",
        f"from {UTILS_PACKAGE}kubeadm import tokens",
        f"from {PACKAGE}module_utils import kubeadm",
        f"import {UTILS_PACKAGE}kubeadm.tokens as tokens",
        f"def later():\n    from {UTILS_PACKAGE}kubeadm.tokens import parse",
        f"if TYPE_CHECKING:\n    from {UTILS_PACKAGE}kubeadm.tokens import Token",
        "from ..kubeadm.tokens import parse",
        "from ..kubeadm import tokens",
        "from .. import kubeadm",
        f"from {PACKAGE}plugin_utils.shown import text",
    ],
)
def test_an_import_upwards_is_found_in_every_form(fault: str) -> None:
    assert upwards("common.http", f"from __future__ import annotations\n\n{fault}\n")
    assert not upwards("common.http", "import json\nfrom .errors import BrambleError\nfrom . import http1\n")


def test_no_file_imports_itself_through_others() -> None:
    edges = {name: set(imports(name, text)) & set(FILES) - {name} for name, text in FILES.items()}
    # Files that import nothing that is left can go; what cannot go is a circle.
    while free := [name for name, others in edges.items() if not others]:
        edges = {name: others - set(free) for name, others in edges.items() if name not in free}
    assert not edges


def test_the_table_names_each_room_once() -> None:
    there = {path.name for path in UTILS.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert sorted(ROOMS) == sorted(there)
    assert not [path.name for path in UTILS.glob("*.py")], "a file belongs to a room"


@pytest.mark.parametrize("name", [name for name, text in FILES.items() if text])
def test_a_file_says_that_it_is_internal(name: str) -> None:
    assert "\n# Internal to this collection: names and behaviour may change in any release.\n" in FILES[name]


def test_errors_have_one_root() -> None:
    """What is raised past its own file is a BrambleError, whose text is fit to be shown."""
    classes = [node for text in FILES.values() for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
    rootless = {
        node.name
        for node in classes
        if node.bases and all(isinstance(getattr(builtins, ast.unparse(base), None), type) for base in node.bases)
        if any(issubclass(getattr(builtins, ast.unparse(base)), BaseException) for base in node.bases)
    }
    assert {name for name in rootless if not name.startswith("_")} == {"BrambleError"}
