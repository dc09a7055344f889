# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What the collection's own catalogue and roles name: images, and namespaces."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from ..images.reference import parse
from ..manifests import yamltext
from .catalogue import load, pinned

ROLES = Path(__file__).resolve().parents[3] / "roles"


@cache
def own_images() -> dict[str, list[str]]:
    """Image in full → who names it: components of the catalogue, and variables of roles."""
    found: dict[str, list[str]] = {}

    def add(image: str, who: str) -> None:
        names = found.setdefault(str(parse(image)), [])
        names += [who] if who not in names else []

    for defaults in sorted(ROLES.glob("*/defaults/main.yml")):
        for name, value in _read(defaults).items():
            if name.endswith("_image"):
                add(value, name)
    for entry in _entries():
        for proven in (False, True):
            for image in pinned(entry, proven).get("images", ()):
                add(image["image"], entry["name"])
    return dict(sorted(found.items()))


@cache
def own_namespaces() -> set[str]:
    """Namespaces of the catalogue's components, and that of the smoke test."""
    components = {component.namespace for component in load(_entries()).values()}
    return components | {_read(ROLES / "kubeflow/defaults/main.yml")["kubeflow_smoke_namespace"]}


def _entries() -> list[dict[str, Any]]:
    return _read(ROLES / "kubeflow/vars/main/catalogue.yml")["kubeflow_catalogue"]


def _read(file: Path) -> dict[str, Any]:
    [(_line, variables)] = yamltext.documents(file.read_text(encoding="utf-8"), file.name)
    return variables or {}
