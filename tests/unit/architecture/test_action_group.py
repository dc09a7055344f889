"""The action group has every module that a playbook on the laptop gives the cluster's kubeconfig to, and no other."""

from __future__ import annotations

from pathlib import Path

import yaml
from ansible.parsing.plugin_docs import read_docstring

ROOT = Path(__file__).resolve().parents[3]


def test_the_group_is_complete() -> None:
    wanted = set()
    for path in (ROOT / "plugins" / "modules").glob("*.py"):
        told = read_docstring(str(path))["doc"]
        own = (told.get("options") or {}).get("kubeconfig") or {}
        # A module with a default reads the one on the Pi, or needs none.
        if own.get("required") or "bramble.kube.api_options" in (told.get("extends_documentation_fragment") or []):
            wanted.add(path.stem)
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
    assert set(groups) == {"cluster"}
    assert groups["cluster"] == sorted(wanted)
