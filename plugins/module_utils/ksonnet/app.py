# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Read an app's app.yaml (apiVersion 0.0.1 to 0.3.0) into plain values."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import yamlio
from .errors import KsonnetError, listed
from .files import Files

API_VERSIONS = ("0.0.1", "0.1.0", "0.2.0", "0.3.0")


@dataclass
class Environment:
    """One environment: where its files lie and which cluster it means."""

    name: str
    path: str
    server: str = ""
    namespace: str = ""
    kubernetes_version: str = ""
    targets: list[str] = field(default_factory=list)
    libraries: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class App:
    """An app folder and what its app.yaml says. ``spec`` is app.yaml's own data, kept whole for writing.

    :ivar files: what all questions about the app's folder are put to.
    """

    root: str
    api_version: str
    spec: dict[str, Any]
    environments: dict[str, Environment]
    files: Files = field(default_factory=Files)

    @property
    def version(self) -> tuple[int, ...]:
        return version_tuple(self.api_version)

    @property
    def registries(self) -> dict[str, dict[str, Any]]:
        return self.spec.get("registries") or {}

    @property
    def libraries(self) -> dict[str, dict[str, Any]]:
        return self.spec.get("libraries") or {}

    def environment(self, name: str) -> Environment:
        """The environment, or KsonnetError that lists those that exist."""
        if name not in self.environments:
            raise KsonnetError(
                f"environment {name!r} does not exist in {self.root}; it has: {listed(self.environments)}"
            )
        return self.environments[name]

    def environment_dir(self, env: Environment) -> str:
        return os.path.join(self.root, "environments", *env.path.split("/"))

    def library_dir(self, env: Environment) -> str:
        """Folder with k.libsonnet for this environment, '' if the app has none."""
        if self.version < (0, 1):
            folders = [os.path.join(self.environment_dir(env), ".metadata")]
        else:
            lib = os.path.join(self.root, "lib")
            folders = [
                os.path.join(lib, env.kubernetes_version),
                os.path.join(lib, "ksonnet-lib", env.kubernetes_version),
            ]
        return next((folder for folder in folders if env.kubernetes_version and self.files.is_folder(folder)), "")


