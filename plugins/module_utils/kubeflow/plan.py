# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a playbook has to do for the chosen components before they can be pushed: which manifests to build from what."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from .catalogue import KSONNET, KUSTOMIZE, Component
from .choice import PRESENT, Chosen


def plan(chosen: list[Chosen], base: str, cache: str) -> dict[str, Any]:
    """For each engine what is to be rendered, and where the result lies.

    :param base: address in place of https://github.com for sources that name a repository.
    :param cache: folder for what was rendered.
    :returns: ``present`` and ``absent`` (names, in order), ``needed`` (name → who needs it), ``kustomize``,
        ``ksonnet``, ``urls`` (what to build or fetch, each with ``file``), ``paths`` and ``templates`` (name → path),
        ``files`` (name → file in the cache).
    """
    made: dict[str, Any] = {
        "present": [item.component.name for item in chosen if item.state == PRESENT],
        "absent": [item.component.name for item in chosen if item.state != PRESENT],
        "needed": {item.component.name: list(item.needed_by) for item in chosen if item.needed_by},
        "kustomize": [],
        "ksonnet": [],
        "urls": [],
        "paths": {},
        "templates": {},
        "files": {},
    }
    for item in chosen:
        if item.state == PRESENT:
            _add(made, item.component, base, cache)
    return made


def _add(made: dict[str, Any], component: Component, base: str, cache: str) -> None:
    source = component.source
    entry = {
        "name": component.name,
        "tag": source.tag,
        "url": source.address(base),
        "sha256": source.sha256,
        "folder": source.folder,
        "overlay": source.overlay,
        "kustomization": dict(source.kustomization),
        "file": f"{cache}/{cache_name(component)}",
    }
    if component.engine == KUSTOMIZE:
        made["kustomize"].append(entry)
    elif component.engine == KSONNET:
        made["ksonnet"].append({**entry, "path": source.path, "ksonnet": dict(component.ksonnet)})
    elif source.url:
        made["urls"].append(entry)
    elif source.template:
        made["templates"][component.name] = source.template
        return
    else:
        made["paths"][component.name] = source.path
        return
    made["files"][component.name] = entry["file"]


def cache_name(component: Component) -> str:
    """A file name that is another one as soon as anything of the source is."""
    said = json.dumps([component.engine, dataclasses.asdict(component.source), dict(component.ksonnet)], sort_keys=True)
    return f"{component.name}-{component.source.tag}-{hashlib.sha256(said.encode()).hexdigest()[:12]}.json"
