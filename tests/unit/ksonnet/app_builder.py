"""What the ksonnet tests share: apps of the test registry, declared by the collection's own code."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.declare import Declaration, Outcome, declare
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.registry import Downloads
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.render import Request, Result, render

FIXTURES = Path(__file__).parent / "fixtures"


class Builder:
    """Declares into one app folder; ``apply`` writes and returns what changed."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.root = root
        self.cache = cache

    def plan(self, **wanted: Any) -> Outcome:
        return declare(str(self.root), Declaration(**wanted), Downloads(str(self.cache)))

    def apply(self, **wanted: Any) -> list[str]:
        outcome = self.plan(**wanted)
        changed = [*outcome.tree.changes(), *outcome.tree.new_folders()]
        outcome.tree.commit()
        return changed

    def render(self, environment: str = "default", **options: Any) -> Result:
        return render(Request(str(self.root), environment, **options))

    def text(self, name: str) -> str:
        return (self.root / name).read_text()

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def standard(api_version: str = "0.1.0", release: str = "v1.7.0") -> dict[str, Any]:
    """The declaration that the digests in test_render.py are of."""
    return {
        "api_version": api_version,
        "libraries": [{"openapi": str(FIXTURES / "openapi" / f"{release}.json")}],
        "environments": [
            {
                "name": "default",
                "server": "https://x:6443",
                "namespace": "ns1",
                "params": {"site": {"greeting": 'hi "there"', "labels": {"a": "b"}}},
            },
            {"name": "eu/prod", "namespace": "ns2"},
        ],
        "registries": [{"name": "test", "uri": str(FIXTURES / "registry")}],
        "packages": [{"name": "test/web"}, {"name": "test/tools"}],
        "components": [
            {"name": "site", "prototype": "site", "params": {"image": "img:1", "args": ["-v", 1], "weight": "7"}},
            {"name": "my-note", "prototype": "bramble.note", "params": {"text": 'Größe & Ünï\n"q" \\ x'}},
        ],
    }


def digest(objects: list[dict[str, Any]]) -> str:
    """A checksum of objects in any order, as canonical JSON."""
    lines = (json.dumps(each, sort_keys=True, separators=(",", ":"), ensure_ascii=False) for each in objects)
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