def version_tuple(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def load(root: str) -> App:
    """The app in folder ``root``; KsonnetError if there is none or its app.yaml cannot be used."""
    files = Files()
    path = os.path.join(root, "app.yaml")
    spec = _read_yaml(path, files)
    if spec is None:
        raise KsonnetError(f"{root} is not a ksonnet app: it has no app.yaml")
    api_version = str(spec.get("apiVersion", ""))
    if api_version not in API_VERSIONS:
        raise KsonnetError(
            f"{path} has apiVersion {api_version or '(none)'}, which is not known; known are {', '.join(API_VERSIONS)}"
        )
    for key in ("environments", "registries", "libraries"):
        _check_mapping(spec.get(key), f"{key} in {path}")
    if api_version == "0.0.1":
        environments = _environments_001(root, files)
    else:
        override_path = os.path.join(root, "app.override.yaml")
        environments = _environments(spec, _read_yaml(override_path, files) or {}, path)
    return App(root, api_version, spec, environments, files)


def _read_yaml(path: str, files: Files) -> dict[str, Any] | None:
    """A YAML file that holds a mapping; None if the file does not exist."""
    try:
        text = files.text(path)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        raise KsonnetError(f"{path} cannot be read: {exc}") from exc
    data = yamlio.load(text, path)
    if not isinstance(data, dict):
        raise KsonnetError(f"{path} must hold a mapping such as 'apiVersion: 0.1.0', not {type(data).__name__}")
    return data


def _check_mapping(value: Any, where: str) -> None:
    if value is not None and (
        not isinstance(value, dict) or any(v is not None and not isinstance(v, dict) for v in value.values())
    ):
        raise KsonnetError(f"{where} must be a mapping of names to mappings")


def _environments(spec: Mapping[str, Any], override: Mapping[str, Any], path: str) -> dict[str, Environment]:
    """Environments of app.yaml with those of app.override.yaml laid over (pkg/app/base_app.go, mergedEnvironment)."""
    merged: dict[str, dict[str, Any]] = copy.deepcopy({k: v for k, v in (spec.get("environments") or {}).items() if v})
    for name, over in (override.get("environments") or {}).items():
        if not over:
            continue
        env = merged.setdefault(name, {})
        env["k8sVersion"] = over.get("k8sVersion", "")
        env["path"] = over.get("path", "")
        for key in ("destination", "targets"):
            if over.get(key) is not None:
                env[key] = over[key]
    result = {}
    for name, env in merged.items():
        destination = env.get("destination") or {}
        targets = env.get("targets") or []
        if not isinstance(destination, dict) or not isinstance(targets, list):
            raise KsonnetError(
                f"environment {name!r} in {path} needs destination: {{server: …, namespace: …}} and a list of targets"
            )
        result[name] = Environment(
            name=name,
            path=str(env.get("path") or name),
            server=str(destination.get("server") or ""),
            namespace=str(destination.get("namespace") or ""),
            kubernetes_version=str(env.get("k8sVersion") or ""),
            targets=[str(target) for target in targets],
            libraries=env.get("libraries") or {},
        )
    return result


def _environments_001(root: str, files: Files) -> dict[str, Environment]:
    """Before 0.1.0 each environment has a spec.json, and its Kubernetes version is in .metadata/swagger.json."""
    top = os.path.join(root, "environments")
    result = {}
    for folder, _folders, names in files.walk(top):
        if "spec.json" not in names:
            continue
        path = os.path.join(folder, "spec.json")
        try:
            spec = json.loads(files.text(path))
        except (OSError, ValueError) as exc:
            raise KsonnetError(f"{path} cannot be read: {exc}") from exc
        name = os.path.relpath(folder, top).replace(os.sep, "/")
        result[name] = Environment(
            name=name,
            path=name,
            server=str(spec.get("server") or spec.get("uri") or ""),
            namespace=str(spec.get("namespace") or "") or "default",
            kubernetes_version=_swagger_version(os.path.join(folder, ".metadata", "swagger.json"), files),
        )
    return result


def _swagger_version(path: str, files: Files) -> str:
    try:
        return str(json.loads(files.text(path))["info"]["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown"


@dataclass(frozen=True)
class Component:
    """A file below components/; ``module`` is the folder that it lies in, '' for components/ itself."""

    module: str
    name: str
    path: str
    kind: str

    @property
    def qualified(self) -> str:
        return f"{self.module.replace('/', '.')}.{self.name}" if self.module else self.name


_KINDS = {".jsonnet": "jsonnet", ".yaml": "yaml", ".json": "json"}


def module_components(root: str, module: str, files: Files | None = None) -> list[Component]:
    """Components in the folder of one module ('' is the root, 'a/b' a nested one), in order of file names."""
    files = files or Files()
    folder = os.path.join(root, "components", *module.split("/"))
    found = []
    for name in files.names(folder) or ():
        stem, ext = os.path.splitext(name)
        path = os.path.join(folder, name)
        if ext in _KINDS and files.is_file(path):
            found.append(Component(module=module, name=stem, path=path, kind=_KINDS[ext]))
    return found


def all_modules(root: str, files: Files | None = None) -> list[str]:
    """Modules (folders below components/ that hold components or a params.libsonnet), the root first."""
    top = os.path.join(root, "components")
    found = []
    for folder, _folders, names in (files or Files()).walk(top):
        if "params.libsonnet" in names or any(os.path.splitext(name)[1] in _KINDS for name in names):
            relative = os.path.relpath(folder, top).replace(os.sep, "/")
            found.append("" if relative == "." else relative)
    return sorted(found)


def all_components(root: str) -> list[Component]:
    return [component for module in all_modules(root) for component in module_components(root, module)]
