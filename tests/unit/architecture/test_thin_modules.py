"""A module is documentation and one call: what it decides is in module_utils, where unit tests reach it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

MODULES = sorted((Path(__file__).resolve().parents[3] / "plugins/modules").glob("*.py"))
#: What deciding is made of.
LOGIC = (ast.Compare, ast.BinOp, ast.Try, ast.While, ast.comprehension, ast.Lambda, ast.FunctionDef, ast.ClassDef)


def logic(text: str) -> list[str]:
    """What a module decides by itself, beside the question whether it is run as a program."""
    found = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == "main":
            found += [ast.unparse(part) for one in node.body for part in ast.walk(one) if isinstance(part, LOGIC)]
        elif isinstance(node, LOGIC):
            found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_a_module_decides_nothing(module: Path) -> None:
    assert logic(module.read_text(encoding="utf-8")) == []


def test_a_decision_is_found() -> None:
    assert logic("def main():\n    if given['keep'] > 0:\n        perform(step)\n")
    assert logic("def helper():\n    pass\n\ndef main():\n    perform(step)\n")
