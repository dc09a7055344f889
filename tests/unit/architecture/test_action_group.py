"""The action group has every module that a playbook on the laptop gives the cluster's kubeconfig to, and no other."""

from __future__ import annotations

import ast
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]


def documentation(path: Path) -> dict:
    [found] = [
        node.value
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DOCUMENTATION"
    ]
    return yaml.safe_load(ast.literal_eval(found))


def test_the_group_is_complete() -> None:
    wanted = set()
    for path in (ROOT / "plugins" / "modules").glob("*.py"):
        told = documentation(path)
        own = (told.get("options") or {}).get("kubeconfig") or {}
        # A module with a default reads the one on the Pi, or needs none.
        if own.get("required") or "bramble.kube.api_options" in (told.get("extends_documentation_fragment") or []):
            wanted.add(path.stem)
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
    assert set(groups) == {"cluster"}
    assert groups["cluster"] == sorted(wanted)
