"""Where the lab keeps what it builds, and the content keys that say whether something must be built again."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Cache:
    """The folders of one lab cache; `www` is a web server's document root, `registry` a registry's storage."""

    root: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Cache:
        """BRAMBLE_LAB_CACHE, or `bramble.kube-lab` in the user's cache folder (XDG base directory specification)."""
        if environment.get("BRAMBLE_LAB_CACHE"):
            return cls(Path(environment["BRAMBLE_LAB_CACHE"]).absolute())
        base = environment.get("XDG_CACHE_HOME") or str(Path(environment["HOME"], ".cache"))
        return cls(Path(base, "bramble.kube-lab"))

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def www(self) -> Path:
        return self.root / "served" / "www"

    @property
    def registry(self) -> Path:
        return self.root / "served" / "registry"


def content_key(recipe: Iterable[str], inputs: Iterable[Path]) -> str:
    """16 hex digits that change when a value of the recipe or the name, mode or content of an input file does."""
    digest = hashlib.sha256()

    def add(label: str, data: bytes) -> None:
        # Lengths first, so that no two lists of values run together into the same bytes.
        digest.update(b"%s %d\n" % (label.encode(), len(data)))
        digest.update(data)

    for value in recipe:
        add("value", value.encode())
    for path in inputs:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            if file.suffix == ".pyc":
                continue
            add("name", str(file.relative_to(path.parent)).encode())
            add("mode", b"x" if os.access(file, os.X_OK) else b"-")
            add("data", file.read_bytes())
    return digest.hexdigest()[:16]


def link(path: Path, target: Path) -> None:
    """Make `path` a relative symbolic link to `target`; relative, so that the cache can be mounted elsewhere."""
    wanted = os.path.relpath(target, path.parent)
    if path.is_symlink() and os.readlink(path) == wanted:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    beside.symlink_to(wanted)
    beside.replace(path)
