# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What a playbook has to do for the chosen components before they can be pushed: which manifests to build from what."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from typing import Any

from ..common import checksum_file
from ..ksonnet.errors import KsonnetError
from ..ksonnet.registry import open_folder
from .catalogue import KSONNET, KUSTOMIZE, CatalogueError, Component
from .choice import PRESENT, Chosen


def plan(chosen: list[Chosen], base: str, cache: str) -> dict[str, Any]:
    """For each engine what is to be rendered, and where the result lies.

    :param base: address in place of https://github.com for sources that name a repository.
    :param cache: folder for what was rendered.
    :returns: ``present`` and ``absent`` (names, in order), ``needed`` (name → who needs it), ``kustomize``,
        ``ksonnet``, ``urls`` (what to build or fetch, each with ``file``), ``paths`` and ``templates`` (name → path),
        ``files`` (name → file in the cache), ``kept`` (names of those whose file is there, as its checksum says).
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
        "kept": [],
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
        folder = f"{cache}/ksonnet/{cache_name(component).rpartition('.')[0]}"
        made["ksonnet"].append({**entry, "app_dir": folder, "app": ksonnet_app(component, base)})
    elif source.url:
        made["urls"].append(entry)
    elif source.template:
        made["templates"][component.name] = source.template
        return
    else:
        made["paths"][component.name] = source.path
        return
    made["files"][component.name] = entry["file"]
    if checksum_file.holds(entry["file"]):
        made["kept"].append(component.name)


def ksonnet_app(component: Component, base: str) -> dict[str, Any]:
    """The app of one component, as the options of the module ksonnet_app have it."""
    source, made = component.source, component.ksonnet
    files = os.path.abspath(os.path.expanduser(source.path))
    registry = {"name": made["registry"], "uri": files}
    if source.sha256:
        registry["files_sha256"] = source.sha256
    if source.repository:
        folder = f"/{source.folder}" if source.folder else ""
        registry["uri"] = f"github.com/{source.repository}/tree/{source.tag}{folder}"
        registry["mirror"] = base.rstrip("/") + "/{org}/{repo}/archive/refs/tags/{ref}.tar.gz"
        files = f"{base.rstrip('/')}/{source.repository}/raw/{source.tag}"
    openapi = made["openapi"] if "://" in made["openapi"] else f"{files}/{made['openapi']}"
    return {
        "libraries": [{"openapi": openapi, "checksum": f"sha256:{made['openapi_sha256']}"}],
        "environments": [{"name": "default", "namespace": component.namespace}],
        "registries": [registry],
        "packages": [{"name": f"{made['registry']}/{package}"} for package in made["packages"]],
        "components": [{"name": component.name, "prototype": made["prototype"], "params": made["params"]}],
    }


def _contents(component: Component) -> str:
    """A checksum of a registry on the laptop, whose files may be others every day."""
    try:
        return open_folder(component.source.path, os.getcwd()).digest()
    except KsonnetError as error:
        raise CatalogueError(f"catalogue entry {component.name}: {error}.") from None


def cache_name(component: Component) -> str:
    """A file name that is another one as soon as anything of the source is.

    :raises CatalogueError: a registry on the laptop that is not there.
    """
    parts = [component.engine, dataclasses.asdict(component.source), dict(component.ksonnet)]
    if component.engine == KSONNET:
        parts.append(component.namespace)
        if component.source.path:
            parts.append(_contents(component))
    said = json.dumps(parts, sort_keys=True)
    return f"{component.name}-{component.source.tag}-{hashlib.sha256(said.encode()).hexdigest()[:12]}.json"
